"""Why a launch stalls: from what is known of nodes and work to one line for each cause. Pure: no torch, no ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from study.config import OTHER_NODES, Resources
from study.launching.placement import Node, describe_largest_node, trial_slots
from study.planning import duration_text

STALL_SECONDS = 60  # work that waits so long, or slots that are idle so long, are spoken of
START_SECONDS = 120  # a worker imports for some seconds, over a slow file system for more
QUIET_SECONDS = 600  # running work without a sign is spoken of after this, and this many times what is usual
QUIET_TIMES = 10
QUIET_SAVES = 3  # times `checkpoint_seconds`: it saves its state more often
NAMES = 3  # of work in one line


class WorkState(StrEnum):
    """Of work that was handed to Tune."""

    WAITING = "waiting"  # for a worker
    RUNNING = "running"


@dataclass(frozen=True)
class WorkInProgress:
    """A piece of work under way.

    Attributes:
        work_id: Its key in the ledger.
        name: Its triple, or teacher and data set.
        state: Where it stands.
        seconds: For how long it has stood there.
        kind: The kind of nodes that it was handed to.
        teaches: The triples that wait for it, of a teacher's preparation.
        usual_seconds: Median of the trials of its triple; None before any.
        sign: The last sign of running work, in words; empty for none. Known of what has run for long.
        quiet_seconds: Since that sign.
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
    """A worker that has not come up yet.

    Attributes:
        where: Its node.
        seconds: For how long.
    """

    where: str
    seconds: float


@dataclass(frozen=True)
class LostWork:
    """Work that was given up for this launch: its worker was lost too often.

    Attributes:
        work_id, name, teaches: As of `WorkInProgress`.
        reason: The last error.
    """

    work_id: str
    name: str
    reason: str
    teaches: tuple[str, ...] = ()


@dataclass(frozen=True)
class LaunchState:
    """What is known of a launch at one moment.

    Attributes:
        resources: The study's.
        workers: Most trials at a time.
        nodes: All nodes that are alive.
        pieces: All work under way.
        starts: Workers that have not come up yet.
        losses: Work that was given up.
        autoscaling: The cluster adds nodes on demand.
        checkpoint_seconds: Running work saves its state at most this often.
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
"""What is wrong: a key that stays the same as long as the cause does -> a line."""


class StallReporter:
    """Says each cause once, and again if it comes back."""

    def __init__(self) -> None:
        self._said: set[tuple[str, ...]] = set()

    def new_causes(self, facts: LaunchState) -> list[str]:
        """The lines of causes that are new."""
        causes = find_stall_causes(facts)
        new = [line for key, line in causes.items() if key not in self._said]
        self._said = set(causes)
        return new


def find_stall_causes(facts: LaunchState) -> Causes:
    """Everything that keeps work from going on."""
    causes: Causes = {}
    for kind in facts.resources.node_kinds:
        causes.update(_no_worker(facts, kind))
    causes.update(_no_sign(facts))
    causes.update(_given_up(facts))
    causes.update(_no_teacher(facts))
    return causes


def _no_worker(facts: LaunchState, kind: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Work of one kind that waits for a worker although our own work leaves room, or although there is none at all."""
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
    """Work that runs but says nothing. It is left alone: nobody knows whether it would not end after all."""
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
    """Seconds without a sign that are no longer usual."""
    usual = QUIET_TIMES * (piece.usual_seconds or 0.0)
    return max(QUIET_SECONDS, QUIET_SAVES * facts.checkpoint_seconds, usual)


def _given_up(facts: LaunchState) -> Iterator[tuple[tuple[str, ...], str]]:
    """Chains that cannot go on in this launch."""
    for loss in facts.losses:
        waiting = f"; waiting for it: {_few(loss.teaches)}" if loss.teaches else ""
        yield (
            ("lost", loss.work_id),
            f"{loss.name}: {loss.work_id} is given up until the next launch: {loss.reason}{waiting}",
        )


def _no_teacher(facts: LaunchState) -> Iterator[tuple[tuple[str, ...], str]]:
    """Slots that are idle because triples wait for their teachers."""
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
    """Some names, not all of very many."""
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")
