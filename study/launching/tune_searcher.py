"""The adapter between a study's search and Ray Tune: Tune asks it for work, and it reads results from the ledger."""

from __future__ import annotations

import re
import time
import traceback
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray.tune.search import Searcher

from study.config import OTHER_NODES, Resources
from study.launching.placement import Node, next_node_kind, trial_slots
from study.ledger import Ledger
from study.search import Speculation, StudySearch
from trials.specs import Record, SpeedTask, TrialSpec, Work, record_ids, work_id
from trials.storage import StorageFull
from trials.workers import find_record

NODE_LOST = re.compile(
    r"actor \w+ is unavailable|ActorUnavailable|[Nn]ode .*died"
)  # the worker's node is lost or unreachable
WORKER_LOST = re.compile(rf"{NODE_LOST.pattern}|actor died|actor is dead|ActorDied|worker process has died")
LOW_ON_MEMORY = "running low on memory"  # Ray's memory monitor has ended the worker
USE_LESS_MEMORY = "launch with fewer --workers or a smaller training.batch_size"
RECORD_ATTEMPTS, LOOK_SECONDS = 5, 0.2  # reads of a record that must exist, and the time between two
NODES_SECONDS = 5  # time between two counts of the nodes
EXTRA_ATTEMPTS = 2  # for work that met only workers of lost nodes: Tune tries it with each one that it keeps


@dataclass(frozen=True)
class HandedOutWork:
    """Work that was handed to Tune.

    Attributes:
        work: The piece of work.
        kind: The kind of nodes that it was handed to.
    """

    work: Work
    kind: str


@dataclass
class LaunchEvents:
    """Events of this launch that the ledger does not hold.

    Attributes:
        blocked: Reasons of work that ended without a record (its worker was lost too often), by work id.
        given_up: The work that ended without a record.
        time_is_up: The time limit was reached.
        crash: An error in our own hooks; the launch stops and raises it.
        storage_full: The error of a full storage, after which no work is handed out; None if there was none.
        started, recorded: Numbers of pieces of work that were handed to Tune, and that returned a record.
        ahead: Ids of the trials that were started before the search requested them.
    """

    blocked: dict[str, str] = field(default_factory=dict)
    given_up: list[Work] = field(default_factory=list)
    time_is_up: bool = False
    crash: BaseException | None = None
    storage_full: str | None = None
    started: int = 0
    recorded: int = 0
    ahead: set[str] = field(default_factory=set)


class StudySearcher(Searcher):
    """Feeds one Tune experiment from a `StudySearch`.

    Args:
        search: The study's search.
        ledger: The ledger. Workers write records to it before they report to Tune.
        source_of: Returns reference and revision of the model that a piece of work starts from.
        workers: Most trials at a time.
        resources: The study's.
        nodes: Returns the live nodes.
        growing: The cluster adds nodes on demand, so work is handed out to wait for them.
        max_trials: Maximum number of trials and teachers that this launch starts; None for no limit.
        deadline: Time (`time.monotonic`) from which no new work starts; None for no limit.
        speculate: Let idle workers run trials that the search will probably request next.
        on_start, on_record, on_return: Called for each start, each new record, and work taken back before its start.
    """

    def __init__(
        self,
        search: StudySearch,
        ledger: Ledger,
        *,
        source_of: Callable[[Work], tuple[str, ...]],
        workers: int,
        resources: Resources,
        nodes: Callable[[], Sequence[Node]],
        growing: bool = False,
        max_trials: int | None = None,
        deadline: float | None = None,
        speculate: bool = False,
        on_start: Callable[[Work], None] = lambda work: None,
        on_record: Callable[[Record], None] = lambda record: None,
        on_return: Callable[[Work], None] = lambda work: None,
    ):
        super().__init__()
        self.events = LaunchEvents()
        self._search = search
        self._ledger = ledger
        self._source_of = source_of
        self._workers = workers
        self._resources = resources
        self._nodes = nodes
        self._growing = growing
        self._max_trials = max_trials
        self._deadline = deadline
        self._speculation = Speculation(search) if speculate else None
        self._on_start = on_start
        self._on_record = on_record
        self._on_return = on_return
        self._stopped = False
        self._slots: dict[str, int] = {}  # by kind of nodes
        self._looked = float("-inf")  # when it counted them
        self._in_flight: dict[str, HandedOutWork] = {}  # by Tune's trial id
        self._returning: set[str] = set()  # work that is being taken back, by Tune's trial id
        self._lost: dict[str, Work] = {}  # that ended without a record, by Tune's trial id
        self._extra_attempts: Counter[str] = Counter()  # more of them, by id of work

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # FINISHED is a str
        """The next piece of work; None while Tune should wait, FINISHED if no work is left to start."""
        try:
            return self._suggest(trial_id)
        except Exception as error:
            self._crashed(error)
            return None

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Read the record of ended work; work without a record is blocked for this launch."""
        handed_out = self._in_flight.pop(trial_id, None)
        if handed_out is None:
            return
        try:
            if trial_id in self._returning:
                self._returning.discard(trial_id)
                self.events.started -= 1
                self.events.ahead.discard(work_id(handed_out.work))
                self._on_return(handed_out.work)
            else:
                self._ended(trial_id, handed_out.work)
        except Exception as crash:
            self._crashed(crash)

    def explain(self, trial_id: str, report: str) -> None:
        """Take the reason for a missing record from Tune's error report; the work may be retried."""
        reason, work = failure_reason(report), self._lost.get(trial_id)
        if (
            work is not None
            and NODE_LOST.search(_last_of(report))
            and self._extra_attempts[work_id(work)] < EXTRA_ATTEMPTS
        ):
            self._extra_attempts[work_id(work)] += 1
            self._forget_loss(work)
        elif work is not None:
            self.events.blocked[work_id(work)] = reason
        if StorageFull.__name__ in reason:  # all other work would end like this, too
            self.events.storage_full = reason.partition(f"{StorageFull.__name__}: ")[2]
            self.stop()

    def _forget_loss(self, work: Work) -> None:
        """Treat work as if it had never been handed out."""
        del self.events.blocked[work_id(work)]
        self.events.given_up.remove(work)
        self.events.started -= 1
        self._on_return(work)

    def handed_out(self, trial_id: str) -> HandedOutWork | None:
        """The work of a Tune trial."""
        return self._in_flight.get(trial_id)

    @property
    def in_flight(self) -> Iterable[str]:
        """Ids of the Tune trials that hold work, oldest first."""
        return self._in_flight

    def takes_back(self, trial_id: str) -> bool:
        """Whether waiting work should be taken back: no work may start any more, or its kind of node is full.

        Its Tune trial is then stopped, and the work can be handed out again.
        """
        handed_out = self._in_flight.get(trial_id)
        if handed_out is None or not (self._is_over or self._is_misplaced(handed_out)):
            return False
        self._returning.add(trial_id)
        return True

    def reconcile(self, live: Container[str]) -> None:
        """End work whose Tune trial has disappeared, so that its triple is reported and not waited for."""
        for trial_id in [name for name in self._in_flight if name not in live]:
            self.on_trial_complete(trial_id, error=True)

    def __getstate__(self) -> dict[str, Any]:
        """An empty state: Tune pickles the searcher, but a study is rebuilt from its ledger only."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the ledger is the only state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the ledger is the only state."""

    def stop(self) -> None:
        """Hand out no more work."""
        self._stopped = True

    @property
    def _is_over(self) -> bool:
        """Whether no new work may start."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            self.events.time_is_up = True
        return self._stopped or self.events.time_is_up or self.events.crash is not None

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        enough = self._max_trials is not None and self.events.started >= self._max_trials
        if self._is_over or enough:
            return None if self._in_flight else Searcher.FINISHED
        if len(self._in_flight) >= self._workers:
            return None
        kind = next_node_kind(self._free(), wait=bool(self._in_flight) and not self._growing)
        if kind is None:
            return None
        work = self._next() or self._ahead()
        if work is None or (self._in_flight and isinstance(work, SpeedTask)):  # response times are measured alone
            return None if self._in_flight else Searcher.FINISHED
        self._in_flight[trial_id] = HandedOutWork(work, kind)
        self.events.started += 1
        self._on_start(work)
        share = {"kind": kind, "cpu": self._resources.for_kind(kind).cpu, "gpu": self._resources.for_kind(kind).gpu}
        return {"work": work.model_dump_json(by_alias=True), "source": list(self._source_of(work)), **share}

    def _free(self) -> dict[str, int]:
        """Slots minus work in flight, by kind of node; with a single kind, the number of workers is the only limit."""
        if not self._resources.accelerators:
            return {OTHER_NODES: self._workers}
        if time.monotonic() - self._looked > NODES_SECONDS:
            self._slots = trial_slots(self._resources, self._nodes())
            self._looked = time.monotonic()
        busy = Counter(handed_out.kind for handed_out in self._in_flight.values())
        return {kind: number - busy[kind] for kind, number in self._slots.items()}

    def _is_misplaced(self, handed_out: HandedOutWork) -> bool:
        """Whether its kind of node has more work than slots, and another kind has a free slot."""
        free = self._free()
        return free[handed_out.kind] < 0 and next_node_kind(free, wait=True) is not None

    def _next(self) -> Work | None:
        """The first proposal that is not in progress, blocked, or finished by a worker of an earlier launch."""
        busy = self._busy
        for work in self._search.propose():
            if work_id(work) in busy:
                continue
            if (record := find_record(work, self._ledger)) is not None:
                self._search.observe(record)
                return self._next()
            if (bad := self._bad_file(work)) is None:
                return work
            self.events.blocked[work_id(work)] = bad  # its record could not be written, so the work would be lost
        return None

    def _ahead(self) -> TrialSpec | None:
        """The likeliest trial that is not requested yet, while requested ones run."""
        if self._speculation is None or not self._in_flight:
            return None
        busy = self._busy
        for spec in self._speculation.propose(stuck=self.events.blocked):
            if spec.trial_id in busy:
                continue
            if (record := find_record(spec, self._ledger)) is not None:
                self._search.observe(record)
                return self._ahead()
            if self._bad_file(spec) is None:
                self.events.ahead.add(spec.trial_id)
                return spec
        return None

    @property
    def _busy(self) -> set[str]:
        """Ids of work that is in progress or blocked."""
        return {work_id(handed_out.work) for handed_out in self._in_flight.values()} | self.events.blocked.keys()

    def _bad_file(self, work: Work) -> str | None:
        """The invalid file in the ledger that has the name of its record, if there is one."""
        return next((str(bad) for bad in self._ledger.bad_files if bad.record_id in record_ids(work)), None)

    def _ended(self, trial_id: str, work: Work) -> None:
        record = self._record_of(work)
        if record is None and self._stopped:
            return  # it was asked to exit and continues in a later launch
        if record is None:
            self.events.blocked[work_id(work)] = self._bad_file(work) or "its worker was lost"
            self.events.given_up.append(work)
            self._lost[trial_id] = work
            return
        self.events.recorded += 1
        self._search.observe(record)
        self._on_record(record)

    def _record_of(self, work: Work) -> Record | None:
        """The record of ended work; a network file system may show it with a delay."""
        for _ in range(RECORD_ATTEMPTS):
            if (record := find_record(work, self._ledger)) is not None:
                return record
            time.sleep(LOOK_SECONDS)
        return None

    def _crashed(self, error: BaseException) -> None:
        """Keep the first error; an exception inside Tune's loop would train every trial twice."""
        traceback.clear_frames(error.__traceback__)
        self.events.crash = self.events.crash or error


def failure_reason(report: str) -> str:
    """Why a Tune trial ended without a record, from the last error in its report."""
    last = _last_of(report)
    if LOW_ON_MEMORY in last:
        return f"its workers were killed repeatedly because the node ran low on memory; {USE_LESS_MEMORY}"
    if WORKER_LOST.search(last):
        return f"its workers were lost repeatedly (killed, or their node failed); if memory ran out, {USE_LESS_MEMORY}"
    return last.splitlines()[-1]


def _last_of(report: str) -> str:
    return report.rpartition("Failure #")[2]
