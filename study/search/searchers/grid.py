"""Every configuration of the grid, all side by side. Nothing builds on a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Self

from search_spaces import Configuration, SearchSpace
from study.config import SearchConfig
from study.search.searchers.chain import Candidate, Scores, Search, SearchFailed, SearchProgram, best_of
from study.search.searchers.greedy import Step


class GridPointSearch(Search):
    """The search of one triple that tries a list of configurations, all side by side.

    Attributes:
        points: What it tries.
        candidates: Each choice of those tried so far, at the best learning rate and temperature tried with it.
        incumbent: The best of those tried so far.
        num_tried: How many those are.
        steps: None: nothing builds on another.
    """

    steps: tuple[Step, ...] = ()

    def __init__(self, points: Sequence[Configuration]):
        self.points = tuple(points)
        self.candidates: list[Candidate] = []
        self.incumbent: Candidate | None = None
        self.num_tried = 0

    @classmethod
    def of(cls, space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool, seed: str) -> Self:
        """As of `make_search`."""
        return cls(full_grid(space, one_checkpoint, softmax))

    @property
    def progress(self) -> str:
        """Where it stands, in words."""
        return f"{self.num_tried} of {self.budget} configurations"

    @property
    def budget(self) -> int:
        """Configurations that it tries in all."""
        return len(self.points)

    def run(self) -> SearchProgram:
        """All points at once."""
        raise_if_all_failed((yield self.points))

    def on_scores(self, tried: Scores) -> None:
        """Note the best of what is known so far."""
        self.num_tried = len(tried)
        choices: dict[Configuration, list[Candidate]] = {}
        for point, score in tried.items():
            candidate = Candidate.of(point, score)
            choices.setdefault(replace(point, learning_rate=1.0, temperature=1.0), []).append(candidate)
        self.candidates = [best_of(tuned) for tuned in choices.values()]
        best = best_of(self.candidates) if self.candidates else None
        self.incumbent = best if best and best.score is not None else None


def raise_if_all_failed(scores: Scores) -> None:
    """End a search that has found nothing.

    Raises:
        SearchFailed: Every configuration failed.
    """
    if all(score is None for score in scores.values()):
        raise SearchFailed("all configurations failed; see the failed trials")


@lru_cache(maxsize=8)
def full_grid(space: SearchSpace, one_checkpoint: bool, softmax: bool) -> tuple[Configuration, ...]:
    """`SearchSpace.grid`, computed once."""
    return space.grid(one_checkpoint=one_checkpoint, softmax=softmax)


SEARCH = GridPointSearch
