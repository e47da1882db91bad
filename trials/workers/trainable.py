"""The Tune adapter of one piece of work: with `group_host.py` the only file of this folder that knows Ray.

A whole trial is one `step`; its record is in the ledger before Tune hears of it. The driver imports this file too, so
that torch and what trains are imported where they are used: in the workers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter
from ray import tune

from trials.specs import Work, work_id
from trials.training import Interrupted
from trials.workers.shared_gpu import run_on_shared_gpu, watch_for_stop_request
from trials.workers.worker_context import WorkerContext

WORK: TypeAdapter[Work] = TypeAdapter(Work)


class KDTrainable(tune.Trainable):
    """Runs ``config["work"]``, a trial or a teacher as JSON text; ``config["source"]`` is the student's model.

    ``config["cpu"]`` and ``config["gpu"]`` are what it occupies on the kind of nodes that it was handed to.
    """

    def setup(self, config: dict[str, Any], context: WorkerContext, coordinator: Any = None) -> None:  # type: ignore[override]  # by with_parameters
        """Take what all of a study's trials share; a worker is reused for many of them.

        Args:
            config: The first piece of work.
            context: How work is done on this node.
            coordinator: The study's `GpuCoordinator`, which has work done beside others; without one it is done here.
        """
        self.context = context
        self.coordinator = coordinator
        if coordinator is None:
            watch_for_stop_request()
            context.warm_up()

    def step(self) -> dict[str, Any]:
        """Do the work, alone or beside others of its group; report that its record is in the ledger."""
        work = WORK.validate_json(self.config["work"])
        if not self.context.is_done(work):  # else a worker was lost between its record and its report
            source = tuple(self.config["source"])
            try:
                self._do(work, source)
            except Interrupted:  # the launch ends, and asks for no report any more
                return {"done": True}
        return {"done": True, "record_id": work_id(work)}

    def _do(self, work: Work, source: tuple[str, str]) -> None:
        if self.coordinator is not None:
            run_on_shared_gpu(self.coordinator, work, source)
            return
        threads, gpu = max(1, int(self.config["cpu"])), self.config["gpu"] > 0
        replace(self.context, threads=threads, gpu=gpu).do([work], source)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Always ready for other work: False would leave Tune waiting for ever."""
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: trials keep their own checkpoints, found by trial and not by Tune's directory."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Nothing: see `save_checkpoint`."""
