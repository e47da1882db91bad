"""A study of student shapes: what of the teacher was made smaller, what each student scores, and how fast it is.

The input of the findings of paper B ("What is Lost in Knowledge Distillation?"): plain numbers, whoever measured them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import fsum

from analysis.results import Factor


@dataclass(frozen=True)
class ShapedStudent:
    """One student.

    Attributes:
        name: Such as ``6L_384D``.
        factors: What it has less of than its teacher; a student may have several, or none.
        num_parameters: Its size; 0 where it is not known yet.
    """

    name: str
    factors: frozenset[Factor]
    num_parameters: int

    @property
    def only(self) -> Factor | None:
        """Its one factor. None where several were reduced: what each of them costs cannot be told then."""
        return next(iter(self.factors)) if len(self.factors) == 1 else None


@dataclass(frozen=True)
class Speed:
    """Samples per second of one model on one task, over repeated measurements.

    Attributes:
        median: The middle one.
        low, high: The first and the third quartile; both the median where it was measured once.
    """

    median: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.median <= self.high:
            raise ValueError(f"a speed needs 0 < low <= median <= high, not {self.low}, {self.median}, {self.high}")


@dataclass(frozen=True)
class ShapeStudy:
    """One teacher, its students and their tasks (B, tables 1, 2, 4 and 5). What was not measured is not there.

    Attributes:
        tasks: Data sets, in the order of tables.
        students: In the order of tables.
        teacher_parameters: The teacher's size; 0 where it is not known yet.
        teacher_scores: Test scores by task, in units of the task's metric; higher is better.
        student_scores: Test scores by student and task.
        teacher_speeds: By task.
        student_speeds: By student and task, measured like the teacher's.
        training_rows: Size of the training set by task.
    """

    tasks: tuple[str, ...]
    students: tuple[ShapedStudent, ...]
    teacher_parameters: int
    teacher_scores: Mapping[str, float]
    student_scores: Mapping[tuple[str, str], float]
    teacher_speeds: Mapping[str, Speed] = field(default_factory=dict)
    student_speeds: Mapping[tuple[str, str], Speed] = field(default_factory=dict)
    training_rows: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, names in (("task", self.tasks), ("student", self.names)):
            if len(set(names)) < len(names):
                raise ValueError(f"a {kind} is named twice: {', '.join(names)}")
        by_task = (*self.teacher_scores, *self.teacher_speeds, *self.training_rows)
        by_both = (*self.student_scores, *self.student_speeds)
        _refuse_unknown("task", (*by_task, *(task for _, task in by_both)), self.tasks)
        _refuse_unknown("student", (student for student, _ in by_both), self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """The students' names."""
        return tuple(student.name for student in self.students)

    def student(self, name: str) -> ShapedStudent:
        """A student by its name."""
        return next(student for student in self.students if student.name == name)

    def with_only(self, factor: Factor) -> tuple[ShapedStudent, ...]:
        """The students that differ from the teacher in this factor alone."""
        return tuple(student for student in self.students if student.only is factor)


@dataclass(frozen=True)
class Grid:
    """A number per student and task; None where it is unknown or undefined.

    Attributes:
        students: Names of the rows.
        tasks: Names of the columns.
        cells: The numbers, row by row.
    """

    students: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]

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


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of what is not None; None where nothing is."""
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None


def _refuse_unknown(kind: str, found: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted({name for name in found if name not in known})
    if unknown:
        raise ValueError(f"numbers of an unknown {kind}: {', '.join(unknown)}; there are {', '.join(known)}")
