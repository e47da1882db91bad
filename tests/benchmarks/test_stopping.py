"""Early stopping replayed over records: shares and regret against counts by hand."""

from __future__ import annotations

import pytest
from simulation import make_search, make_study, run_study

from benchmarks.stopping import Trial, replay, replays, trials_of
from search_spaces.space import load_space
from trials.specs.early_stopping import RuleName, StoppingRule
from trials.specs.records import CurvePoint, TrialRecord

ASHA = StoppingRule(rule=RuleName.ASHA, reduction_factor=2)


def with_curve(record: TrialRecord, *scores: float) -> TrialRecord:
    points = [
        CurvePoint(step=n, epoch=n, train_loss=1.0, validation_score=score, validation_loss=1.0)
        for n, score in enumerate(scores, start=1)
    ]
    found = {"curve": tuple(points), "validation_score": max(scores), "test_score": max(scores) - 0.1}
    return record.model_copy(update=found)


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    """Those of a grid, none of them exempt; their scores do not move."""
    study = make_study(datasets=1, students=1, search={"strategy": "grid", "space": load_space("demo")})
    triple = make_search(study, run_study(study)).triples["teacher/2L/data0"]
    found = trials_of(triple, study.config.seeds)
    assert [trial.record.configuration for trial in found] == list(triple.search.points)
    assert 0 < sum(trial.exempt for trial in found) < len(found)
    return [Trial(with_curve(each.record, *2 * [each.record.validation_score]), exempt=False) for each in found]


def test_rising_and_falling_orders_of_one_worker(trials: list[Trial]) -> None:
    order = sorted(trials, key=lambda trial: trial.record.validation_score)
    # each is better than all before it, and goes on
    rising = replay(order, ASHA, 1)
    assert (rising.saved, rising.stopped, rising.regret, rising.lost) == (0, 0, 0, 0)
    # each is worse than half of those before it, and stops after one of two epochs: all but the first
    distinct = {trial.record.validation_score: trial for trial in order}
    falling = replay(list(distinct.values())[::-1], ASHA, 1)
    assert falling.stopped == pytest.approx(1 - 1 / len(distinct))
    assert falling.saved == pytest.approx(falling.stopped / 2)
    assert falling.regret == 0


def test_late_bloomer_is_lost_and_the_regret_says_so(trials: list[Trial]) -> None:
    one, two, three = (trials[number].record for number in range(3))
    order = [with_curve(one, 0.8, 0.8), with_curve(two, 0.7, 0.7), with_curve(three, 0.1, 0.95)]
    found = replay([Trial(record, exempt=False) for record in order], ASHA, 1)
    assert (found.stopped, found.saved) == (pytest.approx(2 / 3), pytest.approx(2 / 6))
    assert (found.regret, found.lost) == (pytest.approx(0.15), pytest.approx(0.15))
    kept = replay([Trial(record, exempt=record is order[2]) for record in order], ASHA, 1)
    assert kept.regret == 0


def test_replays_are_the_same_again(trials: list[Trial]) -> None:
    assert replays(trials, ASHA, 3, 2) == replays(trials, ASHA, 3, 2)
