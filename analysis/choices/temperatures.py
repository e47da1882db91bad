"""How do validation scores move with the temperature?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from analysis.results import StudyResults, counts, has_softmax, mean
from search_spaces import Configuration
from study.search import TripleSearch


@dataclass(frozen=True)
class TemperatureCurve:
    """Validation score against the teacher's temperature, for one choice at its tuned learning rate."""

    triple_id: str
    metric: str  # what is scored
    choice: Configuration  # the tuned choice; its temperature is the one selected
    # rising; those whose trials completed for all seeds, or were stopped where that counts
    temperatures: tuple[float, ...]
    scores: tuple[float, ...]  # validation scores, means over seeds; one per temperature


def temperature_curves(results: StudyResults) -> tuple[TemperatureCurve, ...]:
    """One curve per tuned choice at the default soft-label weight, triple by triple in the study's order.

    Triples of tasks without softmax have none, nor have hard labels and log-odds: a temperature means nothing there.
    """
    search = results.search
    temperatures: dict[str, set[float]] = {}
    for record in results.trials:
        temperatures.setdefault(record.triple_id, set()).add(record.configuration.temperature)
    weight = search.study.space.soft_label_weight.default
    return tuple(
        _temperature_curve(started, candidate.choice, sorted(temperatures.get(triple.triple_id, ())))
        for triple in search.study.triples
        if (started := search.triples.get(triple.triple_id)) and has_softmax(triple)
        for candidate in started.search.candidates
        if candidate.choice.soft_label_weight == weight and candidate.score is not None
        if candidate.choice.distance.tempered_at
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
