"""The stable configuration (A, table 3) and the lazy baseline (A, figure 3): given choices, tuned per triple."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from search_spaces import Configuration, SearchSpace, TeacherCheckpoint
from study.search.searchers.chain import Candidate, Search, SearchProgram, Subroutine
from study.search.searchers.greedy import Step
from study.search.searchers.tuning import Tuner, tune_learning_rate


class FixedChoiceSearch(Search):
    """The evaluation of one given choice on one triple.

    Attributes:
        candidate: The tuned choice, once known.
    """

    def __init__(self, choice: Configuration, tuner: Tuner, space: SearchSpace, *, one_checkpoint: bool):
        self.choice = replace(choice, teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE) if one_checkpoint else choice
        self.tuner = tuner
        self.space = space
        self.candidate: Candidate | None = None

    def run(self) -> SearchProgram:
        """Tune the choice."""
        self.candidate = yield from self._tuned()

    def _tuned(self) -> Subroutine[Candidate]:
        return (yield from self.tuner(self.choice, self.space))


@dataclass(frozen=True)
class Reward:
    """A's reward for overriding one default with one alternative, over triples, on validation.

    Attributes:
        parameter: The overridden choice.
        default, alternative: Its two values.
        wins, losses, ties: Triples where the alternative trains a better, a worse, an equal student.
    """

    parameter: str
    default: str
    alternative: str
    wins: int
    losses: int
    ties: int

    @property
    def reward(self) -> int:
        """R = wins - losses; above 0 the alternative is favoured (A, section 4)."""
        return self.wins - self.losses


def rewards(steps: Iterable[Step], space: SearchSpace) -> list[Reward]:
    """Rewards of all alternatives, from the steps of all triples, in the order of the search."""
    steps = list(steps)
    found = []
    for parameter, value in space.alternatives():
        outcomes = [_outcome(s) for s in steps if s.parameter == parameter and _tries(s, parameter, value)]
        default = getattr(space.default(), parameter)
        counts = (outcomes.count(1), outcomes.count(-1), outcomes.count(0))
        found.append(Reward(parameter, str(default), str(value), *counts))
    return found


def stable_choice(steps: Iterable[Step], space: SearchSpace) -> Configuration:
    """The default configuration with every alternative of positive reward in place (the highest one per choice)."""
    choice, best = space.default(), dict.fromkeys(space.order, 0)
    for entry in rewards(steps, space):
        if entry.reward > best[entry.parameter]:  # type: ignore[index]  # parameters are the order's names
            best[entry.parameter] = entry.reward  # type: ignore[index]
            value = type(getattr(choice, entry.parameter))(entry.alternative)
            choice = replace(choice, **{entry.parameter: value})
    return choice


def lazy_choice(space: SearchSpace, triple_id: str) -> Configuration:
    """A's lazy user: a random choice of KD parameters, seeded by the triple, at temperature 1."""
    drawn = random.Random(f"lazy:{triple_id}").choice(list(space.combinations()))  # noqa: S311 - no secret
    return replace(drawn, temperature=1.0)


def lazy_tuner(choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
    """Only the learning rate is tuned; the temperature stays 1."""
    return (yield from tune_learning_rate(choice, space))


def _tries(step: Step, parameter: str, value: object) -> bool:
    """Whether the step compares this alternative (or its merged equal) with the incumbent."""
    return step.merged or getattr(step.after.choice, parameter) == value


def _outcome(step: Step) -> int:
    """1 if the change is better, -1 if worse, 0 for a tie, on validation."""
    return int(step.after.beats(step.before)) - int(step.before.beats(step.after))
