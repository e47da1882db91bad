"""How far a study is, from its ledger alone. Without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from study.config import Study
from study.ledger import Ledger
from study.planning import WorkLeft, estimate_work_left, planned_seconds, total_trial_bounds
from study.search import StudySearch, describe_progress, load_search
from trials.specs import Record, Status, TrialRecord, Triple
from trials.storage import Workspace


@dataclass(frozen=True)
class TripleStatus:
    """The status of one triple.

    Attributes:
        triple: Triple id.
        stage: How far its search is, as text.
        trials: Number of its finished trials that its search requested.
        stopped_trials: Number of them that were stopped early.
        steps: The comparisons made: parameter, validation before and after, whether the change was kept.
        incumbent: The best configuration so far; None before the first.
        validation_score: The validation score of the best configuration.
    """

    triple: str
    stage: str
    trials: int
    stopped_trials: int
    steps: tuple[dict[str, Any], ...]
    incumbent: dict[str, Any] | None
    validation_score: float | None


@dataclass(frozen=True)
class StudyStatus:
    """The status of a study.

    Attributes:
        name: Its name.
        finished: Whether no work is left.
        trials: Number of finished trials that the search requested.
        extra_trials: Number of other finished trials: speculative ones, or of other data, models or searches.
        most_trials: Maximum number of trials that it can need.
        stopped_trials: Number of its trials that were stopped early.
        hours: Summed hours of all its records.
        left: The work left; None before the first trial, and if the study is finished.
        chains: Its triples.
        failed_trials: Trials that failed, with their reasons.
        unfinished_work: Trials and teachers that were started and are not finished.
        bad_files: Files in the ledger that are not records.
    """

    name: str
    finished: bool
    trials: int
    extra_trials: int
    most_trials: int
    stopped_trials: int
    hours: float
    left: WorkLeft | None
    chains: tuple[TripleStatus, ...]
    failed_trials: tuple[str, ...]
    unfinished_work: tuple[str, ...]
    bad_files: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def read_status(study: Study, workspace: Workspace) -> StudyStatus:
    """Read a study's status from its ledger."""
    ledger = Ledger(workspace.ledger)
    records = ledger.refresh()
    search = load_search(study, records)
    return StudyStatus(
        name=study.config.name,
        finished=search.finished,
        trials=search.num_trials,
        extra_trials=len(search.extra_trials),
        most_trials=total_trial_bounds(study)[1],
        stopped_trials=_stopped(filter(search.has_requested, search.trials)),
        hours=sum(record.run.seconds for record in records) / 3600,
        left=_left(search, records) if search.num_trials and not search.finished else None,
        chains=tuple(_chain(triple, search) for triple in study.triples),
        failed_trials=tuple(_failure(record) for record in ledger.trials if record.status is Status.FAILED),
        unfinished_work=tuple(sorted(workspace.running() - search.settled_ids)),
        bad_files=tuple(map(str, ledger.bad_files)),
    )


def read_work_left(study: Study, workspace: Workspace) -> WorkLeft | None:
    """The work that a study has left, with its planned hours; None before its first trial."""
    ledger = Ledger(workspace.ledger)
    records = ledger.refresh()
    return estimate_work_left(load_search(study, records), planned_seconds(study), records) if ledger.trials else None


def _left(search: StudySearch, records: list[Record]) -> WorkLeft:
    """The work left. The plan, which reads the data, is made only if some durations are not measured."""
    return estimate_work_left(search, planned_seconds(search.study) if search.needs_plan else None, records)


def _chain(triple: Triple, search: StudySearch) -> TripleStatus:
    started = search.triples.get(triple.triple_id)
    failure = search.failures.get(triple.triple_id)
    incumbent = started.search.incumbent if started else None
    own = [record for record in search.trials if record.triple_id == triple.triple_id and search.has_requested(record)]
    return TripleStatus(
        triple=triple.triple_id,
        stage=f"failed: {failure}" if failure else describe_progress(started),
        trials=started.num_recorded if started else 0,
        stopped_trials=_stopped(own),
        steps=tuple(
            {
                "parameter": step.parameter,
                "before": step.before.score,
                "after": step.after.score,
                "changed_to": str(getattr(step.after.choice, step.parameter)),
                "kept": step.accepted,
            }
            for step in (started.search.steps if started else ())
        ),
        incumbent=incumbent.configuration.as_dict() if incumbent else None,
        validation_score=incumbent.score if incumbent else None,
    )


def _stopped(trials: Iterable[TrialRecord]) -> int:
    return sum(record.status is Status.STOPPED for record in trials)


def _failure(record: TrialRecord) -> str:
    return f"{record.triple_id}: {record.configuration}: {record.reason} ({record.record_id})"
