"""All of paper B's questions about shapes, answered from one `ShapeStudy`."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.degradation import losses, speed_ups
from analysis.fronts import Front, Gained, mean_front, task_fronts
from analysis.levers import LikeForLike, Pairing, fewer_heads, shortening_against_narrowing
from analysis.shapes import Grid, ShapeStudy
from analysis.size_effect import SizeEffect, most_influential, size_effect
from analysis.worthwhile import Judgement, judgements


@dataclass(frozen=True)
class ShapeFindings:
    """What a study of shapes says.

    Attributes:
        study: The numbers that all is computed from.
        losses: B's figure 1, as fractions.
        speed_ups: B's table 2, over the teacher.
        judgements: B's table 3.
        mean_fronts: Quality against speed and against size, over all tasks.
        task_fronts: The same, task by task.
        size_effect: Training rows against mean loss.
        size_effect_without: The same without the task that changes it most; None where there are too few tasks.
        heads: Speed of the students with fewer heads alone.
        like_for_like: Shortening against narrowing, at like size and at like speed.
    """

    study: ShapeStudy
    losses: Grid
    speed_ups: Grid
    judgements: tuple[Judgement, ...]
    mean_fronts: dict[Gained, Front]
    task_fronts: dict[Gained, tuple[Front, ...]]
    size_effect: SizeEffect
    size_effect_without: SizeEffect | None
    heads: tuple[Pairing, ...]
    like_for_like: tuple[LikeForLike, ...]


def analyse_shapes(study: ShapeStudy) -> ShapeFindings:
    """Answer every question; what was not measured is left out of its answer."""
    odd = most_influential(study)
    return ShapeFindings(
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
