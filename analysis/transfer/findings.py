"""Which students answer each of D's questions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from analysis.results import OverSeeds, StudyResults, over_seeds
from analysis.transfer.students import DistilledStudent, Students, distilled_students

Found = TypeVar("Found")
Groups = tuple[Students, ...]


@dataclass(frozen=True)
class BetterTeacher:
    """One student of several teachers on one data set (D, table 6)."""

    students: Students  # by rising test score of their teachers
    gain: OverSeeds | None  # the last one's test score over the first one's, over the seeds that both have

    @property
    def teachers_apart(self) -> float:
        """The last teacher's test score minus the first one's, in units of the metric."""
        return (self.students[-1].teacher_test or 0.0) - (self.students[0].teacher_test or 0.0)


def from_students(
    select: Callable[[Students], tuple[Found, ...]],
) -> Callable[[StudyResults], tuple[Found, ...] | None]:
    """Computes a section from a study's students; None where it selects nothing."""
    return lambda results: select(distilled_students(results) or ()) or None


def without_and_with_teacher(students: Students) -> Students:
    """Those that learn without and with a teacher, each with most labels and transfer rows."""
    return tuple(each for each in _complete(students) if each.untaught and each.taught)


def with_hard_and_soft_labels(students: Students) -> Students:
    """Likewise those that learn from hard and from soft labels."""
    return tuple(each for each in _complete(students) if each.hard and each.soft)


def with_schedules(students: Students) -> Students:
    """Likewise those that learn in several schedules."""
    return tuple(each for each in _complete(students) if len(each.schedules) > 1)


def with_several_teachers(students: Students) -> tuple[BetterTeacher, ...]:
    """Likewise each student and data set with several teachers."""
    groups: dict[object, list[DistilledStudent]] = {}
    for each in _complete(students):
        if each.taught and each.teacher_test is not None:
            groups.setdefault((each.student, each.dataset), []).append(each)
    several = (sorted(own, key=lambda each: each.teacher_test or 0.0) for own in groups.values() if len(own) > 1)
    return tuple(BetterTeacher(tuple(own), _last_over_first(own[0], own[-1])) for own in several)


def by_labels(students: Students) -> Groups:
    """Groups of one teacher, student and source by rising labels, each with most transfer rows; no groups of one."""
    return _groups(students, attrgetter("teacher", "student", "source"), "labelled", "transfer")


def by_transfer_rows(students: Students) -> Groups:
    """Groups of one teacher, student, source and number of labels, by rising transfer rows; no groups of one."""
    return _groups(students, attrgetter("teacher", "student", "source", "labelled"), "transfer", "labelled")


def _complete(students: Students) -> Students:
    """Of each triple the one with most labels, and of those the one with most transfer rows."""
    most: dict[str, DistilledStudent] = {}
    for each in students:  # by rising labels and transfer rows
        most[each.triple.triple_id] = each
    return tuple(most.values())


def _last_over_first(first: DistilledStudent, last: DistilledStudent) -> OverSeeds | None:
    old, new = (each.taught.test_of_seeds if each.taught else {} for each in (first, last))
    return over_seeds([new[seed] - old[seed] for seed in new if seed in old])


def _groups(students: Students, same: Callable[[DistilledStudent], object], size: str, second: str) -> Groups:
    """Groups that have something in common, one of each size: of several the first that is largest in the second."""
    groups: dict[object, dict[int, DistilledStudent]] = {}
    for each in sorted(students, key=attrgetter(second), reverse=True):
        groups.setdefault(same(each), {}).setdefault(getattr(each, size), each)
    return tuple(tuple(own[rows] for rows in sorted(own)) for own in groups.values() if len(own) > 1)
