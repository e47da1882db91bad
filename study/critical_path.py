"""Which chain comes first: the one with the most time left, for it decides when the study ends."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median
from typing import TYPE_CHECKING

from study.config import Study
from trials.spec import DatasetSpec, TeacherSpec, Triple

if TYPE_CHECKING:
    from study.search import TripleSearch

LAYERS = 6  # of students whose number of layers is their source's, or who have none


def effort(study: Study, triple: Triple, rows: int = 1) -> float:
    """What a trial of a triple costs against those of others, before any was run: tokens at most, times layers."""
    recipe, student = study.student_recipe(triple.dataset), triple.student
    layers = student.layers or (student.encoder_layers or 0) + (student.decoder_layers or 0) or LAYERS
    return rows * recipe.epochs * recipe.max_length * layers


def most_depending(study: Study) -> list[tuple[TeacherSpec, DatasetSpec]]:
    """A study's teachers, with their data sets; the one whose students have most to do first."""
    efforts = dict.fromkeys(((t.name, d.name) for t, d in study.teacher_pairs), 0.0)
    for triple in study.triples:
        efforts[triple.teacher.name, triple.dataset.name] += effort(study, triple)
    return sorted(study.teacher_pairs, key=lambda pair: -efforts[pair[0].name, pair[1].name])


def by_time_left(triples: Collection[TripleSearch]) -> list[TripleSearch]:
    """Those with the most time left first; of equals the first in the study.

    Time left is requests left, times what a trial took on the triple (the median); on a triple without a record, what
    its effort takes at the others' rate.
    """
    rates = [triple.seconds / triple.effort for triple in triples if triple.seconds is not None]
    rate = median(rates) if rates else 1.0

    def left(triple: TripleSearch) -> float:
        seconds = triple.effort * rate if triple.seconds is None else triple.seconds
        return seconds * max(chain.requests_left for chain in triple.chains)

    return sorted(triples, key=left, reverse=True)
