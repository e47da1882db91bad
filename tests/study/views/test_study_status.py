"""Where a study stands: read from its ledger alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_studies import FEW
from simulation import drawn_score, hashed_score, make_study, run_study

from study.config.study_file import Study
from study.ledger.record_files import Ledger
from study.planning.study_plan import trial_bounds
from study.search.study_search import load_search
from study.views.study_status import StudyStatus, read_status
from trials.specs.records import Record, Status, TeacherRecord, TrialRecord
from trials.specs.trial import TrialSpec
from trials.storage.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "simulated")


@pytest.fixture
def study() -> Study:
    return make_study(space=FEW)


def status_of(study: Study, workspace: Workspace, records: list[Record]) -> StudyStatus:
    ledger = Ledger(workspace.ledger)
    for record in records:
        ledger.write(record)
    status = read_status(study, workspace)
    # what `--json` prints is JSON
    assert json.loads(json.dumps(status.as_dict(), allow_nan=False))["name"] == "simulated"
    return status


def one_fails(trial: TrialSpec) -> tuple[float, float] | None:
    return None if trial.triple.triple_id == "teacher/2L/data0" else hashed_score(trial)


def test_status_of_an_empty_study(study: Study, workspace: Workspace) -> None:
    status = status_of(study, workspace, [])
    assert not status.finished
    assert (status.trials, status.hours) == (0, 0)
    assert [chain.triple for chain in status.chains] == [triple.triple_id for triple in study.triples]
    assert {chain.stage for chain in status.chains} == {"waiting for its teacher"}
    assert all(chain.incumbent is None and chain.steps == () for chain in status.chains)
    assert status.failed_trials == status.unfinished_work == status.bad_files == ()
    # looking makes nothing
    assert not workspace.root.exists()


def test_status_of_a_prepared_study(study: Study, workspace: Workspace) -> None:
    records = [record for record in run_study(study) if isinstance(record, TeacherRecord)]
    status = status_of(study, workspace, records)
    assert {chain.stage for chain in status.chains} == {"step 1: tuning the default"}
    assert status.trials == 0
    assert status.hours == pytest.approx(2 * 10 / 3600)  # a simulated record says 10 s


def test_status_of_a_half_finished_study(study: Study, workspace: Workspace) -> None:
    records = run_study(study)
    half = records[: len(records) // 2]
    status = status_of(study, workspace, half)
    assert not status.finished
    trials = [record for record in half if isinstance(record, TrialRecord)]
    assert status.trials == len(trials) == sum(chain.trials for chain in status.chains)
    search = load_search(study, half)
    for chain in status.chains:
        greedy = search.triples[chain.triple].search
        assert [step["parameter"] for step in chain.steps] == [step.parameter for step in greedy.steps]
    assert any(chain.steps for chain in status.chains)


def test_status_of_a_finished_study(study: Study, workspace: Workspace) -> None:
    status = status_of(study, workspace, run_study(study))
    assert status.finished
    assert {chain.stage for chain in status.chains} == {"finished"}
    for chain in status.chains:
        names = [step["parameter"] for step in chain.steps]
        assert names == ["distance", "teacher_checkpoint", "student_temperature", "soft_label_weight"]
        # the incumbent's score is the last kept one, and a step is kept where it validates better
        score = chain.steps[0]["before"]
        for step in chain.steps:
            assert step["before"] == score
            assert step["kept"] == (step["after"] > score)
            score = step["after"] if step["kept"] else score
        assert chain.validation_score == score
        assert chain.incumbent is not None


def test_status_of_stopped_trials(workspace: Workspace) -> None:
    study = make_study(search={"strategy": "grid", "space": FEW, "stopping": {"rule": "asha"}})
    records = run_study(study, stops=lambda trial: True)
    trials = [record for record in records if isinstance(record, TrialRecord)]
    for trial in trials:
        workspace.log_event("start", trial.spec.trial_id)
    status = status_of(study, workspace, records)
    stopped = sum(record.status is Status.STOPPED for record in trials)
    # they are no failures, and have ended though their records bear other names
    assert status.finished
    assert (status.failed_trials, status.unfinished_work) == ((), ())
    assert status.stopped_trials == sum(chain.stopped_trials for chain in status.chains) == stopped > 0
    assert status.trials == len(trials)
    # for a study that stops none they are trials like any that have no record
    plain = make_study(search={"strategy": "grid", "space": FEW})
    assert len(read_status(plain, workspace).unfinished_work) == stopped


def test_status_of_failures(study: Study, workspace: Workspace) -> None:
    records = run_study(study, one_fails)
    status = status_of(study, workspace, records)
    # nothing is left to do, and the failed chain is named with its reason
    assert status.finished
    stages = {chain.triple: chain.stage for chain in status.chains}
    failed = stages.pop("teacher/2L/data0")
    assert failed.startswith("failed: ")
    assert "default configuration failed" in failed
    assert set(stages.values()) == {"finished"}
    trials = [r for r in records if isinstance(r, TrialRecord) and r.status is Status.FAILED]
    assert len(status.failed_trials) == len(trials) > 0
    for record, line in zip(sorted(trials, key=lambda r: r.record_id), status.failed_trials, strict=True):
        assert line.startswith("teacher/2L/data0: ce highest_score")
        assert "the loss became NaN at step 3" in line
        assert record.record_id in line


def test_status_of_a_failed_teacher(study: Study, workspace: Workspace) -> None:
    done = run_study(study)[0]
    assert isinstance(done, TeacherRecord)
    failed = TeacherRecord(task=done.task, status=Status.FAILED, reason="labels differ", run=done.run)
    status = status_of(study, workspace, [failed])
    stages = {chain.triple: chain.stage for chain in status.chains}
    assert stages["teacher/2L/data0"] == stages["teacher/3L/data0"] == "failed: teacher teacher: labels differ"
    assert stages["teacher/2L/data1"] == "waiting for its teacher"
    assert not status.finished


def test_status_names_unfinished_work_and_bad_files(study: Study, workspace: Workspace) -> None:
    records = run_study(study)[:3]
    for event, work_id in [("start", records[2].record_id), ("start", "lost"), ("start", "ended"), ("end", "ended")]:
        workspace.log_event(event, work_id)
    (workspace.root / "ledger").mkdir(parents=True)
    (workspace.root / "ledger" / "torn.json").write_text("{")
    status = status_of(study, workspace, records)
    # what has a record is finished, whatever its worker last said
    assert status.unfinished_work == ("lost",)
    (bad,) = status.bad_files
    assert "torn.json" in bad


def test_status_counts_records_of_two_seeds(workspace: Workspace) -> None:
    study = make_study(datasets=1, students=1, space=FEW, seeds=(13, 14))
    records = run_study(study)
    status = status_of(study, workspace, records)
    (chain,) = status.chains
    assert chain.trials == status.trials == len(records) - 1
    assert status.trials <= status.most_trials


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from(["coordinate", "joint"]))
def test_bounds_of_trials_hold(salt: int, one_checkpoint: bool, tune: str) -> None:
    study = make_study(datasets=1, students=1, search={"space": FEW, "tune": tune})
    records = run_study(study, drawn_score(salt), one_checkpoint=one_checkpoint)
    fewest, most = trial_bounds(study)
    assert fewest <= len(records) - 1 <= most
