"""From records to studies of shapes: one `ShapeStudy` per teacher, of whatever has been measured so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from analysis.results import Factor, Role, TripleOutcome, compares_shapes, factors
from analysis.shapes import ShapedStudent, ShapeStudy, Speed
from study.search import StudySearch
from trials.specs import ModelSpeed, TeacherSpec


def shape_studies(search: StudySearch, outcomes: Iterable[TripleOutcome]) -> dict[str, ShapeStudy]:
    """A study per teacher that has enough shapes, by the teacher's name.

    Scores are test scores: of a student that of its best configuration, chosen on validation, once its search has
    ended; of the teacher that of its highest-score checkpoint.
    """
    outcomes = tuple(outcomes)
    return {
        teacher.name: _shape_study(search, teacher, [o for o in outcomes if o.triple.teacher == teacher])
        for teacher in search.study.config.teachers
        if compares_shapes(search.study, teacher)
    }


def speed_of(model: ModelSpeed) -> Speed:
    """Median and quartiles over rounds."""
    low, middle, high = np.quantile(model.samples_per_second, (0.25, 0.5, 0.75))
    return Speed(float(middle), float(low), float(high))


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
