"""How did validation scores move during training?"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.results import Role, StudyResults, computed_once


@dataclass(frozen=True)
class TrainingCurve:
    """Validation score during training, for one trial.

    Attributes:
        triple_id: The triple.
        metric: What is scored.
        role: Best or worst.
        seed: The trial's seed.
        epochs: Passes over the data, rising.
        scores: Validation scores; one per epoch value.
        best_epoch: Where the tested weights come from.
    """

    triple_id: str
    metric: str
    role: Role
    seed: int
    epochs: tuple[float, ...]
    scores: tuple[float, ...]
    best_epoch: float


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
