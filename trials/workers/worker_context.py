"""The context of a study's work on a node: directories, ledger, device and settings.

The driver imports this file too, so that torch and the training code are imported only where they are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from trials.specs import Record, StopCheck, TrialSpec, Work, record_ids, work_id, work_id_of_record
from trials.storage import Workspace, explain_full_storage, with_retries

if TYPE_CHECKING:
    import torch


class RecordStore(Protocol):
    """The part of the study's ledger that work needs."""

    def get(self, record_id: str) -> Record | None:
        """The record with this id; None if there is none."""

    def write(self, record: Record) -> bool:
        """Add a record, unless it exists."""


def find_record(work: Work, ledger: RecordStore) -> Record | None:
    """The record of a piece of work; None if there is none."""
    found = (ledger.get(record_id) for record_id in record_ids(work))
    return next((record for record in found if record is not None), None)


@dataclass(frozen=True)
class WorkerContext:
    """The settings and directories of a study's work on a node.

    Attributes:
        workspace: The study's directory.
        ledger: The records; work that has a record is not repeated.
        threads: Torch threads.
        gpu: Whether to compute on the GPU.
        checkpoint_seconds: Shortest time between two checkpoints.
        group: Maximal number of trials that are trained together.
        show_attention: Whether trials keep attention maps of student and teacher for a few test examples.
        stop_check: Called at each validation of a trial; None if no trial is stopped early.
    """

    workspace: Workspace
    ledger: RecordStore
    threads: int
    gpu: bool
    checkpoint_seconds: float
    group: int = 1
    show_attention: bool = False
    stop_check: StopCheck | None = None

    def is_done(self, work: Work) -> bool:
        """Whether a piece of work has its record."""
        return find_record(work, self.ledger) is not None

    def do(
        self, work: Sequence[Work], source: tuple[str, str], on_record: Callable[[str], None] = lambda done: None
    ) -> None:
        """Do one piece of work, or trials of one group together; each record is written as soon as it exists.

        Args:
            work: The work; none of it has a record.
            source: Reference and revision of the model that students start from.
            on_record: Called with the id of each piece of work whose record is written.

        Raises:
            StorageFull: The storage is full.
            Exception: The work failed.
        """
        with explain_full_storage(self.workspace.place):
            self._do(work, source, on_record)

    def _do(self, work: Sequence[Work], source: tuple[str, str], on_record: Callable[[str], None]) -> None:
        from trials.training import CheckpointFile
        from trials.workers.run_work import run_group, run_work

        def write(record: Record) -> None:
            with_retries(lambda: self.ledger.write(record))
            with contextlib.suppress(OSError):  # the record is written: later errors must not fail the trial
                CheckpointFile.of(work_id_of_record(record), self.workspace).remove()
                self.workspace.log_event("end", work_id_of_record(record))
            on_record(work_id_of_record(record))

        for piece in work:
            self.workspace.log_event("start", work_id(piece))
        device, seconds, shown = self._device(), self.checkpoint_seconds, self.show_attention
        trials = [piece for piece in work if isinstance(piece, TrialSpec)]
        if trials:
            options: dict[str, Any] = {"device": device, "checkpoint_seconds": seconds, "stop_check": self.stop_check}
            run_group(trials, source, self.workspace, write, **options, show_attention=shown)
        else:
            write(run_work(work[0], source, self.workspace, device=device, checkpoint_seconds=seconds))

    def warm_up(self) -> None:
        """Import everything that work needs before the first trial."""
        import trials.workers.run_work  # noqa: F401

    def _device(self) -> torch.device:
        import torch

        torch.set_num_threads(self.threads)
        return torch.device("cuda" if self.gpu else "cpu")


def num_local_gpus() -> int:
    """Number of GPUs of this machine that torch can use."""
    import torch

    return torch.cuda.device_count()
