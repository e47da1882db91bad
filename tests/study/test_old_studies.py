"""A study that an earlier version began goes on with the present one: nothing that is finished runs again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compare_reports import OLD_STUDY, unpack
from launching import run

from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from study.ledger.study_directory import save_study_file
from trials.specs.records import SpeedRecord, Status, TeacherRecord, TrialRecord
from trials.storage.workspace import Workspace
from trials.training.checkpoints import CheckpointFile

TRIALS = 9  # finished ones in the kept directory
INTERRUPTED = {"0229894397d9854a7310cba8", "dc78e577365c62ef89b3ceef"}  # trials that were running when it was stopped
LONG = 1000.0  # seconds, which no trial of the test takes


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kept folder: study file, model, data, and in ``runs/tiny`` the directory, all elsewhere than they were."""
    folder = tmp_path_factory.mktemp("elsewhere")
    unpack(OLD_STUDY, folder)
    return folder


def status(kdstudy: Callable[..., tuple[int, str]], folder: Path) -> dict[str, Any]:
    code, output = kdstudy("status", folder, "--json")
    assert code == 0, output
    return json.loads(output)


def records_of(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (folder / "ledger").glob("*.json")}


def events_of(folder: Path) -> list[tuple[str, str]]:
    events = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [(event["event"], event["id"]) for event in events]


def test_old_study_goes_on_to_its_end(kdstudy, ray_address: str, old: Path) -> None:
    workspace = Workspace(old / "runs" / "tiny")
    folder, records = workspace.root, records_of(workspace.root)
    began = status(kdstudy, folder)
    assert (began["trials"], began["extra_trials"], began["finished"]) == (TRIALS, 0, False)
    assert (began["failed_trials"], began["bad_files"]) == ([], [])
    assert set(began["unfinished_work"]) == INTERRUPTED
    events = len(events_of(folder))
    for trial in INTERRUPTED:
        _say_that_it_ran_long(CheckpointFile.of(trial, workspace))
    # as a launch does: the old directory is this file's study, wherever its data and models lie now
    save_study_file(load_study(old / "tiny.yaml"), workspace)

    code, output = run("resume", folder, "--workers", 2, "--address", ray_address, folder=old)
    assert code == 0, output

    ended = status(kdstudy, folder)
    assert (ended["finished"], ended["extra_trials"]) == (True, 0)
    assert (ended["failed_trials"], ended["bad_files"], ended["unfinished_work"]) == ([], [], [])
    assert {chain["stage"] for chain in ended["chains"]} == {"finished"}
    # old records are as they were, and no worker began their work again
    now = records_of(folder)
    assert {name: now[name] for name in records} == records
    added = now.keys() - records.keys()
    new_events = events_of(folder)[events:]
    assert sorted(new_events) == sorted((event, name) for name in added for event in ("start", "end"))
    assert added > INTERRUPTED

    ledger = Ledger(workspace.ledger)
    kinds = [type(record) for record in ledger.refresh()]
    assert (kinds.count(TeacherRecord), kinds.count(SpeedRecord)) == (1, 1)
    assert kinds.count(TrialRecord) == ended["trials"] > TRIALS
    for record in ledger.trials:
        assert record.status is Status.COMPLETED
        # interrupted trials went on from their saved states
        assert record.train_seconds is not None
        assert (record.train_seconds >= LONG) == (record.record_id in INTERRUPTED)
    assert list(folder.glob("checkpoints/*")) == []

    code, output = kdstudy("report", folder)
    assert code == 0, output
    outcomes = json.loads((folder / "report" / "tables" / "outcomes.json").read_text())["rows"]
    assert [row["progress"] for row in outcomes] == ["searched", "searched"]
    assert (folder / "report" / "report.html").is_file()


def _say_that_it_ran_long(state: CheckpointFile) -> None:
    """Let a saved state say that more seconds were trained: a trial that goes on from it says so, too."""
    saved = state.load()
    assert saved is not None
    tensors, values = saved
    assert values["step"] > 0
    state.save(tensors, values | {"train_seconds": LONG})
