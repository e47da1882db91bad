"""What chains will likely ask for next, for workers that would idle. Nothing here changes what they do ask for.

A copy of a search runs its program again, over what is known and what is assumed of the trials that it waits for. How
likely that is says one rule: of the scores that are compared, each is as likely to be the best.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from copy import copy
from functools import cache
from typing import NamedTuple

from search_spaces import Configuration
from study.search.searchers import (
    Chain,
    FixedChoiceSearch,
    Score,
    Scores,
    Search,
    SearchFailed,
    completed_score,
    stable_choice,
)
from study.search.study_search import StudySearch, TripleSearch
from trials.specs import TrialSpec

KnownScore = Callable[[Configuration], tuple[Score] | None]
"""configuration -> None if not yet known, else a 1-tuple of its validation score"""
Likelihoods = dict[Configuration, float]

MIN_LIKELIHOOD = 0.4  # guesses that are less likely are left alone
LAZY_LIKELIHOOD = 0.5  # of the lazy baseline's trials: they are sure to be asked for, but nothing waits for them
MAX_ASSUMED_WINNERS = 8  # that are assumed one by one; of more pending configurations these stand for all


class _Stable(NamedTuple):
    """The stable configuration as far as it is known, and how likely it stays."""

    choice: Configuration
    likelihood: float


class _Guess(NamedTuple):
    """What will be asked for.

    Attributes:
        configuration: It.
        likelihood: How likely.
        never_stopped: By a reference, whose trials are never stopped early.
    """

    configuration: Configuration
    likelihood: float
    never_stopped: bool


class Speculation:
    """Guesses of one launch; a triple's are made once for each state that it is in.

    Args:
        search: The study's search.
    """

    def __init__(self, search: StudySearch):
        self._search = search
        self._made: dict[str, tuple[object, list[tuple[float, TrialSpec]]]] = {}  # by triple id: state, guesses

    def propose(self, stuck: Container[str] = ()) -> list[TrialSpec]:
        """Trials without a record that will likely be asked for, the likeliest first.

        Args:
            stuck: Ids of work that does not end in this launch; triples that wait for some of it are left alone.
        """
        stable = _stable_so_far(self._search)
        guesses = [
            guess
            for triple in self._search.triples_by_priority()
            if not triple.failure and not any(spec.trial_id in stuck for spec in triple.propose())
            for guess in self._of(triple, stable)
            if self._search.trial_record(guess[1]) is None
        ]
        likeliest = sorted(guesses, key=lambda guess: guess[0], reverse=True)
        return list({spec.trial_id: spec for _, spec in likeliest}.values())

    def _of(self, triple: TripleSearch, stable: _Stable | None) -> list[tuple[float, TrialSpec]]:
        state = triple.num_observed, stable if triple.searched else None
        name = triple.triple.triple_id
        if name not in self._made or self._made[name][0] != state:
            likely = _likely(triple, stable, lazy=self._search.evaluates_reference("lazy"))
            self._made[name] = (
                state,
                [
                    (guess.likelihood, triple.spec(*pair, never_stopped=guess.never_stopped))
                    for guess in likely
                    for pair in triple.chain.with_seeds([guess.configuration])
                ],
            )
        return self._made[name][1]


def _likely(triple: TripleSearch, stable: _Stable | None, *, lazy: bool) -> Iterator[_Guess]:
    """What its chains ask for next, and those of the evaluations that are still to come."""
    for chain in triple.chains:
        reference = chain is not triple.chain
        yield from (
            _Guess(each, found, reference) for each, found in likely_requests(chain).items() if found >= MIN_LIKELIHOOD
        )
    if lazy and triple.lazy is None:
        yield from (_Guess(each, LAZY_LIKELIHOOD, True) for each in _first_of(triple, triple.lazy_search()))
    if stable is not None and triple.searched and triple.stable is None and stable.likelihood >= MIN_LIKELIHOOD:
        found = stable.likelihood
        yield from (_Guess(each, found, True) for each in _first_of(triple, triple.stable_search(stable.choice)))


def _first_of(triple: TripleSearch, evaluation: FixedChoiceSearch) -> tuple[Configuration, ...]:
    """What an evaluation asks for first that is unknown; its trials are never stopped early."""
    return first_unknown_request(evaluation, triple.chain_of(evaluation, never_stopped=True).outcome)


def likely_requests(chain: Chain) -> Likelihoods:
    """What a chain has no score of and will likely ask for next, with how likely that is.

    For each end of the present request these are the next request, and the one after it if nothing in the next is
    better than what was. A program that builds on more than which scores are best (TPE) is not guessed.
    """
    found: Likelihoods = {}
    if chain.finished or not chain.search.is_guessable:
        return found
    known = cache(chain.outcome)
    for assumed, likelihood in _ends(chain):
        nearest = first_unknown_request(chain.search, _assuming(assumed, known))
        unchanged = {**assumed, **dict.fromkeys(nearest, min(assumed.values()))}
        farther = first_unknown_request(chain.search, _assuming(unchanged, known)) if nearest else ()
        stays = 1 - len(nearest) / (len(chain.tried) + len(unchanged))
        for each in nearest:
            found[each] = found.get(each, 0.0) + likelihood
        for each in farther:
            found[each] = found.get(each, 0.0) + likelihood * stays
    return found


def first_unknown_request(search: Search, outcome: KnownScore) -> tuple[Configuration, ...]:
    """What is unknown of the first request that is not known whole; nothing where the program ends before."""
    program, scores = copy(search).run(), None
    try:
        while True:
            found = {each: outcome(each) for each in program.send(scores)}  # type: ignore[arg-type]  # None starts it
            if unknown := tuple(each for each, known in found.items() if known is None):
                return unknown
            scores = {each: known[0] for each, known in found.items() if known is not None}
    except (StopIteration, SearchFailed):
        return ()


def _assuming(assumed: Scores, outcome: KnownScore) -> KnownScore:
    return lambda each: (assumed[each],) if each in assumed else outcome(each)


def _ends(chain: Chain) -> Iterator[tuple[dict[Configuration, float], float]]:
    """Scores that its present request may end with, and how likely: which is the best, and whether of all or of these.

    With m of n scores of the request known, the best of these is the request's with m/n, any other one with 1/n.
    """
    outcomes = {each: chain.outcome(each) for each in chain.request}
    pending = [each for each, outcome in outcomes.items() if outcome is None]
    ended = [completed_score(outcome[0]) for outcome in outcomes.values() if outcome is not None]
    here = [score for score in ended if score is not None]
    known = [score for score in map(completed_score, chain.tried.values()) if score is not None]
    lost, best = min(known, default=0.0) - 1, max(known, default=0.0) + 1
    best_here = math.nextafter(max(here, default=lost), math.inf)
    of_these, of_all = len(pending) / len(outcomes), len(pending) / (len(known) + len(pending))
    none_wins, winners = dict.fromkeys(pending, lost), pending[:MAX_ASSUMED_WINNERS]
    if of_these < 1:
        yield none_wins, 1 - of_these
    for each in winners:
        if of_all < of_these:
            yield {**none_wins, each: best_here}, (of_these - of_all) / len(winners)
        yield {**none_wins, each: best}, of_all / len(winners)


def _stable_so_far(search: StudySearch) -> _Stable | None:
    """What rewards pick so far; as likely as is the share of the comparisons that they count which are made."""
    steps, counted = list(search.steps), [parameter for parameter, _ in search.study.space.alternatives()]
    made = sum(step.parameter in counted for step in steps)
    if not search.evaluates_reference("stable") or not made:
        return None
    return _Stable(stable_choice(steps, search.study.space), made / (len(counted) * len(search.study.triples)))
