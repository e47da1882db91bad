"""The coordinator of shared GPUs with fake workers: which trials are trained together, once, and how each ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import Tiny

from study.ledger.record_files import Ledger
from trials.specs.records import RunInfo, Status, TrialRecord
from trials.specs.trial import TrialSpec
from trials.specs.work import Work
from trials.training.interruption import Interrupted
from trials.workers import shared_gpu
from trials.workers.shared_gpu import DeviceLocation, GpuCoordinator
from trials.workers.worker_context import WorkerContext

HERE, THERE = DeviceLocation("node", "0"), DeviceLocation("node", "1")
SOURCE = ("model", "")
RUN = RunInfo(started_at="", finished_at="", seconds=1, host="", device="cpu", versions={}, peak_memory_bytes=None)


def record(spec: TrialSpec) -> TrialRecord:
    return TrialRecord(spec=spec, status=Status.FAILED, reason="only pretended", run=RUN)


@dataclass
class Stage:
    """A coordinator whose workers call `act` with the ids of their work.

    Attributes:
        act: What a host does; by default it writes all records, each told at once.
        units: What hosts were given, in order: number of the host, place, ids.
        hosts: How many hosts were opened.
        killed: The hosts that were ended.
    """

    context: WorkerContext
    act: Callable[[list[TrialSpec]], Awaitable[None]] | None = None
    groups: list[tuple[int, DeviceLocation, list[str]]] = field(default_factory=list)
    hosts: int = 0
    killed: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.coordinator = GpuCoordinator(self.context)

    def open(self, location: DeviceLocation, context: WorkerContext) -> SimpleNamespace:
        self.hosts += 1
        number = self.hosts

        async def do(work: list[Work], source: tuple[str, str]) -> None:
            specs = [piece for piece in work if isinstance(piece, TrialSpec)]
            self.groups.append((number, location, [spec.trial_id for spec in specs]))
            await (self.act or self.finish)(specs)

        return SimpleNamespace(number=number, do=SimpleNamespace(remote=do))

    async def finish(self, specs: list[TrialSpec]) -> None:
        for spec in specs:
            self.context.ledger.write(record(spec))
            await self.coordinator.recorded(spec.trial_id)

    def run(self, *calls: tuple[TrialSpec, DeviceLocation]) -> list[BaseException | None]:
        """How each call of the coordinator ended."""

        async def all_of_them() -> list[BaseException | None]:
            waiting = [self.coordinator.run(spec, SOURCE, location) for spec, location in calls]
            return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), timeout=20)

        return asyncio.run(all_of_them())


@pytest.fixture
def stage(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    context = WorkerContext(tiny.workspace, Ledger(tmp_path), threads=1, gpu=False, checkpoint_seconds=300, group=3)
    made = Stage(context)
    monkeypatch.setattr(shared_gpu, "GATHER_SECONDS", 0.01)
    monkeypatch.setattr(shared_gpu, "start_gpu_worker", made.open)
    monkeypatch.setattr(shared_gpu.ray, "kill", lambda host: made.killed.append(host.number))
    return made


@pytest.fixture
def specs(tiny: Tiny) -> list[TrialSpec]:
    return [tiny.trial(learning_rate=rate) for rate in (0.001, 0.002, 0.003, 0.004)]


def test_coordinator_gathers_by_group_and_location_and_keeps_its_workers(
    stage: Stage, tiny: Tiny, specs: list[TrialSpec]
):
    other = tiny.trial(seed=14)
    calls = [(specs[0], HERE), (other, HERE), (specs[1], HERE), (specs[2], THERE), (specs[3], HERE)]
    assert stage.run(*calls) == [None] * 5
    assert sorted((location, ids) for _, location, ids in stage.groups) == sorted(
        [
            (HERE, [spec.trial_id for spec in (specs[0], specs[1], specs[3])]),
            (HERE, [other.trial_id]),
            (THERE, [specs[2].trial_id]),
        ]
    )
    # One process a place, for all of its units
    assert (stage.hosts, stage.killed) == (2, [])


def test_coordinator_runs_no_more_than_a_group_at_a_time(stage: Stage, specs: list[TrialSpec]):
    assert stage.run(*((spec, HERE) for spec in specs)) == [None] * 4
    assert [len(ids) for _, _, ids in stage.groups] == [3, 1]


def test_unit_waits_for_announced_work_of_its_group_but_not_for_ever(
    stage: Stage, tiny: Tiny, specs: list[TrialSpec], monkeypatch: pytest.MonkeyPatch
):
    async def late_worker() -> None:
        await stage.coordinator.expect(specs[1].trial_id, specs[1].group_id)
        await stage.coordinator.expect(tiny.trial(seed=14).trial_id, tiny.trial(seed=14).group_id)  # never arrives
        first = asyncio.ensure_future(stage.coordinator.run(specs[0], SOURCE, HERE))
        await asyncio.sleep(0.1)
        assert stage.groups == []
        await asyncio.gather(first, stage.coordinator.run(specs[1], SOURCE, HERE))

    asyncio.run(late_worker())
    assert [len(ids) for _, _, ids in stage.groups] == [2]
    monkeypatch.setattr(shared_gpu, "ARRIVAL_SECONDS", 0.1)

    async def lost_worker() -> None:
        await stage.coordinator.expect(specs[2].trial_id, specs[2].group_id)
        await stage.coordinator.run(specs[3], SOURCE, HERE)

    asyncio.run(lost_worker())
    assert [len(ids) for _, _, ids in stage.groups] == [2, 1]


def test_unit_does_not_wait_for_announced_work_that_was_taken_back(stage: Stage, specs: list[TrialSpec]):
    async def time_is_up() -> None:
        await stage.coordinator.expect(specs[1].trial_id, specs[1].group_id)
        await stage.coordinator.expect_no_more(specs[1].trial_id)
        await asyncio.wait_for(stage.coordinator.run(specs[0], SOURCE, HERE), timeout=20)

    asyncio.run(time_is_up())
    assert [ids for _, _, ids in stage.groups] == [[specs[0].trial_id]]


def test_work_with_a_record_is_not_done_again(stage: Stage, specs: list[TrialSpec]):
    stage.context.ledger.write(record(specs[0]))
    assert stage.run((specs[0], HERE), (specs[1], HERE)) == [None, None]
    assert [ids for _, _, ids in stage.groups] == [[specs[1].trial_id]]


def test_work_that_is_asked_for_twice_is_done_once(stage: Stage, specs: list[TrialSpec]):
    calls = [(specs[0], HERE), (specs[1], HERE), (specs[0], HERE)]
    assert stage.run(*calls) == [None] * 3
    assert [len(ids) for _, _, ids in stage.groups] == [2]


def test_work_that_is_asked_for_again_elsewhere_while_it_runs_is_waited_for(stage: Stage, specs: list[TrialSpec]):
    async def lose_the_caller(given: list[TrialSpec]) -> None:
        again = asyncio.ensure_future(stage.coordinator.run(given[0], SOURCE, THERE))
        await asyncio.sleep(0.05)
        await stage.finish(given)
        await again

    stage.act = lose_the_caller
    assert stage.run((specs[0], HERE)) == [None]
    assert [location for _, location, _ in stage.groups] == [HERE]


def test_members_of_a_unit_that_failed_each_run_alone_in_new_hosts(stage: Stage, specs: list[TrialSpec]):
    bad = specs[1]

    async def fail_beside_others(given: list[TrialSpec]) -> None:
        if len(given) > 1:
            await stage.finish(given[:1])  # the first one has ended before it happens
        if bad in given:
            raise RuntimeError("the GPU is beyond use")
        await stage.finish(given)

    stage.act = fail_beside_others
    ended = stage.run(*((spec, HERE) for spec in specs[:3]))
    assert ended[0] is ended[2] is None
    assert "beyond use" in str(ended[1])
    together, alone, last = stage.groups
    assert together[2] == [spec.trial_id for spec in specs[:3]]
    assert [alone[2], last[2]] == [[bad.trial_id], [specs[2].trial_id]]
    # No process in which something failed did anything after it
    assert [together[0], alone[0], last[0]] == [1, 2, 3]
    assert stage.killed == [1, 2]


def test_trial_that_is_tried_again_after_its_failure_runs_again(stage: Stage, specs: list[TrialSpec]):
    async def fail(given: list[TrialSpec]) -> None:
        raise OSError("the disk is gone")

    stage.act = fail
    assert [type(ended) for ended in stage.run((specs[0], HERE))] == [OSError]
    stage.act = None
    assert stage.run((specs[0], HERE)) == [None]


def test_members_end_when_the_ledger_cannot_be_read(
    stage: Stage, specs: list[TrialSpec], monkeypatch: pytest.MonkeyPatch
):
    def unreadable(_: Ledger, record_id: str) -> None:
        raise OSError(f"cannot read {record_id}")

    monkeypatch.setattr(Ledger, "get", unreadable)
    ended = stage.run((specs[0], HERE), (specs[1], HERE))
    assert [type(each) for each in ended] == [OSError, OSError]


def test_member_that_a_unit_leaves_without_a_record_ends(stage: Stage, specs: list[TrialSpec]):
    async def forget(given: list[TrialSpec]) -> None:
        await stage.finish([spec for spec in given if spec != specs[0]])

    stage.act = forget
    ended = stage.run((specs[0], HERE), (specs[1], HERE))
    assert isinstance(ended[0], RuntimeError)
    assert ended[1] is None


def test_unit_that_is_asked_to_leave_is_not_begun_again(stage: Stage, specs: list[TrialSpec]):
    async def leave(given: list[TrialSpec]) -> None:
        raise Interrupted

    stage.act = leave
    ended = stage.run(*((spec, HERE) for spec in specs[:3]))
    assert [type(end) for end in ended] == [Interrupted] * 3
    assert len(stage.groups) == 1
