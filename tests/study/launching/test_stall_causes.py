"""The causes of stalls, from made-up facts; each is said once, and again when it comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from study.config.resources import Resources
from study.launching import tune_callbacks as watch
from study.launching.placement import Node
from study.launching.progress import Progress
from study.launching.stall_causes import (
    LaunchState,
    LostWork,
    StallReporter,
    StartingWorker,
    WorkInProgress,
    WorkState,
    find_stall_causes,
)
from study.launching.tune_callbacks import LaunchMonitor
from study.launching.tune_searcher import LaunchEvents

CPU_NODE = Node("one", {"CPU": 4.0}, {"CPU": 0.0})
WAITING = WorkInProgress("id1", "t/2L/news", WorkState.WAITING, 61.0)
RUNNING = WorkInProgress("id2", "t/3L/news", WorkState.RUNNING, 61.0)


def facts(**changes: Any) -> LaunchState:
    """Of a launch on one node of four CPUs."""
    values: dict[str, Any] = {"resources": Resources(), "workers": 4, "nodes": [CPU_NODE], "pieces": []}
    return LaunchState(**{**values, **changes})


def lines(found: LaunchState) -> list[str]:
    return list(find_stall_causes(found).values())


def only(found: LaunchState) -> str:
    (line,) = lines(found)
    return line


def test_nothing_is_said_of_work_that_goes_on() -> None:
    pieces = [replace(RUNNING, work_id=str(i)) for i in range(4)]
    assert lines(facts(pieces=pieces)) == []
    # nor of more work than slots, nor of what has only just begun to wait
    assert lines(facts(pieces=[*pieces, WAITING])) == []
    assert lines(facts(nodes=[], pieces=[replace(WAITING, seconds=59)])) == []


def test_no_live_node_holds_it() -> None:
    line = only(facts(resources=Resources(cpu=8), pieces=[WAITING]))
    assert line.startswith(
        "t/2L/news: waiting for a worker for 1.0 min: no live node holds 8 CPUs and 0 GPUs: the largest has 4"
    )
    assert "there is no such node; it continues when one joins" in only(facts(nodes=[], pieces=[WAITING]))
    assert "has not added one yet" in only(facts(nodes=[], pieces=[WAITING], autoscaling=True))


def test_no_node_of_a_type_holds_it_while_others_work() -> None:
    resources = Resources.model_validate({"accelerators": {"T4": {"gpu": 1}}})
    pieces = [RUNNING, replace(WAITING, kind="T4")]
    line = only(facts(resources=resources, workers=2, pieces=pieces))
    assert "no live node of type T4 holds 1 CPU and 1 GPU: there is no such node" in line


def test_others_use_the_nodes() -> None:
    assert "other programs use the nodes: no node has 1 CPU and 0 GPUs free" in only(facts(pieces=[RUNNING, WAITING]))


def test_room_that_ray_does_not_assign() -> None:
    node = replace(CPU_NODE, free={"CPU": 3.0})
    assert "one has 1 CPU and 0 GPUs free" in only(facts(nodes=[node], pieces=[RUNNING, WAITING]))


def test_worker_that_does_not_come_up() -> None:
    found = facts(
        pieces=[WAITING], starts=[StartingWorker("10.0.0.3", 200.0)], workers=1, nodes=[Node("one", {"CPU": 1.0})]
    )
    assert (
        only(found) == "t/2L/news: waiting for a worker for 1.0 min: a worker has been starting for 3.3 min on 10.0.0.3"
    )
    assert lines(replace(found, starts=[StartingWorker("10.0.0.3", 100.0)])) == []


@pytest.mark.parametrize(
    ("quiet", "usual", "saves", "said"),
    [
        (599, None, 1, False),
        (601, None, 1, True),
        (601, 60.1, 1, False),  # ten times what is usual
        (602, 60.1, 1, True),
        (899, None, 300, False),  # three saves
        (901, None, 300, True),
    ],
)
def test_work_without_a_sign(quiet: float, usual: float | None, saves: float, said: bool) -> None:
    piece = replace(RUNNING, seconds=9999.0, quiet_seconds=quiet, usual_seconds=usual, sign="begun at 12:00 on host, 7")
    found = lines(facts(pieces=[piece], workers=1, checkpoint_seconds=saves))
    assert bool(found) == said
    if said:
        assert "t/3L/news: id2 is running but has shown no sign of progress for" in found[0]
        assert "begun at 12:00 on host, 7" in found[0]


def test_work_that_was_given_up_names_its_error_and_who_waits_for_it() -> None:
    loss = LostWork("id3", "teacher t on news", "OSError: no space left on device", ("a", "b", "c", "d"))
    line = "teacher t on news: id3 is given up until the next launch: OSError: no space left on device"
    assert only(facts(losses=[loss])) == f"{line}; waiting for it: a, b, c and 1 more"


def test_everything_waits_for_a_teacher() -> None:
    teacher = replace(RUNNING, name="teacher t on news", teaches=("t/2L/news", "t/3L/news"))
    line = only(facts(pieces=[teacher]))
    assert line.startswith("idle workers: 3 of 4; waiting for teacher t on news, which has run")
    # not while all workers have work, nor at once
    assert lines(facts(pieces=[teacher], workers=1)) == []
    assert lines(facts(pieces=[replace(teacher, seconds=5)])) == []


def test_cause_is_said_once_until_it_comes_back() -> None:
    dog, gone = StallReporter(), facts(nodes=[], pieces=[WAITING])
    assert len(dog.new_causes(gone)) == 1
    assert dog.new_causes(replace(gone, pieces=[replace(WAITING, seconds=500)])) == []
    # another cause of the same wait is news
    assert "free" in dog.new_causes(facts(nodes=[replace(CPU_NODE, free={"CPU": 4.0})], pieces=[WAITING]))[0]
    assert dog.new_causes(facts(pieces=[])) == []
    assert len(dog.new_causes(gone)) == 1


def test_launch_goes_on_though_it_cannot_say_how_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Hooked(Progress):
        def __init__(self) -> None:
            """Without a study."""

        def say(self, text: str) -> None:
            said.append(text)

        def tick(self) -> None:
            raise ZeroDivisionError("no time at all")

    class Searching:
        reconciled: ClassVar[list[set[str]]] = []
        events = LaunchEvents()

        def reconcile(self, live: set[str]) -> None:
            self.reconciled.append(live)

    hooks = LaunchMonitor(Searching(), Hooked(), None, None)  # type: ignore[arg-type]  # neither is asked for anything
    monkeypatch.setattr(watch, "LOOK_SECONDS", 1e9)
    for _ in range(3):
        hooks.on_step_end(0, [])
    # what must be done was done each time; why nothing is shown is said once
    assert Searching.reconciled == [set()] * 3
    assert said == ["cannot show the progress: no time at all"]
