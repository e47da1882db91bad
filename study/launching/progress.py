"""Live progress of a launch: a table in a terminal, plain lines in a log."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console
from rich.live import Live
from rich.table import Table

from search_spaces import counted
from study.planning import PlannedSeconds, duration_text, estimate_work_left, planned_seconds, total_trial_bounds
from study.search import StudySearch, describe_progress, work_name
from trials.specs import (
    Record,
    Status,
    TeacherRecord,
    TeacherTask,
    TrialRecord,
    TrialSpec,
    Triple,
    Work,
    work_id,
    work_id_of_record,
)

REDRAW_SECONDS = 0.5
ESTIMATE_SHARE = 0.01  # of the driver's time that estimates may take


@dataclass(frozen=True)
class ProgressCount:
    """How far a study is.

    Attributes:
        done: Trials with a record that the search asked for.
        most: Maximum number of trials that the study can need.
        eta_seconds: Estimated time left; None before the first trial.
    """

    done: int
    most: int
    eta_seconds: float | None


class Progress:
    """Reports to a console.

    Args:
        console: The output. A terminal shows a live table; other outputs get one line per event.
    """

    def __init__(self, console: Console):
        self._console = console
        self._live: Live | None = None
        self._search: StudySearch | None = None
        self._running: dict[str, str] = {}  # work id -> what runs
        self._drawn = time.monotonic()
        self._most = 0
        self._time_left: _TimeLeft | None = None

    def say(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin(self, search: StudySearch, workers: int) -> None:
        """The launch starts to hand out work."""
        self._search = search
        self._most = total_trial_bounds(search.study)[1]
        self._time_left = _TimeLeft(search, workers)
        self.say(
            f"{counted(len(search.study.triples), 'triple')}; {search.num_trials} of at most "
            f"{counted(self._most, 'trial')} done; up to {workers} at a time"
        )
        if self._console.is_terminal:
            self._live = Live(self._table(), console=self._console, auto_refresh=False)
            self._live.start()

    def started(self, work: Work) -> None:
        """A piece of work was handed out."""
        if isinstance(work, TeacherTask):
            self._running[work_id(work)] = work_name(work)
            self._log(f"preparing {work_name(work)}")
        elif isinstance(work, TrialSpec):
            self._running[work_id(work)] = f"{work_name(work)}: {work.configuration}"
        else:
            self._running[work_id(work)] = work_name(work)

    def returned(self, work: Work) -> None:
        """A piece of work was taken back before it began."""
        self._running.pop(work_id(work), None)

    def recorded(self, record: Record) -> None:
        """A record came back."""
        self._running.pop(work_id_of_record(record), None)
        if isinstance(record, TrialRecord):
            self._log(self._trial_line(record))
        elif isinstance(record, TeacherRecord):
            self._log(_teacher_line(record))
        else:
            speeds = ", ".join(f"{model.name} {model.median:.0f}" for model in record.models)
            self._log(f"samples per second on {record.task.dataset.name}: {speeds}")

    def tick(self) -> None:
        """Redraw the table if it is due; called often."""
        if self._live and time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._drawn = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def end(self) -> None:
        """The launch is over."""
        self._time_left = None
        if self._search and self._search.finished:
            self._most = self._search.num_trials
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()
            self._live = None

    def count(self) -> ProgressCount:
        """How far the study is."""
        done = self._search.num_trials if self._search else 0
        return ProgressCount(done, self._most, self._time_left.seconds() if self._time_left and done else None)

    def _log(self, line: str) -> None:
        if not self._live:
            self.say(line)

    def _trial_line(self, record: TrialRecord) -> str:
        count = self.count()
        left = "" if count.eta_seconds is None else f", about {duration_text(count.eta_seconds)} left"
        head = f"[{count.done}/<={count.most}{left}] {record.triple_id}: {record.configuration}"
        if record.validation_score is None:
            return f"{head}: failed, {record.reason}"
        if record.status is Status.STOPPED:
            return f"{head}: stopped {record.reason} ({record.run.seconds:.1f} s)"
        best = self._best(record.triple_id)
        shown = "" if best is None else f", best {best:.4f}"
        return f"{head}: validation {record.validation_score:.4f}{shown} ({record.run.seconds:.1f} s)"

    def _best(self, triple_id: str) -> float | None:
        started = self._search.triples.get(triple_id) if self._search else None
        return started.search.incumbent.score if started and started.search.incumbent else None

    def _table(self) -> Table:
        count = self.count()
        left = "" if count.eta_seconds is None else f", about {duration_text(count.eta_seconds)} left"
        table = Table(title=f"{count.done} of at most {counted(count.most, 'trial')}{left}", title_justify="left")
        for column in ("triple", "state", "best so far", "running"):
            table.add_column(column, overflow="fold")
        for triple in self._search.study.triples if self._search else ():
            table.add_row(*self._row(triple))
        return table

    def _row(self, triple: Triple) -> tuple[str, str, str, str]:
        assert self._search is not None  # set by `begin`
        started = self._search.triples.get(triple.triple_id)
        prefixes = (f"{triple.triple_id}: ", f"teacher {triple.teacher.name} on {triple.dataset.name}")
        running = [text.removeprefix(prefixes[0]) for text in self._running.values() if text.startswith(prefixes)]
        best = self._best(triple.triple_id)
        return triple.triple_id, describe_progress(started), "" if best is None else f"{best:.4f}", "\n".join(running)


class _TimeLeft:
    """The time left of a launch: estimated from time to time, and counted down in between."""

    def __init__(self, search: StudySearch, workers: int):
        self._search = search
        self._workers = workers
        self._seconds = 0.0
        self._estimated = time.monotonic()
        self._cost = math.inf  # of the latest estimate, in seconds

    @cached_property
    def _planned(self) -> PlannedSeconds | None:
        return planned_seconds(self._search.study)  # reads data, so only where it is needed

    def seconds(self) -> float:
        """Seconds left."""
        now = time.monotonic()
        if self._cost is math.inf or now - self._estimated > self._cost / ESTIMATE_SHARE:
            planned = self._planned if self._search.needs_plan else None
            found = estimate_work_left(self._search, planned, self._search.records, workers=self._workers)
            self._seconds, self._estimated = 3600 * found.wall_hours.expected, now
            self._cost = time.monotonic() - now
        return max(0.0, self._seconds - (now - self._estimated))


def _teacher_line(record: TeacherRecord) -> str:
    name = work_name(record.task)
    if not record.status.has_scores:
        return f"{name}: failed, {record.reason}"
    high, low = record.selected("highest_score"), record.selected("lowest_loss")
    same = "the same checkpoint" if record.one_checkpoint else f"step {low.step}"
    return (
        f"{name}: highest score {high.validation_score:.4f} at step {high.step}, "
        f"lowest loss {low.validation_loss:.4f} at {same} ({record.run.seconds:.1f} s)"
    )
