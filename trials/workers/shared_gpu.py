"""Trials that share a GPU: a coordinator gathers trials of a group, and a worker per GPU trains one group at a time.

Tune's trials reserve their shares of the GPU, send their work to the coordinator and wait for its record. The driver
owns the coordinator and the coordinator owns the GPU workers, so that no actor ends with the trial that came first. A
GPU worker in which work failed is ended, because its GPU context may be broken; the next group gets a new worker.
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

GATHER_SECONDS = 0.5  # time to wait for other trials of a group
ARRIVAL_SECONDS = 60  # time to wait for announced work, whose worker may have to start first
MOST_WAITING = 10_000  # concurrent calls of the coordinator; Ray's default is 1000


class DeviceLocation(NamedTuple):
    """A node and its GPUs that a trial has reserved; no GPUs means the CPUs."""

    node_id: str
    gpus: str


@dataclass(eq=False)
class _Member:
    """A piece of work that a Tune trial waits for."""

    work: Work
    source: tuple[str, str]
    location: DeviceLocation
    ended: asyncio.Future[None]
    queued: bool = True


class GpuCoordinator:
    """An actor that trains trials of a group together, on the GPU that they have reserved.

    Args:
        context: Settings and directories of the study.
    """

    def __init__(self, context: WorkerContext):
        self._context = context
        self._expected: dict[str, tuple[str, float]] = {}  # announced work by id: its group, and when to stop waiting
        self._members: dict[str, _Member] = {}  # by the id of the work, until it ends
        self._workers: dict[DeviceLocation, Any] = {}
        self._serving: dict[DeviceLocation, asyncio.Task[None]] = {}

    async def expect(self, record_id: str, group: str) -> None:
        """Announce a piece of work: others of its group wait for it."""
        self._expected[record_id] = group, time.monotonic() + ARRIVAL_SECONDS

    async def expect_no_more(self, record_id: str) -> None:
        """Withdraw announced work."""
        self._expected.pop(record_id, None)

    async def run(self, work: Work, source: tuple[str, str], location: DeviceLocation) -> None:
        """Do a piece of work together with others of its group; returns when it has a record.

        The work is done once, even if the waiting process is lost and its trial calls again, here or elsewhere.

        Raises:
            Exception: The work failed.
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
        """Finish the calls that wait for this record."""
        self._end(record_id, None)

    async def _serve(self, location: DeviceLocation) -> None:
        """Train one group after the other, until no work is queued for this location."""
        while members := await self._gathered(location):
            for member in members:
                member.queued = False
            await self._train(members, location)

    async def _gathered(self, location: DeviceLocation) -> list[_Member]:
        """The group of the work that has waited longest, when its announced members have arrived."""
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
        """Whether other announced work of the group has not arrived yet."""
        coming = {group for group, latest in self._expected.values() if time.monotonic() < latest}
        return any(_group(member.work) in coming for member in members)

    async def _train(self, members: Sequence[_Member], location: DeviceLocation) -> None:
        """Train a group; if it fails, train each member without a record alone. All members have ended afterwards."""
        error: Exception = RuntimeError("the work ended without a record")
        try:
            if waiting := self._without_record(members):
                await self._worker(location).do.remote([member.work for member in waiting], waiting[0].source)
            left = self._without_record(waiting)
        except Interrupted:  # the launch ends: do not start again
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
        """The members without a record; the calls of the others are finished.

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
    """An actor that trains one group at a time, in a process of its own on one location.

    Args:
        context: Settings and directories of the study.
        coordinator: Notified of each record.
    """

    def __init__(self, context: WorkerContext, coordinator: Any):
        watch_for_stop_request()
        context.warm_up()
        self._context = context
        self._coordinator = coordinator

    def do(self, work: Sequence[Work], source: tuple[str, str]) -> None:
        """Train trials of a group together; none of them has a record yet.

        Raises:
            Exception: The work without a record has failed.
        """
        self._context.do(work, source, lambda record_id: ray.get(self._coordinator.recorded.remote(record_id)))


def _group(work: Work) -> str:
    return work.group_id if isinstance(work, TrialSpec) else work_id(work)


def start_coordinator(context: WorkerContext) -> Any:
    """Start the coordinator of a study on the driver's node; it lives as long as the returned handle."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_concurrency": MOST_WAITING, "max_restarts": -1, "scheduling_strategy": here}
    return ray.remote(GpuCoordinator).options(**options).remote(context)


def start_gpu_worker(location: DeviceLocation, context: WorkerContext) -> Any:
    """Start a GPU worker, from the coordinator; its resources are those that the trials have reserved."""
    there = NodeAffinitySchedulingStrategy(location.node_id, soft=False)
    environment = {"env_vars": {"CUDA_VISIBLE_DEVICES": location.gpus}}
    options = {"num_cpus": 0, "runtime_env": environment, "scheduling_strategy": there}
    return ray.remote(GpuWorker).options(**options).remote(context, ray.get_runtime_context().current_actor)


def request_stop() -> None:
    """Ask all workers of this launch to save their state and stop; returns at once."""
    _internal_kv_put(_stop_key(), b"1", overwrite=True)


def watch_for_stop_request() -> None:
    """Make this worker process notice `request_stop`."""
    if ray.is_initialized():  # otherwise the call would start Ray
        key = _stop_key()
        watch_for_interrupt(lambda: _internal_kv_exists(key))


def _stop_key() -> bytes:
    return f"kdstudy-stop-{ray.get_runtime_context().get_job_id()}".encode()


def announce_work(coordinator: Any, work: Work) -> None:
    """Announce work to the coordinator: others of its group wait for it."""
    coordinator.expect.remote(work_id(work), _group(work))


def withdraw_work(coordinator: Any, work: Work) -> None:
    """Withdraw announced work: others of its group do not wait for it."""
    coordinator.expect_no_more.remote(work_id(work))


def run_on_shared_gpu(coordinator: Any, work: Work, source: tuple[str, str]) -> None:
    """Do work on the GPU that this process has reserved, together with others of its group; wait for its record.

    Raises:
        ray.exceptions.RayError: The work failed, or the coordinator was lost.
    """
    location = DeviceLocation(ray.get_runtime_context().get_node_id(), ",".join(map(str, ray.get_gpu_ids())))
    ray.get(coordinator.run.remote(work, source, location))
