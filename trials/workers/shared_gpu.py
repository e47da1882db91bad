"""Trials that share a GPU: a study's keeper gathers them into units, and the host of each GPU trains one at a time.

Tune's trials reserve their shares of the GPU, hand their work to the keeper and wait for its record. The keeper is the
driver's and the hosts are the keeper's, so that nothing ends with the trial that came first. Hosts only compute: the
process in which something failed is ended, since its GPU may be beyond use, and the next unit gets a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ray
from ray.experimental.internal_kv import _internal_kv_exists, _internal_kv_put
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from trials.specs import TrialSpec, Work, work_id
from trials.training import Interrupted, watch_for_interrupt
from trials.workers.worker_context import WorkerContext

GATHER_SECONDS = 0.5  # work that is wanted together is announced within it
ARRIVAL_SECONDS = 60  # announced work is waited for so long: its worker must start first
MOST_WAITING = 10_000  # calls that the keeper holds at a time; Ray would let it hold 1000


class DeviceLocation(NamedTuple):
    """Where trials have their shares: a node, and which of its GPUs (none: its CPUs)."""

    node_id: str
    gpus: str


@dataclass(eq=False)
class _Member:
    """A piece of work that somebody waits for."""

    work: Work
    source: tuple[str, str]
    location: DeviceLocation
    ended: asyncio.Future[None]
    queued: bool = True


class GpuCoordinator:
    """An actor: `run` returns when the work has its record.

    Args:
        context: How work is done on every node.
    """

    def __init__(self, context: WorkerContext):
        self._context = context
        self._expected: dict[str, tuple[str, float]] = {}  # group and latest moment of work that has not arrived, by id
        self._members: dict[str, _Member] = {}  # by the id of their work, until they end
        self._workers: dict[DeviceLocation, Any] = {}
        self._serving: dict[DeviceLocation, asyncio.Task[None]] = {}

    async def expect(self, record_id: str, group: str) -> None:
        """Let others of the group wait for a piece of work, whose worker is about to ask for it."""
        self._expected[record_id] = group, time.monotonic() + ARRIVAL_SECONDS

    async def expect_no_more(self, record_id: str) -> None:
        """Nobody will ask for this work."""
        self._expected.pop(record_id, None)

    async def run(self, work: Work, source: tuple[str, str], location: DeviceLocation) -> None:
        """Have the work done at a place, side by side with others of its group.

        It is done once, also if the process that waited was lost and its trial asks again, here or elsewhere.

        Raises:
            Exception: What stopped the work.
        """
        self._expected.pop(work_id(work), None)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        member = self._members.setdefault(work_id(work), _Member(work, source, location, ended))
        if member.queued:
            member.location = location
        if location not in self._serving or self._serving[location].done():
            self._serving[location] = asyncio.create_task(self._serve(location))
        await asyncio.shield(member.ended)

    async def recorded(self, record_id: str) -> None:
        """Let go of work that has its record."""
        self._end(record_id, None)

    async def _serve(self, location: DeviceLocation) -> None:
        """One unit after the other, until nobody waits at the place."""
        while members := await self._gathered(location):
            for member in members:
                member.queued = False
            await self._train(members, location)

    async def _gathered(self, location: DeviceLocation) -> list[_Member]:
        """The group of the one that has waited longest, once all that come have come."""
        count = -1
        while len(members := self._first_group(location)) < self._context.group and (
            len(members) > count or self._others_of(members)
        ):
            count = len(members)
            await asyncio.sleep(GATHER_SECONDS)
        return members

    def _first_group(self, location: DeviceLocation) -> list[_Member]:
        queued = [member for member in self._members.values() if member.queued and member.location == location]
        return [member for member in queued if _group(member.work) == _group(queued[0].work)][: self._context.group]

    def _others_of(self, members: Sequence[_Member]) -> bool:
        """Whether more of its group are on their way."""
        coming = {group for group, latest in self._expected.values() if time.monotonic() < latest}
        return any(_group(member.work) in coming for member in members)

    async def _train(self, members: Sequence[_Member], location: DeviceLocation) -> None:
        """Do a unit's work; of one that fails each member does its own alone. Every member then has ended."""
        error: Exception = RuntimeError("the work was done, but has no record")
        try:
            if waiting := self._without_record(members):
                await self._worker(location).do.remote([member.work for member in waiting], waiting[0].source)
            left = self._without_record(waiting)
        except Interrupted:  # the launch ends: nothing is begun again
            for member in members:
                self._end(work_id(member.work), Interrupted())
            return
        except Exception as caught:
            error, left = caught, [member for member in members if not member.ended.done()]
            self._end_worker(location)
        for member in left:
            if len(members) > 1:
                await self._train([member], location)
            else:
                self._end(work_id(member.work), error)

    def _without_record(self, members: Sequence[_Member]) -> list[_Member]:
        """Those that still wait, and let go of the others.

        Raises:
            OSError: The ledger cannot be read.
        """
        for member in members:
            if self._context.is_done(member.work):
                self._end(work_id(member.work), None)
        return [member for member in members if not member.ended.done()]

    def _end(self, record_id: str, error: Exception | None) -> None:
        member = self._members.pop(record_id, None)
        if member is None:
            return
        if error is None:
            member.ended.set_result(None)
        else:
            member.ended.set_exception(error)

    def _worker(self, location: DeviceLocation) -> Any:
        if location not in self._workers:
            self._workers[location] = start_gpu_worker(location, self._context)
        return self._workers[location]

    def _end_worker(self, location: DeviceLocation) -> None:
        if location in self._workers:
            ray.kill(self._workers.pop(location))


class GpuWorker:
    """An actor: the process of one place, which does a unit's work at a time.

    Args:
        context: How work is done on this node.
        coordinator: Told of each record.
    """

    def __init__(self, context: WorkerContext, coordinator: Any):
        watch_for_stop_request()
        context.warm_up()
        self._context = context
        self._coordinator = coordinator

    def do(self, work: Sequence[Work], source: tuple[str, str]) -> None:
        """Do the work side by side; none of it has a record yet.

        Raises:
            Exception: What stopped all that has no record now.
        """
        self._context.do(work, source, lambda record_id: ray.get(self._coordinator.recorded.remote(record_id)))


def _group(work: Work) -> str:
    return work.group_id if isinstance(work, TrialSpec) else work_id(work)


def start_coordinator(context: WorkerContext) -> Any:
    """Start the keeper of a study in the driver, whose own it is: it lives as long as this handle."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_concurrency": MOST_WAITING, "max_restarts": -1, "scheduling_strategy": here}
    return ray.remote(GpuCoordinator).options(**options).remote(context)


def start_gpu_worker(location: DeviceLocation, context: WorkerContext) -> Any:
    """Start the host of a place, in the keeper, whose own it is; the trials there have reserved what it uses."""
    there = NodeAffinitySchedulingStrategy(location.node_id, soft=False)
    environment = {"env_vars": {"CUDA_VISIBLE_DEVICES": location.gpus}}
    options = {"num_cpus": 0, "runtime_env": environment, "scheduling_strategy": there}
    return ray.remote(GpuWorker).options(**options).remote(context, ray.get_runtime_context().current_actor)


def request_stop() -> None:
    """Ask all workers of this launch to save their state and leave; they are not waited for."""
    _internal_kv_put(_stop_key(), b"1", overwrite=True)


def watch_for_stop_request() -> None:
    """Let this process, a worker, learn that it is asked to."""
    if ray.is_initialized():  # Ray would start itself
        key = _stop_key()
        watch_for_interrupt(lambda: _internal_kv_exists(key))


def _stop_key() -> bytes:
    return f"kdstudy-stop-{ray.get_runtime_context().get_job_id()}".encode()


def announce_work(coordinator: Any, work: Work) -> None:
    """Say that a worker will ask for this work: others of its group wait for it."""
    coordinator.expect.remote(work_id(work), _group(work))


def withdraw_work(coordinator: Any, work: Work) -> None:
    """Say that announced work is not begun after all: nobody waits for it."""
    coordinator.expect_no_more.remote(work_id(work))


def run_on_shared_gpu(coordinator: Any, work: Work, source: tuple[str, str]) -> None:
    """Have work done at the place of this process, and wait for its record.

    Raises:
        ray.exceptions.RayError: The work failed, or the keeper was lost.
    """
    location = DeviceLocation(ray.get_runtime_context().get_node_id(), ",".join(map(str, ray.get_gpu_ids())))
    ray.get(coordinator.run.remote(work, source, location))
