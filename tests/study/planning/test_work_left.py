"""What is left of a study: exact where trials take what triples and kinds say, and within bounds for any scores."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_studies import FEW
from rich.console import Console
from simulation import Scores, do_work, hashed_score, make_search, make_study, run_study

from search_spaces.configuration import Configuration, Distance
from search_spaces.space import load_space
from study.config.study_file import Study
from study.launching.progress import Progress
from study.planning.study_plan import PlannedSeconds, search_bounds, triple_bounds
from study.planning.trials_left import trials_left_of
from study.planning.work_durations import estimate_durations
from study.planning.work_left import ExpectedRange, WorkLeft, count_concurrent_work, estimate_work_left
from study.planning.work_left_text import describe_work_left
from study.search.study_search import load_search
from study.search.timing_trials import cost_class, cost_factors, timing_trials
from trials.specs.dataset import TaskName
from trials.specs.records import Record, TeacherRecord, TrialRecord
from trials.specs.trial import TrialSpec
from trials.specs.work import SpeedSettings

SPACE = FEW.model_copy(update={"learning_rates": (1e-4, 3e-4)})
TINY = FEW.model_copy(update={"choices": FEW.choices.model_copy(update={"distance": (Distance.CE,)})})
START = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
SECONDS = {"teacher/2L/data0": 10.0, "teacher/3L/data0": 25.0, "teacher/2L/data1": 3.0, "teacher/3L/data1": 7.0}
TEACHER, SPEED = 40.0, 6.0


def timed(records: list[Record], seconds: dict[str, float] = SECONDS) -> list[Record]:
    """The records one after the other, each as long as its triple's trials, or its kind of work, take."""
    now, found = START, []
    for record in records:
        other = TEACHER if isinstance(record, TeacherRecord) else SPEED
        took = seconds[record.triple_id] if isinstance(record, TrialRecord) else other
        end = now + timedelta(seconds=took)
        run = record.run.model_copy(
            update={"started_at": now.isoformat(), "finished_at": end.isoformat(), "seconds": took}
        )
        found.append(record.model_copy(update={"run": run}))
        now = end
    return found


def planned_as(factor: float = 1.0, speeds: bool = False) -> PlannedSeconds:
    """A plan that is wrong by a factor, and right about work of one kind relative to each other."""
    pairs = [("teacher", "data0"), ("teacher", "data1")]
    return PlannedSeconds(
        trials={triple: factor * seconds for triple, seconds in SECONDS.items()},
        teachers=dict.fromkeys(pairs, factor * TEACHER),
        speeds=dict.fromkeys(pairs, factor * SPEED) if speeds else {},
    )


def estimated(study: Study, records: list[Record], planned: PlannedSeconds | None) -> WorkLeft:
    return estimate_work_left(load_search(study, records), planned, records)


def hours(records: list[Record]) -> float:
    return sum(record.run.seconds for record in records) / 3600


@pytest.mark.parametrize("strategy", ["grid", "random", "optuna"])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_estimates_of_lists_are_exact_from_the_first_trial_on(strategy: str, factor: float) -> None:
    of_some = {} if strategy == "grid" else {"trials": 5}
    study = make_study(search={"strategy": strategy, "space": TINY, **of_some}, seeds=(13, 14), speed=SpeedSettings())
    records = timed(run_study(study))
    for done in (3, 4, 7, 19, len(records) - 3, len(records) - 1, len(records)):  # after both teachers
        found = estimated(study, records[:done], planned_as(factor, speeds=True))
        trials = sum(isinstance(record, TrialRecord) for record in records[done:])
        # how many trials are left is no estimate
        assert found.trials.lower == found.trials.expected == found.trials.upper == trials
        # a plan that is wrong by a constant factor is right once a trial is measured
        assert found.hours.expected == pytest.approx(hours(records[done:]), rel=1e-9, abs=1e-9)
        assert found.hours.lower <= found.hours.expected <= found.hours.upper
    assert found.wall_hours.expected == 0


def test_without_a_plan_estimates_are_exact_once_all_triples_are_measured() -> None:
    study = make_study(search={"strategy": "grid", "space": TINY})
    records = timed(run_study(study))
    # the first trials are one of each triple
    for done in (2 + len(SECONDS), 9, 20, len(records)):
        assert estimated(study, records[:done], None).hours.expected == pytest.approx(hours(records[done:]), abs=1e-9)


def test_kinds_of_trials_are_told_apart() -> None:
    study = make_study(search={"strategy": "experiments", "space": load_space("paper_d")}, seeds=(13, 14, 15, 16))
    slow = {cost_class(c.canonical()): 1.0 + place for place, c in enumerate(study.space.named().values())}
    seconds = dict.fromkeys(SECONDS, 100.0)

    def of_kind(record: Record) -> Record:
        if not isinstance(record, TrialRecord):
            return record
        took = record.run.seconds * slow[cost_class(record.configuration)]
        return record.model_copy(update={"run": record.run.model_copy(update={"seconds": took})})

    records = [of_kind(record) for record in timed(run_study(study), seconds)]
    done = len(records) // 4
    found = estimated(study, records[:done], None)
    # the experiments differ five-fold, and most that came first are of one triple
    assert found.hours.expected == pytest.approx(hours(records[done:]), rel=0.2)


def drawn_score(salt: int) -> Scores:
    def score(trial: TrialSpec) -> tuple[float, float]:
        noise = hashlib.sha256(f"{salt} {trial.trial_id}".encode()).digest()
        return noise[0] / 256, noise[1] / 256

    return score


@settings(deadline=None, max_examples=8)
@given(
    salt=st.integers(0, 10**6),
    one_checkpoint=st.booleans(),
    tune=st.sampled_from(["coordinate", "joint"]),
    task=st.sampled_from([TaskName.CLASSIFICATION, TaskName.REGRESSION]),
    evaluate=st.sampled_from([(), ("lazy",), ("stable", "lazy")]),
)
def test_bounds_of_greedy_search_hold_at_any_time(
    salt: int, one_checkpoint: bool, tune: str, task: TaskName, evaluate: tuple[str, ...]
) -> None:
    search = {"space": SPACE, "tune": tune, "evaluate": evaluate}
    study = make_study(datasets=1, students=1, tasks=[task], search=search, seeds=(13, 14))
    records = run_study(study, drawn_score(salt), one_checkpoint=one_checkpoint)
    (triple,) = study.triples
    for done in range(0, len(records) + 1, 4):
        searched = load_search(study, records[:done])
        ahead = trials_left_of(study, triple, searched.triples.get(triple.triple_id))
        left = len(records) - max(done, 1)
        assert ahead.fewest <= left <= ahead.most
        assert ahead.fewest <= ahead.expected <= ahead.most
    # nothing is left at the end
    end = trials_left_of(study, triple, load_search(study, records).triples[triple.triple_id])
    assert (end.fewest, end.expected, end.most, end.requests) == (0, 0, 0, 0)


@settings(deadline=None, max_examples=10)
@given(salt=st.integers(0, 10**6), one_checkpoint=st.booleans())
def test_plan_of_regression_counts_merged_configurations(salt: int, one_checkpoint: bool) -> None:
    study = make_study(datasets=1, students=1, tasks=[TaskName.REGRESSION], space=SPACE)
    number = len(run_study(study, drawn_score(salt), one_checkpoint=one_checkpoint)) - 1
    fewest, most = triple_bounds(study, study.triples[0])
    assert fewest <= number <= most
    # without a softmax neither distance nor temperatures make another trial: rates, checkpoints, two weights are left
    search = study.config.search
    assert search_bounds(study.space, search, False)[1] <= 2 * 2 + 1 < search_bounds(study.space, search, True)[0]


def test_wall_clock_is_work_over_workers_or_the_longest_chain() -> None:
    study = make_study(search={"strategy": "grid", "space": TINY})
    records = timed(run_study(study))[:8]
    search = load_search(study, records)
    alone, two, many = (estimate_work_left(search, planned_as(), records, workers=n) for n in (1, 2, 10_000))
    idle = 0.08 * alone.trials.expected / 3600
    assert alone.wall_hours.expected == pytest.approx(alone.hours.expected + idle)
    assert two.wall_hours.expected == pytest.approx(two.hours.expected / 2 + idle / 2)
    # with a worker for each trial the slowest trial is what is waited for
    assert many.wall_hours.expected == pytest.approx(max(SECONDS.values()) / 3600, rel=1e-3)


def test_progress_says_what_is_left() -> None:
    study = make_study(search={"strategy": "grid", "space": TINY})
    records = timed(run_study(study))
    console = Console(file=io.StringIO(), width=1000)
    search, progress = make_search(study), Progress(console)
    progress.begin(search, workers=2)
    for record in records:
        # before the first trial nothing is known
        assert (progress.count().eta_seconds is None) == (search.num_trials == 0)
        search.observe(record)
        progress.recorded(record)
    lines = [line for line in console.file.getvalue().splitlines() if line.startswith("[")]  # type: ignore[attr-defined]
    assert len(lines) == sum(isinstance(record, TrialRecord) for record in records)
    assert all("left] teacher/" in line for line in lines)
    assert words_of(2.0, 1.0, 4.0, 3) == "about 2.0 h of work left (60.0 min to 4.0 h), 40.0 min with 3 workers"


def words_of(expected: float, lower: float, upper: float, workers: int) -> str:
    hours = ExpectedRange(lower, expected, upper)
    return describe_work_left(WorkLeft(1, hours, 0, 0, 0, hours, workers, hours.times(1 / workers), ()))


def test_failed_triples_have_nothing_left() -> None:
    study = make_study(space=SPACE)

    def one_fails(trial: TrialSpec) -> tuple[float, float] | None:
        return None if trial.triple.triple_id == "teacher/2L/data0" else hashed_score(trial)

    records = timed(run_study(study, one_fails))
    found = estimated(study, records, planned_as())
    assert found.hours.expected == found.trials.upper == 0


def test_records_of_other_recipes_say_nothing() -> None:
    study = make_study(search={"strategy": "grid", "space": TINY})
    records = timed(run_study(study))[:10]
    *_, last = records
    assert isinstance(last, TrialRecord)
    training = last.spec.training.model_copy(update={"epochs": 99})
    spec = last.spec.model_copy(update={"training": training})
    slow = last.model_copy(update={"spec": spec, "run": last.run.model_copy(update={"seconds": 1e6})})
    assert estimate_durations(study, planned_as(), [*records, slow]) == estimate_durations(study, planned_as(), records)


def test_workers_are_those_that_ran_lately() -> None:
    study = make_study(search={"strategy": "grid", "space": TINY})
    one = timed(run_study(study))[:6]
    assert count_concurrent_work(one) == 1
    # each starts when the one before the last ends
    two = [
        r.model_copy(update={"run": r.run.model_copy(update={"started_at": b.run.started_at})})
        for b, r in pairwise(one)
    ]
    assert count_concurrent_work(two) == 2
    assert count_concurrent_work([]) == 1


def test_first_trials_are_of_all_triples_and_kinds() -> None:
    study = make_study(search={"strategy": "experiments", "space": load_space("paper_d")}, seeds=(13, 14))
    search = make_search(study)
    for work in search.propose():
        search.observe(do_work(work))
    trials = [work for work in search.propose() if isinstance(work, TrialSpec)]
    kinds = {cost_class(trial.configuration) for trial in trials}
    first = trials[:5]
    # four triples and five experiments: four trials that are new in both, and one more kind
    assert {trial.triple.triple_id for trial in first} == set(SECONDS)
    assert {cost_class(trial.configuration) for trial in first} == kinds
    # two trials see both data sets and both students
    assert len({trial.triple.dataset.name for trial in first[:2]}) == 2
    assert len({trial.triple.student.name for trial in first[:2]}) == 2
    # the others stay as they were, and none is lost
    plain = [spec for triple in search.triples_by_priority() for spec in triple.propose()]
    assert trials[5:] == [trial for trial in plain if trial not in first]
    seen = {aspect for trial in trials for aspect in cost_factors(trial.triple, trial.configuration)}
    assert timing_trials(plain, seen) == []


def test_kinds_are_what_makes_other_work() -> None:
    default = SPACE.default()
    same: list[dict[str, object]] = [{"temperature": 2.0}, {"learning_rate": 0.5}, {"soft_label_weight": 0.5}]
    assert {cost_class(replace(default, **values)) for values in same} == {cost_class(default)}  # type: ignore[arg-type]
    others: list[dict[str, object]] = [{"soft_label_weight": 0.0}, {"hidden_weight": 0.5}, {"transfer_rows": 100}]
    kinds: set[Configuration] = {cost_class(replace(default, **values)) for values in others}  # type: ignore[arg-type]
    assert len(kinds | {cost_class(default)}) == 4
