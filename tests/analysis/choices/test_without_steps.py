"""Status and report of searches without steps: what they found, and nothing of steps, from the first record on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from analysed import analyse, sections, tables
from simulation import make_study, run_study

from analysis.report.report import write_report
from analysis.results.outcomes import Role
from search_spaces.space import load_space
from study.config.study_file import Study
from study.ledger.record_files import Ledger
from study.views.study_status import read_status
from trials.specs.dataset import TaskName
from trials.specs.records import Record, TrialRecord
from trials.storage.workspace import Workspace

SEARCHES: dict[str, dict[str, Any]] = {
    "grid": {"strategy": "grid"},
    "random": {"strategy": "random", "trials": 12},
    "optuna": {"strategy": "optuna", "trials": 12},
}
every_search = pytest.mark.parametrize("name", SEARCHES)
OF_STEPS = {"fig2_parameters", "table3_rewards", "fig3_one_for_all", "decisions", "rewards", "task_rewards", "steps"}


def study_of(name: str) -> Study:
    tasks = (TaskName.CLASSIFICATION, TaskName.REGRESSION)
    return make_study(tasks=tasks, search={**SEARCHES[name], "space": load_space("demo")})


def best_of(records: list[Record], triple_id: str) -> TrialRecord:
    own = [record for record in records if isinstance(record, TrialRecord) and record.triple_id == triple_id]
    return max(own, key=lambda record: record.validation_score or 0)


@every_search
@pytest.mark.parametrize("share", [0, 0.4, 1])
def test_report_has_no_steps_and_works_at_any_time(name: str, share: float, tmp_path: Path) -> None:
    study = study_of(name)
    records = run_study(study)
    records = records[: round(share * len(records))]
    page = write_report(study, records, (), tmp_path, formats=("html",)).read_text()
    findings = analyse(study, records)
    shown = {section.name for section in sections(findings)} | set(tables(findings))
    assert not shown & OF_STEPS
    assert {"fig1_cost_of_choices", "scores", "tasks", "outcomes", "candidates"} <= shown
    assert "stable configuration" not in page


@every_search
def test_best_of_each_triple_is_the_best_that_it_tried(name: str) -> None:
    study = study_of(name)
    records = run_study(study)
    for outcome in analyse(study, records).outcomes:
        best = best_of(records, outcome.triple_id)
        assert outcome.searched
        assert outcome.best is not None
        assert outcome.best.validation_score == best.validation_score
        assert outcome.test_score(Role.BEST) == best.test_score


@every_search
def test_status_says_how_many_of_how_many(name: str, tmp_path: Path) -> None:
    study = study_of(name)
    records, ledger = run_study(study), Ledger(tmp_path / "ledger")
    for record in records[:6]:
        ledger.write(record)
    status = read_status(study, Workspace(tmp_path))
    budget = {"grid": 32, "random": 12, "optuna": 12}[name]
    # the teachers' records came first
    assert sum(chain.trials for chain in status.chains) == 4
    for chain, triple in zip(status.chains, study.triples, strict=True):
        most = budget if triple.dataset.task is TaskName.CLASSIFICATION else 4
        assert (chain.stage, chain.steps) == (f"{chain.trials} of {most} configurations", ())
        best = best_of(records[:6], chain.triple).validation_score if chain.trials else None
        assert chain.validation_score == best
    for record in records:
        ledger.write(record)
    status = read_status(study, Workspace(tmp_path))
    assert status.finished
    assert status.trials == status.most_trials == 2 * budget + 2 * 4  # regression has 4 configurations
    assert {chain.stage for chain in status.chains} == {"finished"}
