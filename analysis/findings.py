"""All of paper A's questions, answered from a study file and its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.answers import Answers, answer, answers_by_task
from analysis.curves import TemperatureCurve, TrainingCurve, temperature_curves, training_curves
from analysis.outcomes import Role, triple_outcomes
from analysis.parameters import Change, changes
from analysis.provenance import Provenance, current_teachers, current_trials, provenance
from search_spaces.configuration import Configuration
from study.config import Study
from study.ledger import BadFile
from study.search import StudySearch, load_search
from study.searchers.stable import stable_choice
from trials.record import Record, TeacherRecord
from trials.spec import TaskName


@dataclass(frozen=True)
class Findings(Answers):
    """What a study says so far: the answers over all its triples, and what is behind them.

    Attributes:
        study: The study.
        by_task: The answers of each task; empty for a study of one task.
        changes: Every step of every search.
        stable: The choices that the rewards pick, from the steps made so far; None without steps.
        stable_is_final: Whether every search has ended, so that `stable` will not change.
        temperature_curves, training_curves: Validation curves.
        teachers: The teachers' records.
        provenance: Where the numbers come from.
    """

    study: Study
    by_task: dict[TaskName, Answers]
    changes: tuple[Change, ...]
    stable: Configuration | None
    stable_is_final: bool
    temperature_curves: tuple[TemperatureCurve, ...]
    training_curves: tuple[TrainingCurve, ...]
    teachers: tuple[TeacherRecord, ...]
    provenance: Provenance

    @property
    def roles(self) -> tuple[Role, ...]:
        """The students that every triple is asked for: best, worst, random, and those the study file evaluates."""
        return (Role.BEST, Role.WORST, Role.RANDOM, *(Role(name) for name in self.study.config.search.evaluate))

    @property
    def num_missing(self) -> int:
        """Scores asked for that are not there (or not final yet), over triples and `roles`."""
        return sum(outcome.final_score(role) is None for outcome in self.outcomes for role in self.roles)


def analyse(study: Study, records: Iterable[Record], bad_files: Iterable[BadFile] = ()) -> Findings:
    """Answer every question from the records; works at any time of a study, from its first record on."""
    records = sorted(records, key=lambda record: record.record_id)
    search = load_search(study, records)
    trials = current_trials(search, records)
    outcomes = triple_outcomes(search, trials)
    return Findings(
        **vars(answer(search, outcomes)),
        study=study,
        by_task=answers_by_task(search, outcomes),
        changes=changes(search, outcomes),
        stable=_stable(search),
        stable_is_final=search.stable_choice is not None,
        temperature_curves=temperature_curves(search, trials),
        training_curves=training_curves(search, outcomes),
        teachers=tuple(current_teachers(search)),
        provenance=provenance(search, records, list(bad_files)),
    )


def _stable(search: StudySearch) -> Configuration | None:
    steps = list(search.steps)
    return stable_choice(steps, search.study.space) if steps else None
