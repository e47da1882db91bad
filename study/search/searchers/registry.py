"""The searchers and tuners that study files name."""

from __future__ import annotations

from functools import lru_cache

from search_spaces import Configuration, SearchSpace
from study.config import SearchConfig, Strategy, Tuning
from study.search.searchers.exhaustive import PointSearch, drawn
from study.search.searchers.greedy import GreedySearch
from study.search.searchers.named import NamedSearch
from study.search.searchers.tpe import TreeSearch
from study.search.searchers.tuning import Tuner, coordinate, joint, optuna_tpe


def make_search(
    space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool = True, seed: str = ""
) -> GreedySearch | PointSearch:
    """The search of one triple that a study file names.

    Args:
        space: What it searches.
        search: How it searches.
        one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        softmax: Whether the task's outputs are logits.
        seed: What makes the triple's random numbers its own.
    """
    if search.strategy in (Strategy.GREEDY, Strategy.EXPERIMENTS):
        kind = NamedSearch if search.strategy is Strategy.EXPERIMENTS else GreedySearch
        return kind(space, make_tuner(search), one_checkpoint=one_checkpoint)
    points = grid_of(space, one_checkpoint, softmax)
    if search.trials is None:
        return PointSearch(points)
    if search.strategy is Strategy.RANDOM:
        return PointSearch(drawn(points, search.trials, search.seed, seed))
    return TreeSearch(points, search.trials, search.batch, search.seed, seed)


@lru_cache(maxsize=8)
def grid_of(space: SearchSpace, one_checkpoint: bool, softmax: bool) -> tuple[Configuration, ...]:
    """`SearchSpace.grid`, computed once."""
    return space.grid(one_checkpoint=one_checkpoint, softmax=softmax)


def make_tuner(search: SearchConfig) -> Tuner:
    """The tuner that a study file names."""
    if search.tune is Tuning.OPTUNA:
        return optuna_tpe(search.tune_budget)
    return joint if search.tune is Tuning.JOINT else coordinate
