"""Trials and requests that a triple has left. Without torch and Ray.

A search is simulated with the known scores and random values for the unknown ones; the mean over several simulations
is the expected number. Fewest and most are the plan's bounds, minus the finished trials.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from search_spaces import Configuration, SearchSpace
from study.config import SearchConfig, Study
from study.planning.study_plan import max_configurations_per_choice, search_bounds, triple_bounds
from study.search import TripleSearch
from study.search.searchers import (
    Chain,
    FixedChoiceSearch,
    Score,
    Search,
    completed_score,
    lazy_choice,
    lazy_tuner,
    make_search,
    make_tuner,
    simulate_requests,
)
from trials.specs import Triple
from trials.tasks import task_of

SIMULATIONS = 8

Known = tuple[tuple[Configuration, Score], ...]


@dataclass(frozen=True)
class TrialsLeft:
    """Trials and requests that a triple has left.

    Attributes:
        open: Configurations that its searches wait for now, one entry per seed.
        fewest, expected, most: Numbers of trials left, including the open ones.
        requests: Expected number of requests, one after the other; the trials of one request can run in parallel.
    """

    open: tuple[Configuration, ...] = ()
    fewest: int = 0
    expected: float = 0.0
    most: int = 0
    requests: float = 0.0


@dataclass(frozen=True)
class _SearchSetup:
    """All that decides how a triple's search can continue.

    Attributes:
        space, own: The study's search space, and the part of it that the triple searches.
        search: How it is searched.
        one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        softmax: Whether the task's outputs are logits.
        lazy: The lazy baseline's choice; None if there is none.
        stable: The stable configuration, or the choices that can become it; empty if it is not evaluated.
    """

    space: SearchSpace
    own: SearchSpace
    search: SearchConfig
    one_checkpoint: bool
    softmax: bool
    lazy: Configuration | None
    stable: tuple[Configuration, ...]

    def first(self) -> Search:
        """The triple's own search."""
        return make_search(self.own, self.search, one_checkpoint=self.one_checkpoint, softmax=self.softmax)

    def references(self, number: int) -> list[Search]:
        """Evaluations of the reference configurations after the search, in one simulation."""
        chosen = random.Random(number).choice(self.stable) if self.stable else None  # noqa: S311 - no secret
        pairs = ((self.lazy, lazy_tuner), (chosen, make_tuner(self.search)))
        return [
            FixedChoiceSearch(choice, tuner, self.space, one_checkpoint=self.one_checkpoint)
            for choice, tuner in pairs
            if choice is not None
        ]


def trials_left_of(study: Study, triple: Triple, started: TripleSearch | None) -> TrialsLeft:
    """Trials and requests left of a triple that has not failed.

    Args:
        study: The study.
        triple: The triple.
        started: Its search so far; None before its teacher is ready.
    """
    setup, seeds = _search_setup(study, triple, started), len(study.config.seeds)
    search = make_search(setup.own, setup.search, one_checkpoint=False, softmax=setup.softmax, seed=triple.triple_id)
    chain = started.chain if started else Chain(search, study.config.seeds, lambda *_: None)
    search = started.search if started else search
    waiting = dict.fromkeys((each.for_task(setup.softmax), seed) for each, seed in chain.propose())
    more = ((spec.configuration, spec.seed) for spec in (started.propose() if started else ()))
    everything = waiting | dict.fromkeys(more)
    asked = {each.for_task(setup.softmax) for each, _ in chain.asked}
    done = len(asked) * seeds - len(waiting)
    open_now = tuple(each for each, _ in everything)
    if search.budget is not None:
        left = search.budget * seeds - done
        fewest = left if started else triple_bounds(study, triple)[0]
        return TrialsLeft(open_now, fewest, left, left, left / len(waiting) if waiting else 0.0)
    bounds = search_bounds(setup.own, setup.search, setup.softmax, setup.one_checkpoint if started else None)
    if chain.finished or search.makes_last_request:
        fewest = most = len(waiting)
    else:
        fewest, most = (max(len(waiting), bound * seeds - done) for bound in bounds)
    fewest, most = max(fewest, len(everything)), most + len(everything) - len(waiting)
    most += seeds * _most_references(setup, started)
    known = {each.for_task(setup.softmax): score for each, score in started.tried.items()} if started else {}
    configurations, requests = _mean_rest(setup, tuple(known.items()))
    partly = len({each for each, _ in everything}) * seeds - len(everything)  # of which some seeds are done
    return TrialsLeft(open_now, fewest, min(max(fewest, configurations * seeds - partly), most), most, requests)


def _search_setup(study: Study, triple: Triple, started: TripleSearch | None) -> _SearchSetup:
    search, space = study.config.search, study.space
    stable = tuple(space.combinations()) if "stable" in search.evaluate else ()
    return _SearchSetup(
        space=space,
        own=space if triple.student.distil else space.without_teacher(),
        search=search,
        one_checkpoint=started.teacher.one_checkpoint if started else False,
        softmax=task_of(triple.dataset).softmax,
        lazy=lazy_choice(space, triple.triple_id) if "lazy" in search.evaluate else None,
        stable=(started.stable.choice,) if started and started.stable else stable,
    )


def _most_references(setup: _SearchSetup, started: TripleSearch | None) -> int:
    """Maximum number of reference configurations that are not requested yet."""
    lazy = setup.lazy is not None and not (started and started.lazy)
    stable = bool(setup.stable) and not (started and started.stable and started.stable.candidate)
    per_choice = max_configurations_per_choice(setup.space, setup.search, setup.softmax) if stable else 0
    return lazy * len(setup.space.learning_rates) + per_choice


@lru_cache(maxsize=512)
def _mean_rest(setup: _SearchSetup, known: Known) -> tuple[float, float]:
    """Mean numbers of configurations without a score, and of requests for them, over the simulations."""
    futures = [_simulate_rest(setup, dict(known), number) for number in range(SIMULATIONS)]
    return fmean(new for new, _ in futures), fmean(requests for _, requests in futures)


def _simulate_rest(setup: _SearchSetup, known: dict[Configuration, Score], number: int) -> tuple[int, int]:
    scores = [score for score in map(completed_score, known.values()) if score is not None]
    low, high = min(scores, default=0.0), max(scores, default=1.0)

    def score(configuration: Configuration) -> Score:
        same = configuration.for_task(setup.softmax)
        drawn = random.Random(f"{number} {same}").random()  # noqa: S311 - no secret
        return known[same] if same in known else low + drawn * ((high - low) or 1.0)

    new: set[Configuration] = set()
    lengths = []
    for search in (setup.first(), *setup.references(number)):
        requests = [{each.for_task(setup.softmax) for each in request} for request in simulate_requests(search, score)]
        lengths.append(sum(bool(request - known.keys()) for request in requests))
        new |= set().union(*requests) - known.keys()
    return len(new), lengths[0] + max(lengths[1:], default=0)
