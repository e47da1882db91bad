"""The Tune adapter of one piece of work: the only file of this folder that knows Ray.

A whole trial is one `step`; its record is in the ledger before Tune hears of it. The driver imports this file too, so
that torch and what trains are imported where they are used: in the workers.
"""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

from pydantic import TypeAdapter
from ray import tune

from trials.record import Record
from trials.spec import TeacherTask, TrialSpec
from trials.workspace import Workspace

WORK: TypeAdapter[TrialSpec | TeacherTask] = TypeAdapter(TrialSpec | TeacherTask)


class RecordStore(Protocol):
    """The study's ledger, as far as a trial needs it."""

    def get(self, record_id: str) -> Record | None:
        """The record of this id, if there is one."""

    def write(self, record: Record) -> bool:
        """Add a record, once."""


class KDTrainable(tune.Trainable):
    """Runs ``config["work"]``, a trial or a teacher as JSON text; ``config["source"]`` is the student's model."""

    def setup(  # type: ignore[override]  # `tune.with_parameters` adds the arguments
        self,
        config: dict[str, Any],
        workspace: Workspace,
        ledger: RecordStore,
        threads: int,
        gpu: bool,
        checkpoint_seconds: float,
    ) -> None:
        """Take what all of a study's trials share; a worker is reused for many of them.

        Args:
            config: The first piece of work.
            workspace: The study's directory.
            ledger: Where records are; what has one is not run again.
            threads: Torch threads of one trial.
            gpu: Whether trials have a share of a GPU; without one they keep off it.
            checkpoint_seconds: Least time between two saves of a running trial's state.
        """
        import torch

        import trials.run  # noqa: F401 - the worker's first trial shall find it loaded

        torch.set_num_threads(threads)
        self._workspace = workspace
        self._ledger = ledger
        self._device = torch.device("cuda" if gpu else "cpu")
        self._checkpoint_seconds = checkpoint_seconds

    def step(self) -> dict[str, Any]:
        """Do the work, write its record, report that it is done."""
        work = WORK.validate_json(self.config["work"])
        work_id = work.teacher_id if isinstance(work, TeacherTask) else work.trial_id
        if self._ledger.get(work_id) is None:  # else a worker was lost between its record and its report
            self._run(work, work_id)
        return {"done": True, "record_id": work_id}

    def _run(self, work: TrialSpec | TeacherTask, work_id: str) -> None:
        from trials.checkpoints import CheckpointFile

        self._workspace.log_event("start", work_id)
        self._ledger.write(self._record_of(work))
        with contextlib.suppress(OSError):  # the record is safe: nothing after it may fail the trial
            CheckpointFile(self._workspace.checkpoint(work_id)).remove()
            self._workspace.log_event("end", work_id)

    def _record_of(self, work: TrialSpec | TeacherTask) -> Record:
        from trials.run import run_work

        return run_work(
            work,
            tuple(self.config["source"]),
            self._workspace,
            device=self._device,
            checkpoint_seconds=self._checkpoint_seconds,
        )

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Always ready for other work: False would leave Tune waiting for ever."""
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: trials keep their own checkpoints, found by trial and not by Tune's directory."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing: see `save_checkpoint`."""
