"""How did validation scores move during training?"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import Role, StudyResults, computed_once


@dataclass(frozen=True)
class TrainingCurve:
    """Validation score during training, for one trial."""

    triple_id: str
    metric: str  # what is scored
    role: Role  # best or worst
    seed: int  # the trial's seed
    epochs: tuple[float, ...]  # passes over the data, rising
    scores: tuple[float, ...]  # validation scores; one per epoch value
    best_epoch: float  # where the tested weights come from


@computed_once
def training_curves(results: StudyResults) -> tuple[TrainingCurve, ...]:
    """The best and the worst candidate's training, one curve per triple, role and seed."""
    return tuple(
        TrainingCurve(
            outcome.triple_id,
            outcome.metric,
            role,
            record.spec.seed,
            tuple(point.epoch for point in record.curve),
            tuple(point.validation_score for point in record.curve),
            next(point.epoch for point in record.curve if point.step == record.best_step),
        )
        for outcome in results.outcomes
        for role in ((Role.BEST, Role.WORST) if len(outcome.completed) > 1 else (Role.BEST,))
        if (student := outcome.configuration(role))
        for record in results.search.triples[outcome.triple_id].records(student.choice.canonical())
        if record.best_step in [point.step for point in record.curve]
    )
