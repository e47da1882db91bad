"""What all work of a study has in common on one node: where it reads, computes, writes its records and its events.

The driver imports this file too: torch and what trains are imported where they are used.
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
    """The study's ledger, as far as a trial needs it."""

    def get(self, record_id: str) -> Record | None:
        """The record of this id, if there is one."""

    def write(self, record: Record) -> bool:
        """Add a record, once."""


def find_record(work: Work, ledger: RecordStore) -> Record | None:
    """The record of a piece of work, if there is one."""
    found = (ledger.get(record_id) for record_id in record_ids(work))
    return next((record for record in found if record is not None), None)


@dataclass(frozen=True)
class WorkerContext:
    """How a study's work is done on a node.

    Attributes:
        workspace: The study's directory.
        ledger: Where records are; what has one is not done again.
        threads: Torch threads.
        gpu: Whether to compute on the GPU; without a share of one, work keeps off it.
        checkpoint_seconds: Least time between two saves of running work's state.
        group: Most trials that are trained side by side.
        show_attention: Whether trials keep what student and teacher attend to in a few test examples.
        judge: Asked at each validation of a trial; None where none is stopped early.
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
        """Do one piece of work, or trials of one group side by side; each record is written as soon as it is there.

        Args:
            work: What to do; none of it has a record.
            source: Reference and revision of the model that students start from.
            on_record: Told the id of each piece of work whose record is written.

        Raises:
            StorageFull: There is no room for what must be written.
            Exception: What stopped the work.
        """
        with explain_full_storage(self.workspace.place):
            self._do(work, source, on_record)

    def _do(self, work: Sequence[Work], source: tuple[str, str], on_record: Callable[[str], None]) -> None:
        from trials.training import CheckpointFile
        from trials.workers.run_work import run_group, run_work

        def write(record: Record) -> None:
            with_retries(lambda: self.ledger.write(record))
            with contextlib.suppress(OSError):  # the record is safe: nothing after it may fail the trial
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
        """Import all that work needs, so that a worker's first trial finds it loaded."""
        import trials.workers.run_work  # noqa: F401

    def _device(self) -> torch.device:
        import torch

        torch.set_num_threads(self.threads)
        return torch.device("cuda" if self.gpu else "cpu")


def num_local_gpus() -> int:
    """How many GPUs this machine has for torch."""
    import torch

    return torch.cuda.device_count()
