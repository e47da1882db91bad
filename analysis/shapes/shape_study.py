"""A study of student shapes: what of the teacher was made smaller, what each student scores, and how fast it is.

The input of the findings of paper B ("What is Lost in Knowledge Distillation?"): plain numbers, whoever measured them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from analysis.results import TEACHER, Factor, Speed, mean_of_known, relative_gain


@dataclass(frozen=True)
class ShapedStudent:
    """One student."""

    name: str  # such as ``6L_384D``
    factors: frozenset[Factor]  # what it has less of than its teacher; a student may have several, or none
    num_parameters: int  # its size; 0 where it is not known yet

    @property
    def only(self) -> Factor | None:
        """Its one factor. None where several were reduced: what each of them costs cannot be told then."""
        return next(iter(self.factors)) if len(self.factors) == 1 else None


@dataclass(frozen=True)
class ShapeStudy:
    """One teacher, its students and their tasks (B, tables 1, 2, 4 and 5). What was not measured is not there."""

    tasks: tuple[str, ...]  # data sets, in the order of tables
    students: tuple[ShapedStudent, ...]  # in the order of tables
    teacher_parameters: int  # the teacher's size; 0 where it is not known yet
    teacher_scores: Mapping[str, float]  # test scores by task, in units of the task's metric; higher is better
    student_scores: Mapping[tuple[str, str], float]  # test scores by student and task
    teacher_speeds: Mapping[str, Speed] = field(default_factory=dict)  # by task
    # by student and task, measured like the teacher's
    student_speeds: Mapping[tuple[str, str], Speed] = field(default_factory=dict)
    training_rows: Mapping[str, int] = field(default_factory=dict)  # size of the training set by task

    @property
    def names(self) -> tuple[str, ...]:
        """The students' names."""
        return tuple(student.name for student in self.students)

    @property
    def models(self) -> tuple[str, ...]:
        """The teacher and its students."""
        return (TEACHER, *self.names)

    def score(self, model: str, task: str) -> float | None:
        """The test score of a model; None where it is not there."""
        return self.teacher_scores.get(task) if model == TEACHER else self.student_scores.get((model, task))

    def speed(self, model: str, task: str) -> Speed | None:
        """The speed of a model; None where it was not measured."""
        return self.teacher_speeds.get(task) if model == TEACHER else self.student_speeds.get((model, task))

    def parameters(self, model: str) -> int:
        """The size of a model; 0 where it is not known yet."""
        return self.teacher_parameters if model == TEACHER else self.student(model).num_parameters

    def student(self, name: str) -> ShapedStudent:
        """A student by its name."""
        return next(student for student in self.students if student.name == name)

    def with_only(self, factor: Factor) -> tuple[ShapedStudent, ...]:
        """The students that differ from the teacher in this factor alone."""
        return tuple(student for student in self.students if student.only is factor)


@dataclass(frozen=True)
class Grid:
    """A number per student and task; None where it is unknown or undefined."""

    students: tuple[str, ...]  # names of the rows
    tasks: tuple[str, ...]  # names of the columns
    cells: tuple[tuple[float | None, ...], ...]  # the numbers, row by row

    def at(self, student: str, task: str) -> float | None:
        """One number."""
        return self.cells[self.students.index(student)][self.tasks.index(task)]

    def known(self, students: Iterable[str], task: str) -> tuple[float, ...]:
        """The numbers of some students on a task, where there are any."""
        return tuple(value for student in students if (value := self.at(student, task)) is not None)

    @property
    def student_means(self) -> tuple[float | None, ...]:
        """Each student's mean over the tasks where it has a number."""
        return tuple(mean_of_known(row) for row in self.cells)

    @property
    def task_means(self) -> tuple[float | None, ...]:
        """Each task's mean over the students that have a number."""
        return tuple(mean_of_known(self.at(student, task) for student in self.students) for task in self.tasks)

    @property
    def num_missing(self) -> int:
        """Cells without a number."""
        return sum(value is None for row in self.cells for value in row)

    def complete_students(self, tasks: Collection[str]) -> tuple[str, ...]:
        """The students that have a number on all of these tasks."""
        return tuple(name for name in self.students if all(self.at(name, task) is not None for task in tasks))


def losses(study: ShapeStudy) -> Grid:
    """(teacher - student) / teacher as a fraction (B, figure 1): .35 is "35 % weaker"; below 0 the student is better.

    None where a score is missing or the teacher's is not above 0.
    """

    def loss(student: str, task: str) -> float | None:
        gain = relative_gain(study.score(student, task), study.score(TEACHER, task))
        return None if gain is None else -gain

    return _grid(study, loss)


def speed_ups(study: ShapeStudy) -> Grid:
    """Samples per second of the student over those of its teacher, medians (B, table 2): above 1 it is faster."""

    def speed_up(student: str, task: str) -> float | None:
        own, teacher = study.speed(student, task), study.speed(TEACHER, task)
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
