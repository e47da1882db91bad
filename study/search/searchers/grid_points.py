"""Searches over a list of points: all of the grid, or a budget of it drawn at random. Nothing builds on a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from search_spaces import Configuration, digest
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


def sample_points(points: Iterable[Configuration], number: int, *seed: object) -> tuple[Configuration, ...]:
    """Distinct points drawn uniformly, as many as there are at most.

    Each point has a lot of its own, made of the seed and itself, and the first lots are taken: a larger number adds to
    a smaller one's draw, and of a larger space only points that a smaller one lacks take the place of others.
    """
    lots = {digest([*map(str, seed), point.as_dict()]): point for point in points}
    return tuple(lots[lot] for lot in sorted(lots)[:number])
