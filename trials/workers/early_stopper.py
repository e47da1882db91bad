"""The early stopper of a launch: an actor that workers ask at each validation whether a trial should stop.

It starts from the records of the ledger, and each request has the whole curve of a trial. A restart therefore loses
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trials.specs import CurvePoint, EarlyStopper, Record, TrialRecord, TrialSpec, score_curve


class RecordSource(Protocol):
    """The part of the study's ledger that early stopping needs."""

    def refresh(self) -> Iterable[Record]:
        """The records."""


class EarlyStopperActor:
    """An actor that compares the trials of a study.

    Args:
        ledger: The records that it starts from.
    """

    def __init__(self, ledger: RecordSource):
        self._stopper = EarlyStopper()
        for record in ledger.refresh():
            if isinstance(record, TrialRecord) and record.curve:
                self._stopper.add_curve(record.spec.case_id, record.spec.trial_id, score_curve(record.curve))

    def reason_to_stop(self, spec: TrialSpec, curve: Sequence[CurvePoint]) -> str | None:
        """Why a trial should stop now; None if it should continue."""
        return self._stopper.reason_to_stop(spec.case_id, spec.trial_id, score_curve(curve), spec.stopping)


@dataclass(frozen=True)
class RemoteStopCheck:
    """Asks the early stopper, from any worker. The actor lives as long as the driver's object."""

    stopper: Any

    def __call__(self, spec: TrialSpec, curve: Sequence[CurvePoint]) -> str | None:
        """As `EarlyStopperActor.reason_to_stop`.

        Raises:
            ray.exceptions.RayError: The early stopper was lost.
        """
        return ray.get(self.stopper.reason_to_stop.remote(spec, curve))


def start_early_stopper(ledger: RecordSource) -> RemoteStopCheck:
    """Start the early stopper of a study on the driver's node; a repeated request changes nothing."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return RemoteStopCheck(ray.remote(EarlyStopperActor).options(**options).remote(ledger))
