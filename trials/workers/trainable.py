"""The Tune trainable that does one piece of work.

A whole piece of work is one `step`; its record is in the ledger before Tune gets the result. The driver imports this
file too, so that torch and the training code are imported only in workers.
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
    """Does ``config["work"]``, a piece of work as JSON text; ``config["source"]`` is the student's model.

    ``config["cpu"]`` and ``config["gpu"]`` are the resources that it has on the node.
    """

    def setup(self, config: dict[str, Any], context: WorkerContext, coordinator: Any = None) -> None:  # type: ignore[override]  # by with_parameters
        """Set up the worker, which is reused for many pieces of work.

        Args:
            config: The first piece of work.
            context: Settings and directories of the study.
            coordinator: The study's `GpuCoordinator`, which trains trials of a group together; None trains in this
                process.
        """
        self.context = context
        self.coordinator = coordinator
        if coordinator is None:
            watch_for_stop_request()
            context.warm_up()

    def step(self) -> dict[str, Any]:
        """Do the work, alone or together with others of its group; report the key of its record."""
        work = WORK.validate_json(self.config["work"])
        if not self.context.is_done(work):  # it is done if a worker was lost after writing the record
            source = tuple(self.config["source"])
            try:
                self._do(work, source)
            except Interrupted:  # the launch ends and needs no result
                return {"done": True}
        return {"done": True, "record_id": work_id(work)}

    def _do(self, work: Work, source: tuple[str, str]) -> None:
        if self.coordinator is not None:
            run_on_shared_gpu(self.coordinator, work, source)
            return
        threads, gpu = max(1, int(self.config["cpu"])), self.config["gpu"] > 0
        replace(self.context, threads=threads, gpu=gpu).do([work], source)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Accept other work; with False Tune would wait forever."""
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: checkpoints are in the study's directory, by trial."""

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Do nothing, see `save_checkpoint`."""
