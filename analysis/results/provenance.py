"""Where do the numbers come from? Which records count, where and when they were made, what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

from study.ledger import BadFile
from study.search import StudySearch
from trials.specs import Record, SpeedRecord, Status, TeacherRecord, TrialRecord, record_ids


@dataclass(frozen=True)
class Failure:
    """Something that did not end well."""

    kind: str  # ``trial``, ``teacher``, ``search`` or ``file``
    where: str  # the triple, the teacher and data set, or the file's name
    reason: str  # why
    trial: TrialRecord | None = None  # the trial, if it is one


@dataclass(frozen=True)
class Provenance:
    """The records behind the findings."""

    num_trials: int  # trial records of the study, and those that failed or were stopped early
    num_failed: int
    num_stopped: int
    num_teachers: int  # teacher records that count
    num_unused: int  # records of other data, models, recipes or triples than the study's: kept, not used
    # trial records that the study's search has not asked for: run ahead, or for another search; likewise
    num_extra: int
    trial_hours: float  # worker hours, summed over workers
    teacher_hours: float
    started_at: str | None  # first start and last end, UTC, ISO 8601; None without records
    finished_at: str | None
    hosts: tuple[str, ...]  # where it ran
    devices: tuple[str, ...]
    versions: tuple[str, ...]  # library versions as ``package version``; several where machines differed
    failures: tuple[Failure, ...]  # everything that failed, searches first


def current_trials(search: StudySearch, records: Iterable[Record]) -> list[TrialRecord]:
    """The trial records of the study as it is: those that its search asked for, by trial id."""
    trials = [record for record in records if isinstance(record, TrialRecord) and search.has_requested(record)]
    return sorted(trials, key=lambda record: record.record_id)


def current_teachers(search: StudySearch) -> list[TeacherRecord]:
    """The teacher records that the study uses, in its order."""
    found = (search.teacher_record(*pair) for pair in search.study.teacher_pairs)
    return [record for record in found if record is not None]


def current_speeds(search: StudySearch) -> list[SpeedRecord]:
    """The response times that the study uses, in its order."""
    found = (search.speed_record(*pair) for pair in search.study.teacher_pairs)
    return [record for record in found if record is not None]


def provenance(search: StudySearch, records: Sequence[Record], bad_files: Iterable[BadFile] = ()) -> Provenance:
    """Sum up a ledger's records."""
    trials, teachers = current_trials(search, records), current_teachers(search)
    used: list[Record] = [*teachers, *trials, *current_speeds(search)]
    runs = [record.run for record in used]
    extra = sum(_is_current(search, record) for record in search.extra_trials)
    return Provenance(
        num_trials=len(trials),
        num_failed=sum(record.status is Status.FAILED for record in trials),
        num_stopped=sum(record.status is Status.STOPPED for record in trials),
        num_teachers=len(teachers),
        num_unused=len({record.record_id for record in records}) - len(used) - extra,
        num_extra=extra,
        trial_hours=fsum(record.run.seconds for record in trials) / 3600,
        teacher_hours=fsum(record.run.seconds for record in teachers) / 3600,
        started_at=min((run.started_at for run in runs), default=None),
        finished_at=max((run.finished_at for run in runs), default=None),
        hosts=_distinct(run.host for run in runs),
        devices=_distinct(run.device for run in runs),
        versions=_distinct(f"{name} {version}" for run in runs for name, version in run.versions.items()),
        failures=tuple(_failures(search, trials, teachers, bad_files)),
    )


def _is_current(search: StudySearch, record: TrialRecord) -> bool:
    """Whether it has the study's data, models, recipe and triples."""
    triple = search.triples.get(record.triple_id)
    return triple is not None and record.record_id in record_ids(triple.spec(record.configuration, record.spec.seed))


def _failures(
    search: StudySearch, trials: list[TrialRecord], teachers: list[TeacherRecord], bad_files: Iterable[BadFile]
) -> Iterator[Failure]:
    for triple_id, reason in search.failures.items():
        yield Failure("search", triple_id, reason)
    for teacher in teachers:
        if not teacher.status.has_scores:
            where = f"{teacher.task.teacher.name} on {teacher.task.dataset.name}"
            yield Failure("teacher", where, teacher.reason or "")
    for record in sorted(trials, key=lambda record: (record.triple_id, str(record.configuration), record.spec.seed)):
        if record.status is Status.FAILED:
            yield Failure("trial", record.triple_id, record.reason or "", record)
    for bad in bad_files:
        yield Failure("file", bad.name, bad.reason)


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
