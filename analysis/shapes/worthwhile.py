"""Is it worthwhile to reduce a factor on a task? B's table 3, by a rule that is written down.

B judges by eye. Here a factor is judged by the students that reduce it and nothing else: it is worthwhile if the
typical one (the median) loses no more than 10 % of its teacher's score, harmful if even the best one loses more than
15 %, and uncertain between, where it depends on how far one goes. Speed is judged alike, over all students: worthwhile
if the typical one is at least 1.2 times as fast as its teacher, harmful if even the fastest is not faster, and else
uncertain.

On B's own tables 1 and 2 the rule gives 30 of the 32 signs of its table 3, for any limits of 9 to 11 % and of 14 to
18 %, so that nothing hangs on the round numbers. No limits on a cell's own losses give all: the students with fewer
heads lose less on STSB, which B calls uncertain, than on MNLI, which it calls worthwhile. The other sign is that of the
width on CoLA, uncertain here and harmful in B; a third limit, on the spread of a cell's losses, would give it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.results import TIE, Factor
from analysis.shapes.shape_study import ShapeStudy, losses, speed_ups

MOST_TYPICAL_LOSS = 0.10  # of the median student, for a factor to be worthwhile
MOST_BEST_LOSS = 0.15  # of the best student, above which it is harmful
LEAST_TYPICAL_SPEED_UP = 1.2  # of the median student, for speed to be worthwhile
LEAST_BEST_SPEED_UP = 1.0  # of the fastest student, up to which it is harmful


class Sign(StrEnum):
    """B's ✓, ✗ and ?."""

    WORTHWHILE = "worthwhile"
    HARMFUL = "harmful"
    UNCERTAIN = "uncertain"


class Aspect(StrEnum):
    """The rows of B's table 3."""

    LAYERS = Factor.LAYERS.value
    HEADS = Factor.HEADS.value
    WIDTH = Factor.WIDTH.value
    SPEED = "speed"


@dataclass(frozen=True)
class Judgement:
    """One cell of B's table 3, and what it rests on."""

    aspect: Aspect  # the factor that was reduced, or speed
    task: str  # the data set
    sign: Sign | None  # what the rule says; None where nothing was measured
    values: tuple[float, ...]  # losses of the factor's students, or speed-ups of all; in the study's order

    @property
    def typical(self) -> float | None:
        """The median of `values`."""
        return float(np.median(self.values)) if self.values else None

    @property
    def best(self) -> float | None:
        """The least loss, or the greatest speed-up."""
        return (max if self.aspect is Aspect.SPEED else min)(self.values, default=None)


def judgements(study: ShapeStudy) -> tuple[Judgement, ...]:
    """B's table 3, row by row, without rows of what was not measured or what no student reduces alone.

    A student of several factors counts in none of them, as its loss has no one cause; it counts in the speed.
    """
    lost, faster = losses(study), speed_ups(study)
    found: list[Judgement] = []
    for factor in Factor:
        if names := [student.name for student in study.with_only(factor)]:
            values = [lost.known(names, task) for task in study.tasks]
            found += [
                Judgement(Aspect(factor.value), task, quality_sign(own), own)
                for task, own in zip(study.tasks, values, strict=True)
            ]
    speeds = [faster.known(study.names, task) for task in study.tasks]
    if any(speeds):
        pairs = zip(study.tasks, speeds, strict=True)
        found += [Judgement(Aspect.SPEED, task, speed_sign(own), own) for task, own in pairs]
    return tuple(found)


def quality_sign(student_losses: Sequence[float]) -> Sign | None:
    """The rule for a factor, from the losses of its students on one task."""
    if not student_losses:
        return None
    if np.median(student_losses) <= MOST_TYPICAL_LOSS + TIE:
        return Sign.WORTHWHILE
    return Sign.HARMFUL if min(student_losses) > MOST_BEST_LOSS + TIE else Sign.UNCERTAIN


def speed_sign(student_speed_ups: Sequence[float]) -> Sign | None:
    """The rule for speed, from the speed-ups of all students on one task."""
    if not student_speed_ups:
        return None
    if np.median(student_speed_ups) >= LEAST_TYPICAL_SPEED_UP - TIE:
        return Sign.WORTHWHILE
    return Sign.HARMFUL if max(student_speed_ups) <= LEAST_BEST_SPEED_UP + TIE else Sign.UNCERTAIN
