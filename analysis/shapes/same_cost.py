"""Fewer layers or narrower ones? At like cost; and whether fewer heads are faster (B, section 5).

Two models are compared task by task, on the tasks where both were measured; a test needs enough of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import geometric_mean, median

from analysis.results import TEACHER, TIE, Factor, sign_test
from analysis.shapes.fronts import Gained
from analysis.shapes.shape_study import Grid, ShapeStudy, losses, speed_ups

LIKE = 1.25  # sizes or speeds at most this ratio apart are comparable
FEWEST_DIFFERENCES = 6  # with fewer no two-sided test of pairs can fall below .05


@dataclass(frozen=True)
class Pairing:
    """One model against another, task by task."""

    first: str  # the models; `second` may be `TEACHER`
    second: str
    # by task, first - second; shares of the teacher's score, or of the teacher's speed
    differences: Mapping[str, float]
    unsure: frozenset[str] = frozenset()  # tasks where both are within the spread of their measurements: ties

    @property
    def wins(self) -> int:
        """Tasks where the first is better."""
        return sum(self.differences[task] > TIE for task in self._sure)

    @property
    def losses(self) -> int:
        """Tasks where the second is better."""
        return sum(self.differences[task] < -TIE for task in self._sure)

    @property
    def ties(self) -> int:
        """Tasks where both are equal."""
        return len(self.differences) - self.wins - self.losses

    @property
    def _sure(self) -> set[str]:
        return set(self.differences) - self.unsure

    @property
    def median(self) -> float | None:
        """The middle difference."""
        return median(self.differences.values()) if self.differences else None

    @property
    def sign_p(self) -> float | None:
        """Two-sided sign test; None with fewer than `FEWEST_DIFFERENCES` tasks that differ."""
        return sign_test(self.wins, self.losses) if self.wins + self.losses >= FEWEST_DIFFERENCES else None


@dataclass(frozen=True)
class LikeForLike:
    """A shortened and a narrowed student of like cost."""

    at: Gained  # what they have in common
    cost_ratio: float  # the shortened one's size or speed over the narrowed one's
    quality: Pairing  # shares of the teacher's score, shortened against narrowed
    speed: Pairing  # speed-ups, likewise; without tasks where none was measured


def compare_quality(study: ShapeStudy, first: str, second: str) -> Pairing:
    """Retained quality, as shares of the teacher's score."""
    lost = losses(study)
    kept = Grid(lost.students, lost.tasks, tuple(tuple(None if v is None else 1 - v for v in r) for r in lost.cells))
    return _pairing(kept, first, second)


def compare_speed(study: ShapeStudy, first: str, second: str = TEACHER) -> Pairing:
    """Speed-ups over the teacher; against the teacher itself above 0 is faster.

    A task is a tie where the quartiles over rounds overlap. The networks are the same on all tasks, timed in one
    go: tasks are no independent samples, and there is nothing to test.
    """
    found = _pairing(speed_ups(study), first, second)
    return replace(found, unsure=frozenset(task for task in found.differences if _overlap(study, task, first, second)))


def fewer_heads(study: ShapeStudy) -> tuple[Pairing, ...]:
    """Speed of each student with fewer heads alone against the teacher: B finds them slower."""
    return tuple(compare_speed(study, student.name) for student in study.with_only(Factor.HEADS))


def shortening_against_narrowing(study: ShapeStudy, at: Gained) -> tuple[LikeForLike, ...]:
    """For each student that is narrowed alone, the nearest one that is shortened alone, at like size or like speed.

    Pairs further apart than `LIKE` are no fair comparison and left out.
    """
    costs = _costs(study, at)
    shortened = [student.name for student in study.with_only(Factor.LAYERS) if student.name in costs]
    found = []
    for narrowed in (student.name for student in study.with_only(Factor.WIDTH) if student.name in costs):
        ratios = {name: costs[name] / costs[narrowed] for name in shortened}
        nearest = min(ratios, key=lambda name: _distance(ratios[name]), default=None)
        if nearest is not None and _distance(ratios[nearest]) <= LIKE:
            quality, speed = compare_quality(study, nearest, narrowed), compare_speed(study, nearest, narrowed)
            found.append(LikeForLike(at, ratios[nearest], quality, speed))
    return tuple(found)


def _pairing(grid: Grid, first: str, second: str) -> Pairing:
    own = {task: grid.at(first, task) for task in grid.tasks}
    other = {task: 1.0 if second == TEACHER else grid.at(second, task) for task in grid.tasks}
    pairs = ((task, own[task], other[task]) for task in grid.tasks)
    differences = {task: a - b for task, a, b in pairs if a is not None and b is not None}
    return Pairing(first, second, differences)


def _overlap(study: ShapeStudy, task: str, first: str, second: str) -> bool:
    """Whether the quartiles of two models' speeds overlap."""
    one, other = study.speed(first, task), study.speed(second, task)
    return one is not None and other is not None and one.low <= other.high and other.low <= one.high


def _costs(study: ShapeStudy, at: Gained) -> dict[str, float]:
    """Parameters, or the geometric mean of speed-ups over the tasks where all students were timed."""
    if at is Gained.SIZE:
        return {student.name: float(student.num_parameters) for student in study.students if student.num_parameters}
    faster = speed_ups(study)
    tasks = [task for task in study.tasks if len(faster.known(study.names, task)) == len(study.names)]
    if not tasks:
        return {}
    return {name: geometric_mean(faster.known([name], task)[0] for task in tasks) for name in study.names}


def _distance(ratio: float) -> float:
    """How many times one is the other, whichever is larger."""
    return max(ratio, 1 / ratio)
