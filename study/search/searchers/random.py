"""A budget of the grid's configurations, drawn uniformly, all side by side. Nothing builds on a score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from search_spaces import Configuration, SearchSpace, digest
from study.config import SearchConfig
from study.search.searchers.grid import GridPointSearch, full_grid


class RandomSearch(GridPointSearch):
    """The search of one triple that tries some points of the grid."""

    @classmethod
    def of(cls, space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool, seed: str) -> Self:
        """As of `make_search`."""
        assert search.trials is not None  # the study file says how many
        return cls(sample_points(full_grid(space, one_checkpoint, softmax), search.trials, search.seed, seed))


def sample_points(points: Iterable[Configuration], number: int, *seed: object) -> tuple[Configuration, ...]:
    """Distinct points drawn uniformly, as many as there are at most.

    Each point has a lot of its own, made of the seed and itself, and the first lots are taken: a larger number adds to
    a smaller one's draw, and of a larger space only points that a smaller one lacks take the place of others.
    """
    lots = {digest([*map(str, seed), point.as_dict()]): point for point in points}
    return tuple(lots[lot] for lot in sorted(lots)[:number])


SEARCH = RandomSearch
