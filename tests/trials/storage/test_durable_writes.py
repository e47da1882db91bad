"""Writes: tried again where storage fails now and then, named where it is full; nothing is half there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import Tiny

from study.ledger.record_files import Ledger
from trials.specs.records import Status
from trials.storage import durable_writes as persistence
from trials.storage.durable_writes import StorageFull, allocate_array, explain_full_storage, with_retries
from trials.storage.workspace import Workspace
from trials.training import checkpoints
from trials.training.checkpoints import CheckpointFile
from trials.workers.worker_context import WorkerContext


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "WAITS", (0.0,) * 3)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Flaky:
    """Every n-th call does something, the others fail: the worst of storages that still work."""

    def __init__(self, do, every: int):
        self.do, self.every, self.calls = do, every, 0

    def __call__(self, *arguments, **options):
        self.calls += 1
        if self.calls % self.every:
            raise OSError(errno.EIO, "input/output error")
        return self.do(*arguments, **options)


@pytest.mark.parametrize("every", [1, 2, 4])
def test_write_that_fails_now_and_then_is_done(every: int):
    assert with_retries(Flaky(lambda: "written", every)) == "written"


def test_write_that_always_fails_fails_with_its_own_error():
    with pytest.raises(OSError, match="input/output"):
        with_retries(Flaky(lambda: None, 5))


def test_full_storage_is_not_waited_for():
    tries = []

    def write():
        tries.append(1)
        full()

    with pytest.raises(OSError, match="No space"):
        with_retries(write)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: No space left on device; make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "/study: Disk quota exceeded; make room there"),
        (OSError("4096 requested and 512 written"), "/study: No space left on device; make room"),  # numpy's
        (RuntimeError("I/O error: No space left on device (os error 28)"), "/study: No space left on device"),
    ],
)
def test_full_storage_is_named_with_its_remedy(error: Exception, said: str):
    with pytest.raises(StorageFull) as caught, explain_full_storage("/study"):
        raise error
    assert str(caught.value).startswith(said)


def test_other_errors_keep_their_names():
    with pytest.raises(FileNotFoundError), explain_full_storage("/study"):
        raise FileNotFoundError("model.safetensors")


def test_array_is_on_disk_when_it_is_made(tmp_path: Path):
    array = allocate_array(tmp_path / "a.npy", np.float32, (1000, 100))
    assert os.stat(tmp_path / "a.npy").st_blocks * 512 >= 400_000
    array[3] = 7
    array.flush()
    assert np.load(tmp_path / "a.npy")[3, 0] == 7


def test_array_without_room_is_an_error_not_a_dead_process(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        allocate_array(tmp_path / "a.npy", np.float32, (10,))


def test_checkpoint_that_cannot_be_written_leaves_the_one_before_and_nothing_else(tmp_path: Path, monkeypatch):
    file = CheckpointFile(tmp_path / "c.safetensors")
    file.save({"weight": torch.ones(2)}, {"step": 1})
    save = checkpoints.save_file

    def torn(tensors, path, **options):
        save(tensors, path, **options)
        full()

    monkeypatch.setattr(checkpoints, "save_file", torn)
    with pytest.raises(OSError, match="No space left"):
        file.save({"weight": torch.zeros(2)}, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]
    assert file.step == 1


def context(tiny: Tiny, root: Path) -> WorkerContext:
    """The prepared study, with a ledger of our own."""
    return WorkerContext(Workspace(tiny.workspace.root), Ledger(root / "ledger"), 1, gpu=False, checkpoint_seconds=0)


def test_trial_on_storage_that_fails_three_of_four_writes_is_recorded_once(tiny: Tiny, tmp_path: Path, monkeypatch):
    link, save = Flaky(os.link, 4), Flaky(checkpoints.save_file, 4)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(checkpoints, "save_file", save)
    spec, written = tiny.trial(seed=21), []
    context(tiny, tmp_path).do([spec], (str(tiny.model), ""), written.append)
    (record,) = Ledger(tmp_path / "ledger").refresh()
    assert (record.status, written) == (Status.COMPLETED, [spec.trial_id])
    # Every step's state was saved at the fourth try; nothing half-written is left
    assert (link.calls, save.calls) == (4, 4 * 11)
    assert [path.name for path in (tmp_path / "ledger").iterdir()] == [f"{spec.trial_id}.json"]


@pytest.mark.parametrize("what", ["link", "checkpoint", "predictions", "events"])
def test_trial_on_full_storage_is_not_recorded_as_failed(tiny: Tiny, tmp_path: Path, monkeypatch, what: str):
    spec = tiny.trial(seed=22)
    with monkeypatch.context() as patch:
        if what == "link":
            patch.setattr(os, "link", full)
        elif what == "checkpoint":
            patch.setattr(checkpoints, "save_file", full)
        elif what == "predictions":
            patch.setattr("pyarrow.parquet.write_table", full)
        else:
            patch.setattr(Workspace, "log_event", full)
        with pytest.raises(StorageFull, match=r"No space left on device; make room there and launch again"):
            context(tiny, tmp_path).do([spec], (str(tiny.model), ""))
    assert Ledger(tmp_path / "ledger").refresh() == []
    # With room again it ends as ever
    context(tiny, tmp_path).do([spec], (str(tiny.model), ""))
    (record,) = Ledger(tmp_path / "ledger").refresh()
    assert record.status is Status.COMPLETED


def test_what_has_ended_does_not_run_whatever_clocks_say(tmp_path: Path):
    workspace = Workspace(tmp_path)
    for event, name in (("end", "a"), ("start", "a"), ("start", "b")):  # the clock that noted the end was behind
        workspace.log_event(event, name)
    assert workspace.running() == {"b"}
