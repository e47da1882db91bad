"""The Tune adapter of one piece of work: the only file of this folder that knows Ray.

A whole trial is one `step`; its record is in the ledger before Tune hears of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pydantic import TypeAdapter
from ray import tune

from trials.record import Record
from trials.run import run_work
from trials.spec import TeacherTask, TrialSpec
from trials.workspace import Workspace

WORK: TypeAdapter[TrialSpec | TeacherTask] = TypeAdapter(TrialSpec | TeacherTask)


class KDTrainable(tune.Trainable):
    """Runs ``config["work"]``, a trial or a teacher as JSON text; ``config["source"]`` is the student's model."""

    def setup(  # type: ignore[override]  # `tune.with_parameters` adds the arguments
        self,
        config: dict[str, Any],
        workspace: Workspace,
        write: Callable[[Record], bool],
        threads: int,
        gpu: bool,
        checkpoint_seconds: float,
    ) -> None:
        """Take what all of a study's trials share; a worker is reused for many of them.

        Args:
            config: The first piece of work.
            workspace: The study's directory.
            write: Adds a record to the ledger.
            threads: Torch threads of one trial.
            gpu: Whether trials have a share of a GPU; without one they keep off it.
            checkpoint_seconds: Least time between two saves of a running trial's state.
        """
        torch.set_num_threads(threads)
        self._workspace = workspace
        self._write = write
        self._device = torch.device("cuda" if gpu else "cpu")
        self._checkpoint_seconds = checkpoint_seconds

    def step(self) -> dict[str, Any]:
        """Do the work, write its record, report that it is done."""
        work = WORK.validate_json(self.config["work"])
        work_id = work.teacher_id if isinstance(work, TeacherTask) else work.trial_id
        self._workspace.log_event("start", work_id)
        record = run_work(
            work,
            self.config["source"],
            self._workspace,
            device=self._device,
            checkpoint_seconds=self._checkpoint_seconds,
        )
        self._write(record)
        self._workspace.checkpoint(work_id).unlink(missing_ok=True)
        self._workspace.log_event("end", work_id)
        return {"done": True, "record_id": work_id}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Always ready for other work: False would leave Tune waiting for ever."""
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: trials keep their own checkpoints, found by trial and not by Tune's directory."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing: see `save_checkpoint`."""
