"""How do scores move with the temperature, and during training? Validation scores only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from analysis.outcomes import Role, TripleOutcome, counts, has_softmax, mean
from search_spaces.configuration import Configuration, Distance
from study.search import StudySearch, TripleSearch
from trials.record import TrialRecord


@dataclass(frozen=True)
class TemperatureCurve:
    """Validation score against the teacher's temperature, for one choice at its tuned learning rate.

    Attributes:
        triple_id: The triple.
        metric: What is scored.
        choice: The tuned choice; its temperature is the one selected.
        temperatures: Rising; those whose trials completed for all seeds, or were stopped where that counts.
        scores: Validation scores, means over seeds; one per temperature.
    """

    triple_id: str
    metric: str
    choice: Configuration
    temperatures: tuple[float, ...]
    scores: tuple[float, ...]


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


def temperature_curves(search: StudySearch, trials: Iterable[TrialRecord]) -> tuple[TemperatureCurve, ...]:
    """One curve per tuned choice at the default soft-label weight, triple by triple in the study's order.

    Triples of tasks without softmax have none, nor have hard labels and log-odds: a temperature means nothing there.
    """
    temperatures: dict[str, set[float]] = {}
    for record in trials:
        temperatures.setdefault(record.triple_id, set()).add(record.configuration.temperature)
    weight = search.study.space.soft_label_weight.default
    return tuple(
        _temperature_curve(started, candidate.choice, sorted(temperatures.get(triple.triple_id, ())))
        for triple in search.study.triples
        if (started := search.triples.get(triple.triple_id)) and has_softmax(triple)
        for candidate in started.search.candidates
        if candidate.choice.soft_label_weight == weight and candidate.score is not None
        if candidate.choice.distance in (Distance.CE, Distance.MSE)
    )


def training_curves(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> tuple[TrainingCurve, ...]:
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
        for outcome in outcomes
        for role in ((Role.BEST, Role.WORST) if len(outcome.completed) > 1 else (Role.BEST,))
        if (student := outcome.configuration(role))
        for record in search.triples[outcome.triple_id].records(student.choice.canonical())
        if record.best_step in [point.step for point in record.curve]
    )


def _temperature_curve(triple: TripleSearch, choice: Configuration, temperatures: Iterable[float]) -> TemperatureCurve:
    points = [(t, score) for t in temperatures if (score := _score_at(triple, choice, t)) is not None]
    return TemperatureCurve(
        triple.triple.triple_id,
        triple.triple.dataset.metric,
        choice,
        tuple(t for t, _ in points),
        tuple(score for _, score in points),
    )


def _score_at(triple: TripleSearch, choice: Configuration, temperature: float) -> float | None:
    """The choice's validation score at another temperature; None where there is none, or it is no real choice."""
    configuration = replace(choice, temperature=temperature).canonical()
    if configuration.temperature != temperature:
        return None
    return mean(record.validation_score if counts(record, triple) else None for record in triple.records(configuration))
