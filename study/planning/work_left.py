"""How much work a study has left: the trials left of each triple, and how long such trials have taken. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from study.config import Study
from study.planning.study_plan import PlannedSeconds, triple_bounds
from study.planning.trials_left import TrialsLeft, trials_left_of
from study.planning.work_durations import WorkDurations, estimate_durations
from study.search import StudySearch
from trials.specs import Record, TrialRecord, Triple

HANDING_OUT_SECONDS = 0.08  # idle time between two trials of a worker (python -m benchmarks.tune_cost)
RECENT = 32  # number of latest records that show how many run at a time


@dataclass(frozen=True)
class ExpectedRange:
    """An expected number and its bounds."""

    lower: float
    expected: float
    upper: float

    def times(self, factor: float) -> ExpectedRange:
        """All three numbers multiplied by a factor."""
        return ExpectedRange(self.lower * factor, self.expected * factor, self.upper * factor)


NOTHING = ExpectedRange(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class TripleLeft:
    """The work that a triple has left.

    Attributes:
        triple: The triple's id.
        done: Number of its finished trials.
        trials: Number of trials left.
        requests: Expected number of requests left, one after the other.
        trial_seconds: Mean seconds of a trial that is left; of a further trial if none is left.
        planned_hours: Planned hours of the maximum number of its trials; None if unknown.
        done_hours: Hours of its finished trials.
        hours: Hours of one worker left.
    """

    triple: str
    done: int
    trials: ExpectedRange
    requests: float
    trial_seconds: float
    planned_hours: float | None
    done_hours: float
    hours: ExpectedRange

    @property
    def corrected_hours(self) -> float:
        """Expected hours of all its trials, finished ones included."""
        return self.done_hours + self.hours.expected


@dataclass(frozen=True)
class WorkLeft:
    """The work that a study has left.

    Attributes:
        measured: Number of finished trials that the estimate is based on.
        trials: Number of trials left.
        done_hours: Summed hours of all finished work.
        teacher_hours, speed_hours: Expected hours of the teachers and response times that are left.
        hours: Hours of one worker left.
        workers: Number of trials at a time.
        wall_hours: Wall-clock hours: work divided by workers, or the longest triple.
        triples: Its triples.
    """

    measured: int
    trials: ExpectedRange
    done_hours: float
    teacher_hours: float
    speed_hours: float
    hours: ExpectedRange
    workers: int
    wall_hours: ExpectedRange
    triples: tuple[TripleLeft, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def estimate_work_left(
    search: StudySearch, planned: PlannedSeconds | None, records: Iterable[Record], *, workers: int | None = None
) -> WorkLeft:
    """The work that a study has left.

    Args:
        search: The study's search.
        planned: Planned seconds; None if the size of a data set or model is unknown.
        records: Records of the ledger.
        workers: Number of trials at a time; None for the most that ran lately.
    """
    study, records = search.study, list(records)
    workers = workers or count_concurrent_work(records)
    durations = estimate_durations(study, planned, records)
    trials = [record for record in records if isinstance(record, TrialRecord)]
    lefts = tuple(_left(search, triple, durations, planned, trials) for triple in study.triples)
    pairs = [(pair, (pair[0].name, pair[1].name)) for pair in study.teacher_pairs]
    teachers = {name: durations.teachers[name] for pair, name in pairs if search.teacher_record(*pair) is None}
    speeds = sum(
        durations.speeds[name] for pair, name in pairs if study.config.speed and search.speed_record(*pair) is None
    )
    fast, slow = durations.factor_bounds()
    rest = ExpectedRange(fast, 1.0, slow).times((sum(teachers.values()) + speeds) / 3600)
    hours = _sum([*(left.hours for left in lefts), rest])
    return WorkLeft(
        measured=len(trials),
        trials=_sum(left.trials for left in lefts),
        done_hours=sum(record.run.seconds for record in records) / 3600,
        teacher_hours=sum(teachers.values()) / 3600,
        speed_hours=speeds / 3600,
        hours=hours,
        workers=workers,
        wall_hours=_wall(study, hours, speeds / 3600, lefts, teachers, workers),
        triples=lefts,
    )


def count_concurrent_work(records: Sequence[Record]) -> int:
    """Maximum number of pieces of work that ran at a time, among the latest records; 1 if there are none."""
    latest = sorted(records, key=lambda record: record.run.finished_at)[-RECENT:]
    ends = [(datetime.fromisoformat(record.run.finished_at), -1) for record in latest]
    starts = [(datetime.fromisoformat(record.run.started_at), 1) for record in latest]
    most = running = 0
    for _, change in sorted(ends + starts):  # an end comes before a start in the same second
        running += change
        most = max(most, running)
    return max(1, most)


def _left(
    search: StudySearch,
    triple: Triple,
    durations: WorkDurations,
    planned: PlannedSeconds | None,
    trials: Collection[TrialRecord],
) -> TripleLeft:
    name, study = triple.triple_id, search.study
    ahead = TrialsLeft() if name in search.failures else trials_left_of(study, triple, search.triples.get(name))
    open_seconds = [durations.seconds(name, configuration) for configuration in ahead.open]
    later = durations.seconds(name, study.tried[0])
    seconds = sum(open_seconds) + (ahead.expected - len(ahead.open)) * later
    each = seconds / ahead.expected if ahead.expected else later
    fast, slow = durations.factor_bounds(name)
    own = [record.run.seconds for record in trials if record.triple_id == name]
    return TripleLeft(
        triple=name,
        done=len(own),
        trials=ExpectedRange(ahead.fewest, ahead.expected, ahead.most),
        requests=ahead.requests,
        trial_seconds=each,
        planned_hours=None if planned is None else planned.trials[name] * triple_bounds(study, triple)[1] / 3600,
        done_hours=sum(own) / 3600,
        hours=ExpectedRange(ahead.fewest * fast, ahead.expected, ahead.most * slow).times(each / 3600),
    )


def _wall(
    study: Study,
    hours: ExpectedRange,
    speed_hours: float,
    lefts: Iterable[TripleLeft],
    teachers: dict[tuple[str, str], float],
    workers: int,
) -> ExpectedRange:
    """Work divided by workers, but at least the longest triple; response times come last and run alone."""
    waits = {t.triple_id: teachers.get((t.teacher.name, t.dataset.name), 0.0) for t in study.triples}
    group = study.config.resources.group
    lanes = max(1.0, workers / group)  # a trial's seconds are its share of its group's
    longest = max((waits[left.triple] + left.requests * left.trial_seconds * group for left in lefts), default=0.0)
    lefts_trials = sum(left.trials.expected for left in lefts)
    idle = HANDING_OUT_SECONDS * lefts_trials / workers / 3600
    wall = max((hours.expected - speed_hours) / lanes, longest / 3600) + speed_hours + idle
    factor = wall / hours.expected if hours.expected else 0.0
    return hours.times(factor)


def _sum(spans: Iterable[ExpectedRange]) -> ExpectedRange:
    total = NOTHING
    for span in spans:
        total = ExpectedRange(total.lower + span.lower, total.expected + span.expected, total.upper + span.upper)
    return total
