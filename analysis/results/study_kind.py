"""What a study file asks: choices, steps of a search, shapes. Nothing here needs a record."""

from __future__ import annotations

from enum import StrEnum

from search_spaces import Distance, SearchSpace
from study.config import Strategy, Study
from trials.specs import StudentSpec, TeacherSpec

FEWEST_SHAPES = 2  # students of one teacher and data set that have less of something than the teacher


class Factor(StrEnum):
    """What a student can have less of than its teacher (B, table 3)."""

    LAYERS = "layers"
    HEADS = "heads"
    WIDTH = "width"


KEYS = {
    Factor.LAYERS: ("layers", "layer_choice", "encoder_layers", "decoder_layers"),
    Factor.HEADS: ("heads",),
    Factor.WIDTH: ("hidden_size",),
}


def has_one_configuration(space: SearchSpace) -> bool:
    """Whether there is nothing to choose and nothing to tune, so that a study says nothing about parameter choices."""
    tuned = len(space.learning_rates) > 1 or len(space.temperature.coarse()) > 1
    return not (tuned or space.soft_label_weight.then or any(space.alternatives()))


def compares_transfer(study: Study) -> bool:
    """Whether the study names experiments with D's students, transfer sets or hard labels."""
    if study.config.search.strategy is not Strategy.EXPERIMENTS:
        return False
    parts = any(t.student.is_recurrent or t.dataset.has_transfer_set for t in study.triples)
    return parts or any(each.distance is Distance.HARD for each in study.tried)


def compares_shapes(study: Study, teacher: TeacherSpec) -> bool:
    """Whether a teacher has students of enough shapes on one data set."""
    shaped = [t.dataset.name for t in study.triples if t.teacher == teacher and factors(study, t.student, teacher)]
    return any(shaped.count(name) >= FEWEST_SHAPES for name in set(shaped))


def factors(study: Study, student: StudentSpec, teacher: TeacherSpec) -> frozenset[Factor]:
    """What a student has less of than its teacher, as the study file says it.

    A student that is no cut-down copy of the teacher's own pretrained model, or is a recurrent network, differs from it
    in more than a shape: it has no factors, and so does one whose keys ask for nothing.
    """
    if student.is_recurrent or study.student_source(student) != (teacher.model, teacher.revision or ""):
        return frozenset()
    return frozenset(factor for factor, keys in KEYS.items() if any(getattr(student, key) is not None for key in keys))
