"""The searchers and tuners that study files name."""

from __future__ import annotations

from functools import lru_cache

from search_spaces import Configuration, SearchSpace
from study.config import SearchConfig, Strategy, Tuning
from study.search.searchers.experiments import ExperimentSearch
from study.search.searchers.greedy import GreedySearch
from study.search.searchers.grid_points import GridPointSearch, sample_points
from study.search.searchers.tpe import TPESearch
from study.search.searchers.tuning import Tuner, coordinate_tuner, joint_tuner, optuna_tpe_tuner


def make_search(
    space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool = True, seed: str = ""
) -> GreedySearch | GridPointSearch:
    """The search of one triple that a study file names.

    Args:
        space: What it searches.
        search: How it searches.
        one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        softmax: Whether the task's outputs are logits.
        seed: What makes the triple's random numbers its own.
    """
    if search.strategy in (Strategy.GREEDY, Strategy.EXPERIMENTS):
        kind = ExperimentSearch if search.strategy is Strategy.EXPERIMENTS else GreedySearch
        return kind(space, make_tuner(search), one_checkpoint=one_checkpoint)
    points = full_grid(space, one_checkpoint, softmax)
    if search.trials is None:
        return GridPointSearch(points)
    if search.strategy is Strategy.RANDOM:
        return GridPointSearch(sample_points(points, search.trials, search.seed, seed))
    return TPESearch(points, search.trials, search.batch, search.seed, seed)


@lru_cache(maxsize=8)
def full_grid(space: SearchSpace, one_checkpoint: bool, softmax: bool) -> tuple[Configuration, ...]:
    """`SearchSpace.grid`, computed once."""
    return space.grid(one_checkpoint=one_checkpoint, softmax=softmax)


def make_tuner(search: SearchConfig) -> Tuner:
    """The tuner that a study file names."""
    if search.tune is Tuning.OPTUNA:
        return optuna_tpe_tuner(search.tune_budget)
    return joint_tuner if search.tune is Tuning.JOINT else coordinate_tuner
