"""A's greedy search (section 3): change one choice at a time, tune inside each choice, keep what validates better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from search_spaces import Configuration, SearchSpace, TeacherCheckpoint
from study.config import SearchConfig
from study.search.searchers.chain import (
    Candidate,
    Search,
    SearchFailed,
    SearchProgram,
    Subroutine,
    best_of,
    request_scores,
)
from study.search.searchers.tuning import Tuner, make_tuner


@dataclass(frozen=True)
class Step:
    """One comparison of the search.

    Attributes:
        parameter: The changed parameter.
        before: The incumbent.
        after: The changed choice, tuned; for the soft-label weight the best of the other weights.
    """

    parameter: str
    before: Candidate
    after: Candidate

    @property
    def accepted(self) -> bool:
        """Whether `after` became the incumbent."""
        return self.after.beats(self.before)

    @property
    def merged(self) -> bool:
        """Both sides are one configuration (say, one checkpoint is both best-scored and least-loss): a tie."""
        return self.before.configuration == self.after.configuration


class GreedySearch(Search):
    """The search of one triple.

    Attributes:
        steps: The comparisons made so far.
        candidates: The tuned choices seen so far, in order, each once.
        incumbent: The best so far.
    """

    def __init__(self, space: SearchSpace, tuner: Tuner, *, one_checkpoint: bool):
        self.space = space
        self.tuner = tuner
        self.one_checkpoint = one_checkpoint
        self.steps: list[Step] = []  # these three are made anew by `run`, so that a copy runs for itself
        self.candidates: list[Candidate] = []
        self.incumbent: Candidate | None = None

    @classmethod
    def of(cls, space: SearchSpace, search: SearchConfig, *, one_checkpoint: bool, softmax: bool, seed: str) -> Self:
        """As of `make_search`."""
        return cls(space, make_tuner(search), one_checkpoint=one_checkpoint)

    @property
    def progress(self) -> str:
        """Where it stands, in words."""
        compared = [step.parameter for step in self.steps]
        return f"step {len(compared) + 1} (last compared: {compared[-1]})" if compared else "step 1: tuning the default"

    @property
    def makes_last_request(self) -> bool:
        """Whether it has made all its comparisons but the last, of soft-label weights."""
        return self.incumbent is not None and len(self.steps) == len(list(self.space.alternatives()))

    def run(self) -> SearchProgram:
        """Start from the defaults, change the choices in order, then try other soft-label weights on the winner."""
        self.steps, self.candidates, self.incumbent = [], [], None
        incumbent = yield from self._tuned(self.space.default())
        if incumbent.score is None:
            raise SearchFailed(f"the default configuration failed ({incumbent.configuration}); see the failed trials")
        self.incumbent = incumbent
        for parameter, value in self.space.alternatives():
            after = yield from self._tuned(self._changed(parameter, value))
            self._decide(parameter, after)
        yield from self._weights()

    def _changed(self, parameter: str, value: object) -> Configuration:
        """The incumbent with one choice changed and the tuned parameters back at their starting values."""
        assert self.incumbent is not None  # set by `run`
        default = self.space.default()
        return replace(
            self.incumbent.choice,
            learning_rate=default.learning_rate,
            temperature=default.temperature,
            **{parameter: value},  # type: ignore[arg-type]  # the parameter's own type
        )

    def _tuned(self, choice: Configuration) -> Subroutine[Candidate]:
        if self.one_checkpoint:
            choice = replace(choice, teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE)
        candidate = yield from self.tuner(choice, self.space)
        self._remember(candidate)
        return candidate

    def _weights(self) -> Subroutine[None]:
        assert self.incumbent is not None  # set by `run`
        winner = self.incumbent.choice
        weights = [weight for weight in self.space.soft_label_weight.then if weight != winner.soft_label_weight]
        if not weights:
            return
        tried = yield from request_scores(replace(winner, soft_label_weight=weight) for weight in weights)
        for candidate in tried:
            self._remember(candidate)
        self._decide("soft_label_weight", best_of(tried))

    def _decide(self, parameter: str, after: Candidate) -> None:
        assert self.incumbent is not None  # set by `run`
        step = Step(parameter, self.incumbent, after)
        self.steps.append(step)
        if step.accepted:
            self.incumbent = after

    def _remember(self, candidate: Candidate) -> None:
        if candidate.configuration not in [known.configuration for known in self.candidates]:
            self.candidates.append(candidate)


SEARCH = GreedySearch
