"""The searchers that study files name: each has the file that `Strategy` names."""

from __future__ import annotations

from importlib import import_module

from search_spaces import SearchSpace
from study.config import SearchConfig
from study.search.searchers.greedy import GreedySearch
from study.search.searchers.grid import GridPointSearch


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
    kind: type[GreedySearch | GridPointSearch] = import_module(f"study.search.searchers.{search.strategy}").SEARCH
    return kind.of(space, search, one_checkpoint=one_checkpoint, softmax=softmax, seed=seed)
