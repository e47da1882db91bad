"""From records to studies of shapes: one `ShapeStudy` per teacher, of whatever has been measured so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.outcomes import Role, TripleOutcome
from analysis.shapes import Factor, ShapedStudent, ShapeStudy, Speed
from search_spaces.space import SearchSpace
from study.config import Study
from study.search import StudySearch
from trials.record import ModelSpeed
from trials.spec import StudentSpec, TeacherSpec

FEWEST_SHAPES = 2  # students of one teacher and data set that have less of something than the teacher
KEYS = {
    Factor.LAYERS: ("layers", "layer_choice", "encoder_layers", "decoder_layers"),
    Factor.HEADS: ("heads",),
    Factor.WIDTH: ("hidden_size",),
}


def has_one_configuration(space: SearchSpace) -> bool:
    """Whether there is nothing to choose and nothing to tune, so that a study says nothing about parameter choices."""
    tuned = len(space.learning_rates) > 1 or len(space.temperature.coarse()) > 1
    return not (tuned or space.soft_label_weight.then or any(space.alternatives()))


def factors(study: Study, student: StudentSpec, teacher: TeacherSpec) -> frozenset[Factor]:
    """What a student has less of than its teacher, as the study file says it.

    A student that is no cut-down copy of the teacher's own pretrained model, or is a recurrent network, differs from it
    in more than a shape: it has no factors, and so does one whose keys ask for nothing.
    """
    if student.is_simple or study.student_source(student) != (teacher.model, teacher.revision or ""):
        return frozenset()
    return frozenset(factor for factor, keys in KEYS.items() if any(getattr(student, key) is not None for key in keys))


def shape_studies(search: StudySearch, outcomes: Iterable[TripleOutcome]) -> dict[str, ShapeStudy]:
    """A study per teacher that has enough shapes, by the teacher's name.

    Scores are test scores: of a student that of its best configuration, chosen on validation, once its search has
    ended; of the teacher that of its highest-score checkpoint.
    """
    outcomes = tuple(outcomes)
    return {
        teacher.name: _shape_study(search, teacher, [o for o in outcomes if o.triple.teacher == teacher])
        for teacher in search.study.config.teachers
        if _compares(search.study, teacher)
    }


def speed_of(model: ModelSpeed) -> Speed:
    """Median and quartiles over rounds."""
    low, middle, high = np.quantile(model.samples_per_second, (0.25, 0.5, 0.75))
    return Speed(float(middle), float(low), float(high))


def _compares(study: Study, teacher: TeacherSpec) -> bool:
    shaped = [t.dataset.name for t in study.triples if t.teacher == teacher and factors(study, t.student, teacher)]
    return any(shaped.count(name) >= FEWEST_SHAPES for name in set(shaped))


def _shape_study(search: StudySearch, teacher: TeacherSpec, outcomes: Sequence[TripleOutcome]) -> ShapeStudy:
    datasets = {outcome.triple.dataset.name: outcome.triple.dataset for outcome in outcomes}
    students = {outcome.triple.student.name: outcome.triple.student for outcome in outcomes}
    records = {name: search.teacher_record(teacher, dataset) for name, dataset in datasets.items()}
    speeds = {name: search.speed_record(teacher, dataset) for name, dataset in datasets.items()}
    timed = {name: record.models for name, record in speeds.items() if record and record.models}  # the teacher first
    teacher_parameters = next((r.num_parameters for r in records.values() if r and r.num_parameters), 0)
    return ShapeStudy(
        tasks=tuple(datasets),
        students=tuple(
            _shaped(name, factors(search.study, spec, teacher), _parameters(name, outcomes), teacher_parameters)
            for name, spec in students.items()
        ),
        teacher_parameters=teacher_parameters,
        teacher_scores={
            outcome.triple.dataset.name: outcome.teacher_score
            for outcome in outcomes
            if outcome.teacher_score is not None
        },
        student_scores={
            (outcome.triple.student.name, outcome.triple.dataset.name): score
            for outcome in outcomes
            if (score := outcome.final_score(Role.BEST)) is not None
        },
        teacher_speeds={name: speed_of(models[0]) for name, models in timed.items()},
        student_speeds={
            (model.name, name): speed_of(model)
            for name, models in timed.items()
            for model in models[1:]
            if model.name in students
        },
        training_rows={
            name: record.rows["train"] for name, record in records.items() if record and "train" in record.rows
        },
    )


def _shaped(name: str, asked: frozenset[Factor], own: int, teacher: int) -> ShapedStudent:
    """A student; one that is no smaller than its teacher has not less of layers or width, whatever its keys say."""
    smaller = not (own and teacher) or own < teacher
    return ShapedStudent(name, asked if smaller else asked & {Factor.HEADS}, own)


def _parameters(student: str, outcomes: Iterable[TripleOutcome]) -> int:
    """Those on the first data set that is known, as heads differ a little; 0 where none is."""
    own = (outcome.num_parameters for outcome in outcomes if outcome.triple.student.name == student)
    return next((number for number in own if number), 0)
