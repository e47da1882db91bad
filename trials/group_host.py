"""One process for each shared GPU: it gathers the trials that wait for it and trains those of one group side by side.

Tune's trials reserve their shares of the GPU, hand their work to the host of that GPU and wait for their records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trials.spec import TrialSpec, Work, work_id
from trials.workbench import Workbench

GATHER_SECONDS = 0.5  # trials that were started together arrive within it


@dataclass(frozen=True)
class _Waiting:
    work: Work
    source: tuple[str, str]
    ended: asyncio.Future[None]

    @property
    def group_id(self) -> str:
        return self.work.group_id if isinstance(self.work, TrialSpec) else work_id(self.work)


class GroupHost:
    """An actor: `run` returns when the work has its record.

    Args:
        bench: How work is done on this node.
    """

    def __init__(self, bench: Workbench):
        bench.warm_up()
        self._bench = bench
        self._waiting: list[_Waiting] = []
        self._serving: asyncio.Task[None] | None = None

    async def run(self, work: Work, source: tuple[str, str]) -> None:
        """Do the work, side by side with others of its group.

        Raises:
            Exception: What stopped the work, and all that ran beside it.
        """
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(work, source, ended))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        await ended

    async def _serve(self) -> None:
        """One unit after the other, until nobody waits."""
        while self._waiting:
            unit = await self._gathered()
            loop = asyncio.get_running_loop()

            def told(record_id: str, unit: Sequence[_Waiting] = unit, loop: asyncio.AbstractEventLoop = loop) -> None:
                loop.call_soon_threadsafe(_end, unit, record_id, None)

            try:
                work = [waiting.work for waiting in unit]
                await asyncio.to_thread(self._bench.do, work, unit[0].source, told)
            except Exception as error:  # each member's trial says it; Tune tries them again
                for waiting in unit:
                    _end(unit, work_id(waiting.work), error)

    async def _gathered(self) -> list[_Waiting]:
        """The members of the first one's group, once all that come have come."""
        count = -1
        while count < len(self._waiting) < self._bench.group:
            count = len(self._waiting)
            await asyncio.sleep(GATHER_SECONDS)
        group_id = self._waiting[0].group_id
        unit = [waiting for waiting in self._waiting if waiting.group_id == group_id][: self._bench.group]
        self._waiting = [waiting for waiting in self._waiting if waiting not in unit]
        return unit


def _end(unit: Sequence[_Waiting], record_id: str, error: Exception | None) -> None:
    for waiting in unit:
        if work_id(waiting.work) == record_id and not waiting.ended.done():
            if error is None:
                waiting.ended.set_result(None)
            else:
                waiting.ended.set_exception(error)


def run_with_others(work: Work, source: tuple[str, str], bench: Workbench) -> None:
    """Hand work to the host of this process's GPU (of its node, without one), and wait for its record.

    Raises:
        ray.exceptions.RayError: The host was lost, or the work failed.
    """
    context = ray.get_runtime_context()
    gpus = ",".join(map(str, ray.get_gpu_ids()))
    host: Any = (
        ray.remote(GroupHost)
        .options(
            name=f"kdstudy {bench.workspace.root} {context.get_node_id()} {gpus}",
            get_if_exists=True,
            num_cpus=0,  # the trials have reserved what it uses
            max_concurrency=1000,
            scheduling_strategy=NodeAffinitySchedulingStrategy(context.get_node_id(), soft=False),
            runtime_env={"env_vars": {"CUDA_VISIBLE_DEVICES": gpus}},
        )
        .remote(bench)
    )
    ray.get(host.run.remote(work, source))
