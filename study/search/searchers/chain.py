"""Chains: search programs that ask for scores, driven by whatever records there are.

A program is a generator that yields the configurations it wants to know and is sent their validation scores.
Its state is never stored: it is run again from its start over the records at hand, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol, TypeVar

from search_spaces import Configuration


@dataclass(frozen=True)
class StoppedScore:
    """What is known of a configuration of which a trial was stopped early.

    Attributes:
        score: Its best validation score until then, averaged over seeds.
        epoch: Where it was stopped; of several seeds the first.
    """

    score: float
    epoch: float

    @property
    def step(self) -> int:
        """The epoch in thousandths, as Optuna counts in whole numbers."""
        return round(1000 * self.epoch)


Score = float | StoppedScore | None  # None: the configuration's trial failed


def completed_score(score: Score) -> float | None:
    """The score of what completed; None of the rest."""
    return None if isinstance(score, StoppedScore) else score


Scores = Mapping[Configuration, Score]
T = TypeVar("T")
Subroutine = Generator[tuple[Configuration, ...], Scores, T]  # a part of a program that returns a T
SearchProgram = Subroutine[None]


@dataclass(frozen=True)
class Candidate:
    """A choice of KD parameters at its tuned learning rate and temperature.

    Attributes:
        choice: The parameters as they were chosen.
        score: Its validation score, averaged over seeds; None if a trial of it failed or was stopped.
        stopped: What is known of it if it was stopped.
    """

    choice: Configuration
    score: float | None
    stopped: StoppedScore | None = None

    @classmethod
    def of(cls, choice: Configuration, score: Score) -> Candidate:
        """The candidate that came to a score."""
        return cls(choice, None, score) if isinstance(score, StoppedScore) else cls(choice, score)

    @property
    def configuration(self) -> Configuration:
        """What is trained: the canonical form, which other choices may share."""
        return self.choice.canonical()

    def beats(self, other: Candidate) -> bool:
        """Whether this one is strictly better; a tie goes to the other, a failure always loses.

        A stopped one loses to every completed one; of stopped ones the better so far is better.
        """
        return self._rank > other._rank

    @property
    def _rank(self) -> tuple[int, float]:
        if self.score is not None:
            return 2, self.score
        return (0, 0.0) if self.stopped is None else (1, self.stopped.score)


def best_of(candidates: Iterable[Candidate]) -> Candidate:
    """The best candidate; the first of equals."""
    best, *others = candidates
    for other in others:
        best = other if other.beats(best) else best
    return best


def request_scores(choices: Iterable[Configuration]) -> Subroutine[list[Candidate]]:
    """Ask for the scores of some choices, equal ones once."""
    choices = tuple(choices)
    scores = yield tuple(dict.fromkeys(choice.canonical() for choice in choices))
    return [Candidate.of(choice, scores[choice.canonical()]) for choice in choices]


def run_in_parallel(parts: Iterable[Subroutine[T]]) -> Subroutine[list[T]]:
    """Run parts of programs side by side: what all of them ask for is asked for at once; their results, in order."""
    parts = list(parts)
    results: dict[int, T] = {}
    requests: dict[int, tuple[Configuration, ...]] = {}

    def step(index: int, scores: Scores | None) -> None:
        try:
            requests[index] = parts[index].send(scores)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as end:
            requests.pop(index, None)
            results[index] = end.value

    for index in range(len(parts)):
        step(index, None)
    while requests:
        asked = dict(requests)
        scores = yield tuple(dict.fromkeys(each for request in asked.values() for each in request))
        for index in asked:
            step(index, scores)
    return [results[index] for index in range(len(parts))]


class SearchFailed(Exception):
    """A program cannot go on: every trial of the configuration it starts from failed."""


class Search(Protocol):
    """What a chain drives.

    Attributes:
        is_guessable: Whether the next request follows from which scores are best, so that it can be guessed before.
    """

    is_guessable: ClassVar[bool] = True

    def run(self) -> SearchProgram:
        """The program, from its start; a copy of the search may run it again, without effect on this one."""

    @cached_property
    def num_requests(self) -> int:
        """How many requests the program makes; scores decide what they hold, not how many there are."""
        return len(simulate_requests(copy(self), lambda _: 0.0))

    @property
    def budget(self) -> int | None:
        """Configurations that it tries in all; None where scores decide how many."""
        return None

    @property
    def makes_last_request(self) -> bool:
        """Whether it is known that no request follows the present one."""
        return False

    def on_scores(self, tried: Scores) -> None:
        """Told after each advance what is known of all that was asked for, in the order of asking; for showing only."""
        return


def simulate_requests(search: Search, score: Callable[[Configuration], Score]) -> list[tuple[Configuration, ...]]:
    """What a search asks for, request by request, where these are the scores."""
    program, requests = search.run(), []
    scores: Scores | None = None
    with suppress(StopIteration, SearchFailed):
        while True:
            requests.append(program.send(scores))  # type: ignore[arg-type]  # None starts a generator
            scores = {configuration: score(configuration) for configuration in requests[-1]}
    return requests


Lookup = Callable[[Configuration, int], tuple[Score] | None]
"""(configuration, seed) -> None if not yet known, else a 1-tuple of what it came to."""


class Chain:
    """One program of one triple.

    Attributes:
        search: What it drives.
        finished: The program has ended.
        failure: Why it ended early; None if it did not.
    """

    def __init__(self, search: Search, seeds: Iterable[int], lookup: Lookup):
        self.search = search
        self._program = search.run()
        self._seeds = tuple(seeds)
        self._lookup = lookup
        self._request: tuple[Configuration, ...] = ()
        self._open: list[tuple[Configuration, int]] = []  # of the request what had no record when last looked for
        self._asked: dict[Configuration, None] = {}
        self.finished = False
        self.failure: str | None = None
        self.requests_done = -1
        self._send(None)
        self.advance()

    @property
    def request(self) -> tuple[Configuration, ...]:
        """What the program asked for last."""
        return self._request

    @property
    def asked(self) -> list[tuple[Configuration, int]]:
        """The (configuration, seed) pairs that the program has asked for."""
        return self.with_seeds(self._asked)

    @property
    def requests_left(self) -> int:
        """Requests that the program still makes, the present one among them."""
        return 0 if self.finished else self.search.num_requests - self.requests_done

    @property
    def tried(self) -> dict[Configuration, Score]:
        """Scores of what was asked for, as far as they are known, in the order of asking."""
        waiting = {configuration for configuration, _ in self.propose()}
        return {each: self._score(each) for each in self._asked if each not in waiting}

    def propose(self) -> list[tuple[Configuration, int]]:
        """The (configuration, seed) pairs that the program waits for."""
        self._open = [pair for pair in self._open if self._lookup(*pair) is None]
        return list(self._open)

    def outcome(self, configuration: Configuration) -> tuple[Score] | None:
        """What is known of a configuration, asked for or not: its score in a 1-tuple, None while a seed is missing."""
        missing = any(self._lookup(configuration, seed) is None for seed in self._seeds)
        return None if missing else (self._score(configuration),)

    def with_seeds(self, configurations: Iterable[Configuration]) -> list[tuple[Configuration, int]]:
        """Configurations, each with every seed."""
        return [(configuration, seed) for configuration in configurations for seed in self._seeds]

    def advance(self) -> None:
        """Go on as far as the known scores reach."""
        while not self.finished and not self.propose():
            self._send({configuration: self._score(configuration) for configuration in self._request})
        self.search.on_scores(self.tried)

    def _send(self, scores: Scores | None) -> None:
        try:
            self._request = self._program.send(scores)  # type: ignore[arg-type]  # None starts a generator
            self._open = self.with_seeds(self._request)
            self._asked |= dict.fromkeys(self._request)
            self.requests_done += 1
        except StopIteration:
            self.finished = True
        except SearchFailed as error:
            self.finished, self.failure = True, str(error)

    def _score(self, configuration: Configuration) -> Score:
        """Mean over seeds; one failed seed fails the configuration, for an unstable choice is no safe choice.

        One stopped seed stops it.
        """
        outcomes = [self._lookup(configuration, seed) for seed in self._seeds]
        known = [outcome[0] for outcome in outcomes if outcome is not None and outcome[0] is not None]
        if len(known) < len(self._seeds):
            return None
        scores = [score.score if isinstance(score, StoppedScore) else score for score in known]
        mean, stops = sum(scores) / len(scores), [score.epoch for score in known if isinstance(score, StoppedScore)]
        return StoppedScore(mean, min(stops)) if stops else mean
