"""All of paper B's questions about shapes, answered for each teacher from whatever has been measured so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.presentation import PerTeacher
from analysis.results import (
    Factor,
    Role,
    StudyResults,
    TripleOutcome,
    compares_shapes,
    computed_once,
    factors,
    speed_of,
)
from analysis.shapes.fronts import Front, Gained, mean_front, task_fronts
from analysis.shapes.same_cost import LikeForLike, Pairing, fewer_heads, shortening_against_narrowing
from analysis.shapes.shape_study import Grid, ShapedStudent, ShapeStudy, losses, speed_ups
from analysis.shapes.training_rows import SizeEffect, most_influential, size_effect
from analysis.shapes.worthwhile import Judgement, judgements
from study.search import StudySearch
from trials.specs import DatasetSpec, SpeedRecord, TeacherSpec


@dataclass(frozen=True)
class ShapeAnswers:
    """What the numbers of one teacher and its students say."""

    study: ShapeStudy  # the numbers that all is computed from
    losses: Grid  # B's figure 1, as fractions
    speed_ups: Grid  # B's table 2, over the teacher
    judgements: tuple[Judgement, ...]  # B's table 3
    mean_fronts: dict[Gained, Front]  # quality against speed and against size, over all tasks
    task_fronts: dict[Gained, tuple[Front, ...]]  # the same, task by task
    size_effect: SizeEffect  # training rows against mean loss
    # the same without the task that changes it most; None where there are too few tasks
    size_effect_without: SizeEffect | None
    heads: tuple[Pairing, ...]  # speed of the students with fewer heads alone
    like_for_like: tuple[LikeForLike, ...]  # shortening against narrowing, at like size and at like speed


@dataclass(frozen=True)
class ShapeFindings(ShapeAnswers):
    """The answers for one teacher of a study."""

    teacher: str  # its name
    datasets: Mapping[str, DatasetSpec]  # the data sets of these, by name
    outcomes: tuple[TripleOutcome, ...]  # its triples
    speeds: tuple[SpeedRecord, ...]  # its response times, as they were recorded
    timed: bool  # whether the study measures response times
    alone: bool  # whether the study compares no parameter choices, so that shapes are all that it compares


@computed_once
def shape_findings(results: StudyResults) -> PerTeacher[ShapeFindings]:
    """The answers for each teacher that has students of enough shapes.

    Scores are test scores: of a student that of its best configuration, chosen on validation, once its search has
    ended; of the teacher that of its highest-score checkpoint.
    """
    teachers = results.study.config.teachers
    return PerTeacher(
        {each.name: _of_teacher(results, each) for each in teachers if compares_shapes(results.study, each)}
    )


def analyse_shapes(study: ShapeStudy) -> ShapeAnswers:
    """Answer every question; numbers that were not measured are left out of its answer."""
    odd = most_influential(study)
    return ShapeAnswers(
        study=study,
        losses=losses(study),
        speed_ups=speed_ups(study),
        judgements=judgements(study),
        mean_fronts={by: mean_front(study, by) for by in Gained},
        task_fronts={by: task_fronts(study, by) for by in Gained},
        size_effect=size_effect(study),
        size_effect_without=size_effect(study, without=(odd,)) if odd else None,
        heads=fewer_heads(study),
        like_for_like=tuple(pair for at in Gained for pair in shortening_against_narrowing(study, at)),
    )


def _of_teacher(results: StudyResults, teacher: TeacherSpec) -> ShapeFindings:
    outcomes = tuple(outcome for outcome in results.outcomes if outcome.triple.teacher == teacher)
    return ShapeFindings(
        **vars(analyse_shapes(_shape_study(results.search, teacher, outcomes))),
        teacher=teacher.name,
        datasets={outcome.triple.dataset.name: outcome.triple.dataset for outcome in outcomes},
        outcomes=outcomes,
        speeds=tuple(record for record in results.speeds if record.task.teacher.name == teacher.name),
        timed=results.study.config.speed is not None,
        alone=not results.compares_choices,
    )


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
