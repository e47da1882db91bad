"""Which students are worth having? Quality against speed and size, with those that another one outdoes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, isclose
from statistics import geometric_mean

from analysis.results import TEACHER, TIE
from analysis.shapes.shape_study import ShapeStudy, losses, speed_ups


class Gained(StrEnum):
    """What is gained by giving up quality."""

    SPEED = "speed"  # times as fast as the teacher
    SIZE = "size"  # parameters


@dataclass(frozen=True)
class Point:
    """One model on a front."""

    model: str  # the student's name, or `TEACHER`
    quality: float  # share of the teacher's score that it keeps; 1 is the teacher
    gained: float  # speed-up over the teacher, or number of parameters
    dominated_by: tuple[str, ...] = ()  # models at least as good on both and better on one; empty for one on the front


@dataclass(frozen=True)
class Front:
    """All models of one task, or of the mean over tasks."""

    task: str | None  # the data set; None for the mean over `tasks`
    tasks: tuple[str, ...]  # what the points are computed from
    by: Gained  # what is gained
    points: tuple[Point, ...]  # the teacher and the students, in the study's order
    left_out: tuple[str, ...]  # students without a number on one of the tasks: their means would be of other tasks

    @property
    def best(self) -> tuple[Point, ...]:
        """The models that no other one dominates, from the one that gains least to the one that gains most."""
        on_front = [point for point in self.points if not point.dominated_by]
        return tuple(sorted(on_front, key=lambda point: point.gained, reverse=self.by is Gained.SIZE))


def mean_front(study: ShapeStudy, by: Gained) -> Front:
    """Mean retained quality over tasks, against the geometric mean of speed-ups over the same tasks or against size."""
    return _front(study, by, None, _comparable_tasks(study, by))


def task_fronts(study: ShapeStudy, by: Gained) -> tuple[Front, ...]:
    """One front per task that can be compared, in the study's order."""
    return tuple(_front(study, by, task, (task,)) for task in _comparable_tasks(study, by))


def mark_dominated(points: Iterable[Point], by: Gained) -> tuple[Point, ...]:
    """Fill in who dominates whom. Models with equal numbers (up to rounding) do not dominate each other."""
    points = tuple(points)
    return tuple(
        Point(own.model, own.quality, own.gained, tuple(p.model for p in points if _dominates(p, own, by)))
        for own in points
    )


def _front(study: ShapeStudy, by: Gained, task: str | None, tasks: tuple[str, ...]) -> Front:
    lost, gains = losses(study), _gained(study, by, tasks)
    complete = lost.complete_students(tasks) if tasks else ()
    shown = [name for name in complete if name in gains]
    points = [Point(TEACHER, 1.0, float(study.teacher_parameters) if by is Gained.SIZE else 1.0)] if tasks else []
    kept = {name: 1 - fsum(lost.known([name], task)[0] for task in tasks) / len(tasks) for name in shown}
    points += [Point(name, kept[name], gains[name]) for name in shown]
    left_out = tuple(name for name in study.names if name not in shown)
    return Front(task, tasks, by, mark_dominated(points, by), left_out)


def _gained(study: ShapeStudy, by: Gained, tasks: tuple[str, ...]) -> Mapping[str, float]:
    """Of the students where it is known on all tasks."""
    if by is Gained.SIZE:
        return {student.name: float(student.num_parameters) for student in study.students if student.num_parameters}
    faster = speed_ups(study)
    ratios = {name: [faster.known([name], task)[0] for task in tasks] for name in faster.complete_students(tasks)}
    return {name: geometric_mean(own) for name, own in ratios.items() if own}


def _comparable_tasks(study: ShapeStudy, by: Gained) -> tuple[str, ...]:
    """Tasks where retained quality means something, with the teacher's speed or size, whichever is asked for."""
    measured = study.teacher_speeds if by is Gained.SPEED else study.tasks if study.teacher_parameters else ()
    return tuple(task for task in study.tasks if study.teacher_scores.get(task, 0.0) > 0 and task in measured)


def _dominates(one: Point, other: Point, by: Gained) -> bool:
    quality = _sign(one.quality, other.quality)
    gained = _sign(one.gained, other.gained) * (-1 if by is Gained.SIZE else 1)
    return min(quality, gained) >= 0 and max(quality, gained) > 0


def _sign(one: float, other: float) -> int:
    """1, 0 or -1; sums in another order may differ by `TIE`."""
    return 0 if isclose(one, other, rel_tol=TIE, abs_tol=TIE) else 1 if one > other else -1
