"""Trials that were stopped early: no part of any result unless asked for, and never unmentioned."""

from __future__ import annotations

import pytest
from analysed import analyse, summary, tables
from known_studies import finished, plain_score, small_study
from simulation import do_work, make_search

from analysis.report.report import answers_of, render
from analysis.results.outcomes import Role
from search_spaces.space import load_space
from study.config.study_file import Study
from trials.specs.records import Record, Status, TrialRecord
from trials.specs.trial import TrialSpec

ASHA = {"rule": "asha"}


def study_of(strategy: str, stopping: object = ASHA) -> Study:
    return small_study(search={"strategy": strategy, "space": load_space("demo"), "stopping": stopping})


def mse(trial: TrialSpec) -> bool:
    """Whatever learns by MSE is stopped: the worse half."""
    return trial.configuration.distance == "mse"


def stopped(records: list[Record]) -> list[TrialRecord]:
    return [r for r in records if isinstance(r, TrialRecord) and r.status is Status.STOPPED]


@pytest.fixture(scope="module")
def grid() -> list[Record]:
    return finished(study_of("grid"), stops=mse)


def test_results_are_those_of_completed_trials_alone(grid: list[Record]) -> None:
    found = analyse(study_of("grid"), grid)
    whole = analyse(study_of("grid", None), finished(study_of("grid", None)))
    assert len(stopped(grid)) == found.provenance.num_stopped == sum(o.num_stopped for o in found.outcomes) > 0
    assert found.provenance.num_failed == whole.provenance.num_stopped == 0
    assert found.provenance.num_unused == 0
    for outcome, full in zip(found.outcomes, whole.outcomes, strict=True):
        # the best is the same; the worst and the random choice are those of CE
        assert outcome.final_score(Role.BEST) == full.final_score(Role.BEST)
        assert {candidate.choice.distance for candidate in outcome.completed} == {"ce"}
        assert outcome.final_score(Role.WORST) > full.final_score(Role.WORST)
        assert len(outcome.candidates) == len(full.candidates)


def test_asked_for_they_count_by_their_scores_until_then(grid: list[Record]) -> None:
    found = analyse(study_of("grid"), grid, include_stopped=True)
    whole = analyse(study_of("grid", None), finished(study_of("grid", None)))
    # a simulated trial has the same scores where it stops as at its end
    assert [outcome.completed for outcome in found.outcomes] == [outcome.completed for outcome in whole.outcomes]
    assert found.best_over_worst == whole.best_over_worst
    assert found.best_over_random == whole.best_over_random


def test_asking_for_them_changes_no_search(grid: list[Record]) -> None:
    study = study_of("greedy")
    records = finished(study, stops=mse)
    without, including = (analyse(study, records, include_stopped=each) for each in (False, True))
    assert stopped(records)
    assert [change.accepted for change in including.changes] == [change.accepted for change in without.changes]
    assert including.stable == without.stable
    lost = [change for change in without.changes if change.after.choice.distance == "mse"]
    # a stopped alternative loses its step; its gain is known only where it counts
    assert lost
    assert all(change.verdict == "loss" and change.gain.relative is None for change in lost)
    assert all(c.gain.relative is not None for c in including.changes if c.after.choice.distance == "mse")
    rates = [effect.reward.losses for effect in without.effects if effect.parameter == "distance"]
    assert rates == [len(lost)]


def test_records_of_no_rule_or_another_are_not_used(grid: list[Record]) -> None:
    for other in (None, {"rule": "median"}):
        found = analyse(study_of("grid", other), grid)
        assert found.provenance.num_stopped == 0
        assert found.provenance.num_unused == len(stopped(grid))


def test_a_trial_that_was_trained_to_its_end_later_counts_so(grid: list[Record]) -> None:
    study, (first, *_) = study_of("grid"), stopped(grid)
    better = do_work(first.spec.model_copy(update={"stopping": None}), lambda trial: (0.99, 0.98))
    records = make_search(study, [*grid, better]).triples[first.triple_id].records(first.configuration)
    assert records == [better]


def test_page_and_tables_say_how_many_and_whether_they_count(grid: list[Record]) -> None:
    study, number = study_of("grid"), len(stopped(grid))
    for include, words in ((False, "they do not count"), (True, "they count by their best validation until then")):
        found = analyse(study, grid, include_stopped=include)
        said = summary(found)
        assert any(f"{number} trials stopped early (asha" in line and words in line for line in said.progress)
        assert any("stopped early" in line for line in said.cautions)
        shown = render(found.results, answers_of(found.results), {})
        assert f"{number} stopped early" in shown
        assert "<th>stopped</th>" in shown or ">stopped<" in shown
        rows = tables(found)["outcomes"].plain_rows()
        assert [row["stopped_trials"] for row in rows] == [outcome.num_stopped for outcome in found.outcomes]
        assert "Nothing failed." in shown
    plain = analyse(study_of("grid", None), finished(study_of("grid", None), plain_score))
    assert not any("stopped" in line for line in (*summary(plain).progress, *summary(plain).cautions))
