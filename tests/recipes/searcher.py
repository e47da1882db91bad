"""Every other configuration of the grid, all side by side."""

from __future__ import annotations

from typing import Self

from search_spaces import SearchSpace
from study.config import SearchConfig
from study.search.searchers.grid import GridPointSearch, full_grid


class EveryOther(GridPointSearch):
    """The search of one triple that tries half of the grid."""

    @classmethod
    def of(cls, space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool, seed: str) -> Self:
        """As of `make_search`."""
        return cls(full_grid(space, one_checkpoint, softmax)[::2])


SEARCH = EveryOther
