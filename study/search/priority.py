"""The order of triples and teachers: those with the most time left come first, because the last one ends the study."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from study.config import Study
from trials.specs import DatasetSpec, TeacherSpec, Triple

LAYERS = 6  # assumed for students without a number of layers


def relative_cost(study: Study, triple: Triple, rows: int = 1) -> float:
    """Cost of a triple's trial relative to other triples, before any was run: maximum number of tokens times layers."""
    recipe, student = study.student_recipe(triple.dataset), triple.student
    layers = student.layers or (student.encoder_layers or 0) + (student.decoder_layers or 0) or LAYERS
    return rows * recipe.epochs * recipe.max_length * layers


def teachers_by_cost(study: Study) -> list[tuple[TeacherSpec, DatasetSpec]]:
    """A study's teachers with their data sets; the one whose students cost most comes first."""
    costs = dict.fromkeys(((t.name, d.name) for t, d in study.teacher_pairs), 0.0)
    for triple in study.triples:
        costs[triple.teacher.name, triple.dataset.name] += relative_cost(study, triple)
    return sorted(study.teacher_pairs, key=lambda pair: -costs[pair[0].name, pair[1].name])


class RemainingRequests(NamedTuple):
    """The requests that a triple has left, and their cost.

    Attributes:
        seconds: Median seconds of its trials; None before the first.
        relative_cost: Its cost per trial, from `relative_cost`.
        requests: Maximum number of requests that one of its chains still makes.
    """

    seconds: float | None
    relative_cost: float
    requests: int


def estimated_seconds_left(triples: Sequence[RemainingRequests]) -> list[float]:
    """Seconds left of each triple: its requests times its seconds per trial, or an estimate before its first trial."""
    rates = [triple.seconds / triple.relative_cost for triple in triples if triple.seconds is not None]
    rate = median(rates) if rates else 1.0
    return [
        triple.requests * (triple.relative_cost * rate if triple.seconds is None else triple.seconds)
        for triple in triples
    ]
