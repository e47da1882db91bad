"""What does a smaller student lose, and how much faster is it, against its teacher (B, tables 1 and 2, figure 1)?"""

from __future__ import annotations

from collections.abc import Callable

from analysis.results import relative_gain
from analysis.shapes import Grid, ShapeStudy, mean_of_known


def losses(study: ShapeStudy) -> Grid:
    """(teacher - student) / teacher as a fraction (B, figure 1): .35 is "35 % weaker"; below 0 the student is better.

    None where a score is missing or the teacher's is not above 0.
    """

    def loss(student: str, task: str) -> float | None:
        gain = relative_gain(study.student_scores.get((student, task)), study.teacher_scores.get(task))
        return None if gain is None else -gain

    return _grid(study, loss)


def speed_ups(study: ShapeStudy) -> Grid:
    """Samples per second of the student over those of its teacher, medians (B, table 2): above 1 it is faster."""

    def speed_up(student: str, task: str) -> float | None:
        own, teacher = study.student_speeds.get((student, task)), study.teacher_speeds.get(task)
        return own.median / teacher.median if own and teacher else None

    return _grid(study, speed_up)


def by_falling_mean(grid: Grid) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Students and tasks by falling mean: whom it concerns most comes first.

    Means are compared over the same cells alone: of the students and tasks without a gap among those begun.
    """
    tasks = tuple(task for task in grid.tasks if grid.known(grid.students, task))
    students = grid.complete_students(tasks) if tasks else ()
    by_student = tuple(mean_of_known(grid.at(name, task) for task in tasks) for name in students)
    by_task = tuple(mean_of_known(grid.known(students, task)) for task in tasks)
    return _falling(students, by_student), _falling(tasks if students else (), by_task if students else ())


def _falling(names: tuple[str, ...], means: tuple[float | None, ...]) -> tuple[str, ...]:
    known = [(mean, name) for mean, name in zip(means, names, strict=True) if mean is not None]
    return tuple(name for _, name in sorted(known, key=lambda pair: -pair[0]))


def _grid(study: ShapeStudy, cell: Callable[[str, str], float | None]) -> Grid:
    cells = tuple(tuple(cell(student, task) for task in study.tasks) for student in study.names)
    return Grid(study.names, study.tasks, cells)
