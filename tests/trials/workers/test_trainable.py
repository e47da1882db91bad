"""The Tune adapter of a trial: a record comes before the report, and what has one is never trained again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny import Tiny

from study.ledger.record_files import Ledger
from trials.storage.workspace import Workspace
from trials.workers import run_work, trainable
from trials.workers.trainable import KDTrainable
from trials.workers.worker_context import WorkerContext


def adapter(tiny: Tiny, root: Path) -> KDTrainable:
    """The adapter as Tune would set it up, without Ray."""
    made = KDTrainable.__new__(KDTrainable)
    work = tiny.trial().model_dump_json(by_alias=True)
    made.config = {"work": work, "source": [str(tiny.model), ""], "cpu": torch.get_num_threads(), "gpu": 0}
    # Caches and teachers of the prepared study, a ledger of our own
    workspace = Workspace(tiny.workspace.root)
    context = WorkerContext(
        workspace, Ledger(root / "ledger"), torch.get_num_threads(), gpu=False, checkpoint_seconds=300
    )
    made.setup(made.config, context)
    return made


def test_step_writes_its_record_before_it_reports_and_only_once(tiny: Tiny, tmp_path, monkeypatch):
    first = adapter(tiny, tmp_path).step()
    record = Ledger(tmp_path / "ledger").get(first["record_id"])
    assert record is not None
    assert record.spec == tiny.trial()

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("a trial that has its record was trained again")

    # A worker lost between record and report: Tune hands the trial out again
    monkeypatch.setattr(run_work, "run_group", forbidden)
    assert adapter(tiny, tmp_path).step() == first


def test_step_survives_a_full_disk_after_its_record(tiny: Tiny, tmp_path, monkeypatch):
    def full(self: Workspace, event: str, work_id: str) -> None:
        if event == "end":
            raise OSError("no space left on device")

    monkeypatch.setattr(Workspace, "log_event", full)
    assert adapter(tiny, tmp_path).step()["done"]


def test_step_that_cannot_write_its_record_fails(tiny: Tiny, tmp_path):
    (tmp_path / "ledger").write_text("not a folder")
    with pytest.raises(OSError, match="ledger"):
        adapter(tiny, tmp_path).step()


def test_work_travels_as_text(tiny: Tiny):
    spec = tiny.trial()
    again = trainable.WORK.validate_json(spec.model_dump_json(by_alias=True))
    assert again == spec
    assert again.trial_id == spec.trial_id
    assert json.loads(spec.model_dump_json(by_alias=True))["configuration"]["distance"] == "ce"
