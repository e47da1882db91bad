"""Finds out why a launch stalls: one line for each cause. Without torch and Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from study.config import OTHER_NODES, Resources
from study.launching.placement import Node, describe_largest_node, trial_slots
from study.planning import duration_text

STALL_SECONDS = 60  # work that waits longer, or slots that are idle longer, are reported
START_SECONDS = 120  # a worker needs some seconds for its imports, and more on a slow file system
QUIET_SECONDS = 600  # running work without a sign of progress is reported after this, and
QUIET_TIMES = 10  # after this many times the usual duration, and
QUIET_SAVES = 3  # after this many times `checkpoint_seconds`, since it saves its state more often
NAMES = 3  # of work in one line


class WorkState(StrEnum):
    """State of work that was handed to Tune."""

    WAITING = "waiting"  # for a worker
    RUNNING = "running"


@dataclass(frozen=True)
class WorkInProgress:
    """A piece of work that was handed to Tune and has not ended.

    Attributes:
        work_id: Its key in the ledger.
        name: Its triple, or its teacher and data set.
        state: Whether it waits or runs.
        seconds: Time in this state.
        kind: The kind of node that it was assigned to.
        teaches: The triples that wait for it, if it prepares a teacher.
        usual_seconds: Median duration of the triple's trials; None before the first.
        sign: Last sign of progress as text; empty for none. Filled in for long-running work only.
        quiet_seconds: Time since that sign.
    """

    work_id: str
    name: str
    state: WorkState
    seconds: float
    kind: str = OTHER_NODES
    teaches: tuple[str, ...] = ()
    usual_seconds: float | None = None
    sign: str = ""
    quiet_seconds: float = 0.0


@dataclass(frozen=True)
class StartingWorker:
    """A worker that is still starting.

    Attributes:
        where: Address of its node.
        seconds: Time since its start.
    """

    where: str
    seconds: float


@dataclass(frozen=True)
class LostWork:
    """Work that this launch has given up because its worker was lost too often.

    Attributes:
        work_id, name, teaches: As in `WorkInProgress`.
        reason: The last error.
    """

    work_id: str
    name: str
    reason: str
    teaches: tuple[str, ...] = ()


@dataclass(frozen=True)
class LaunchState:
    """The state of a launch at one moment.

    Attributes:
        resources: Resources of a trial, from the study file.
        workers: Maximum number of trials at a time.
        nodes: All live nodes.
        pieces: All work in progress.
        starts: Workers that are still starting.
        losses: Work that was given up in this launch.
        autoscaling: The cluster adds nodes on demand.
        checkpoint_seconds: Least time between two saves of a running trial's state.
    """

    resources: Resources
    workers: int
    nodes: Sequence[Node]
    pieces: Sequence[WorkInProgress]
    starts: Sequence[StartingWorker] = ()
    losses: Sequence[LostWork] = ()
    autoscaling: bool = False
    checkpoint_seconds: float = 300


Causes = dict[tuple[str, ...], str]
"""Causes of a stall: a key that identifies the cause over time -> the line to print."""


class StallReporter:
    """Reports each cause once, and again if it comes back."""

    def __init__(self) -> None:
        self._said: set[tuple[str, ...]] = set()

    def new_causes(self, facts: LaunchState) -> list[str]:
        """Lines of the causes that were not there at the last call."""
        causes = find_stall_causes(facts)
        new = [line for key, line in causes.items() if key not in self._said]
        self._said = set(causes)
        return new


def find_stall_causes(facts: LaunchState) -> Causes:
    """All causes that keep work from continuing."""
    causes: Causes = {}
    for kind in facts.resources.node_kinds:
        causes.update(_no_worker(facts, kind))
    causes.update(_no_sign(facts))
    causes.update(_given_up(facts))
    causes.update(_no_teacher(facts))
    return causes


def _no_worker(facts: LaunchState, kind: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Work that waits although this launch leaves slots of its kind of node free, or because there are none."""
    waiting = [piece for piece in facts.pieces if piece.state is WorkState.WAITING and piece.kind == kind]
    longest = max((piece.seconds for piece in waiting), default=0.0)
    if longest <= STALL_SECONDS:
        return
    share, nodes = facts.resources.for_kind(kind), [node for node in facts.nodes if node.kind(facts.resources) == kind]
    room = trial_slots(facts.resources, nodes)[kind]
    running = sum(piece.state is WorkState.RUNNING and piece.kind == kind for piece in facts.pieces)
    head = f"{_names(waiting)}: waiting for a worker for {duration_text(longest)}: "
    of_type = f" of type {kind}" if kind else ""
    if not room:
        more = "; the cluster has not added one yet" if facts.autoscaling else "; it continues when one joins"
        there = describe_largest_node(nodes, gpu=share.gpu > 0)
        yield ("no node", kind), f"{head}no live node{of_type} holds {share}: {there}{more}"
        return
    late = [start for start in facts.starts if start.seconds > START_SECONDS]
    if late:
        where = ", ".join(dict.fromkeys(start.where for start in late))
        yield ("start", kind), f"{head}a worker has been starting for {duration_text(late[0].seconds)} on {where}"
    if running + len(facts.starts) >= room:
        return
    free = [node for node in nodes if share.fits(node.free)]
    if free:
        yield ("unplaced", kind), f"{head}{free[0].name} has {share} free, but Ray has not assigned them"
    else:
        rest = describe_largest_node([Node(node.name, node.free) for node in nodes], gpu=share.gpu > 0)
        yield ("taken", kind), f"{head}other programs use the nodes: no node{of_type} has {share} free, {rest} left"


def _no_sign(facts: LaunchState) -> Iterator[tuple[tuple[str, ...], str]]:
    """Work that runs without a sign of progress. It keeps running, because it may still finish."""
    for piece in facts.pieces:
        if piece.state is WorkState.RUNNING and piece.quiet_seconds > quiet_limit(piece, facts):
            usual = (
                ""
                if piece.usual_seconds is None
                else f"; trials of this triple take {duration_text(piece.usual_seconds)}"
            )
            sign = piece.sign or "its worker has not begun it"
            quiet = duration_text(piece.quiet_seconds)
            line = f"{piece.name}: {piece.work_id} is running but has shown no sign of progress for {quiet}: {sign}"
            yield ("quiet", piece.work_id), f"{line}{usual}; it keeps running"


def quiet_limit(piece: WorkInProgress, facts: LaunchState) -> float:
    """Seconds without a sign of progress after which work is reported."""
    usual = QUIET_TIMES * (piece.usual_seconds or 0.0)
    return max(QUIET_SECONDS, QUIET_SAVES * facts.checkpoint_seconds, usual)


def _given_up(facts: LaunchState) -> Iterator[tuple[tuple[str, ...], str]]:
    """Work that was given up, with the triples that wait for it."""
    for loss in facts.losses:
        waiting = f"; waiting for it: {_few(loss.teaches)}" if loss.teaches else ""
        yield (
            ("lost", loss.work_id),
            f"{loss.name}: {loss.work_id} is given up until the next launch: {loss.reason}{waiting}",
        )


def _no_teacher(facts: LaunchState) -> Iterator[tuple[tuple[str, ...], str]]:
    """Workers that are idle because triples wait for their teachers."""
    running = [piece for piece in facts.pieces if piece.state is WorkState.RUNNING]
    idle = min(facts.workers, sum(trial_slots(facts.resources, facts.nodes).values())) - len(facts.pieces)
    if idle <= 0 or not running or min(piece.seconds for piece in running) <= STALL_SECONDS:
        return
    for piece in running:
        if piece.teaches:
            line = f"waiting for {piece.name}, which has run for {duration_text(piece.seconds)}: {_few(piece.teaches)}"
            yield ("teacher", piece.work_id), f"idle workers: {idle} of {facts.workers}; {line}"


def _names(pieces: Sequence[WorkInProgress]) -> str:
    return _few(list(dict.fromkeys(piece.name for piece in pieces)))


def _few(names: Sequence[str]) -> str:
    """The first names, and the number of the others."""
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")
