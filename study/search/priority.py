"""Which triples and teachers come first: those with the most time left, for the last one decides when a study ends."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from study.config import Study
from trials.specs import DatasetSpec, TeacherSpec, Triple

LAYERS = 6  # of students whose number of layers is their source's, or who have none


def relative_cost(study: Study, triple: Triple, rows: int = 1) -> float:
    """What a trial of a triple costs against those of others, before any was run: tokens at most, times layers."""
    recipe, student = study.student_recipe(triple.dataset), triple.student
    layers = student.layers or (student.encoder_layers or 0) + (student.decoder_layers or 0) or LAYERS
    return rows * recipe.epochs * recipe.max_length * layers


def teachers_by_cost(study: Study) -> list[tuple[TeacherSpec, DatasetSpec]]:
    """A study's teachers, with their data sets; the one whose students have most to do first."""
    efforts = dict.fromkeys(((t.name, d.name) for t, d in study.teacher_pairs), 0.0)
    for triple in study.triples:
        efforts[triple.teacher.name, triple.dataset.name] += relative_cost(study, triple)
    return sorted(study.teacher_pairs, key=lambda pair: -efforts[pair[0].name, pair[1].name])


class RemainingRequests(NamedTuple):
    """What is left of a triple.

    Attributes:
        seconds: What a trial on it takes, the median; None before the first.
        effort: As of `relative_cost`.
        requests: Most requests that one of its chains still makes.
    """

    seconds: float | None
    relative_cost: float
    requests: int


def estimated_seconds_left(triples: Sequence[RemainingRequests]) -> list[float]:
    """Requests left of each triple, times what a trial takes; before its first, its effort at the others' rate."""
    rates = [triple.seconds / triple.relative_cost for triple in triples if triple.seconds is not None]
    rate = median(rates) if rates else 1.0
    return [
        triple.requests * (triple.relative_cost * rate if triple.seconds is None else triple.seconds)
        for triple in triples
    ]
