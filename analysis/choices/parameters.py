"""What does each parameter do? Steps of the search, by parameter (A, section 4, figure 2 and table 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.choices.gains import Comparison, Gain, gain_of
from analysis.results import Scored, TripleOutcome, relative_gain, scored, sign_test
from search_spaces import SearchSpace
from study.search import StudySearch, TripleSearch
from study.search.searchers import Reward, Step, rewards

WEIGHT = "soft_label_weight"
OF_SOFTMAX = ("distance", "student_temperature")  # no parameters of a task without softmax, such as regression


class Verdict(StrEnum):
    """How the alternative fares against the default, on validation."""

    WIN = "win"
    LOSS = "loss"
    TIE = "tie"


@dataclass(frozen=True)
class Change:
    """One step of one triple's search: one parameter changed, the rest tuned again."""

    triple_id: str
    parameter: str  # the changed parameter
    before: Scored  # the incumbent, with the parameter's default
    after: Scored  # the alternative; for the soft-label weight the best of the other weights
    verdict: Verdict  # on validation; a failed alternative loses
    accepted: bool  # whether the alternative became the incumbent
    merged: bool  # both sides are one trial, so that the tie says nothing
    void: bool  # the task has no such parameter: always merged, and no part of a `ParameterEffect`
    gain: Gain  # test scores, alternative over default

    @property
    def validation_gain(self) -> float | None:
        """Relative gain of the alternative on validation, which decided the step."""
        return relative_gain(self.after.validation_score, self.before.validation_score)


@dataclass(frozen=True)
class ParameterEffect:
    """What overriding one default does, over the triples whose task has the parameter."""

    reward: Reward  # wins, losses and ties on validation; R of A's table 3
    comparison: Comparison  # test gains, alternative over default: A's figure 2. Triples without this step are missing
    changes: tuple[Change, ...]  # the steps behind both
    num_tried: int  # alternatives tried in each step; the best of several wins more often by chance alone
    # two-sided sign test of wins against losses; None without either, or with several alternatives
    p_value: float | None

    @property
    def parameter(self) -> str:
        """The parameter's name."""
        return self.reward.parameter

    @property
    def num_merged(self) -> int:
        """Steps whose two sides are one trial."""
        return sum(change.merged for change in self.changes)

    @property
    def typical_size(self) -> float | None:
        """Median size of the test gain, whatever its sign."""
        values = self.comparison.values
        return float(np.median(np.abs(values))) if values else None


def changes(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> tuple[Change, ...]:
    """Every step made so far on some triples, triple by triple."""
    return tuple(_change(triple, step, outcome) for triple, step, outcome in _steps(search, outcomes))


def parameter_effects(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> tuple[ParameterEffect, ...]:
    """One effect per parameter over some triples, in the order of the search; the soft-label weight last.

    The rewards are A's table 3, which leaves the soft-label weight out: its reward never picks a value.
    """
    made = tuple(change for change in changes(search, outcomes) if not change.void)
    steps = [step for _, step, outcome in _steps(search, outcomes) if has_parameter(outcome, step.parameter)]
    space = search.study.space
    return tuple(_effect(entry, made, outcomes, space) for entry in _all_rewards(steps, made, space))


def has_parameter(outcome: TripleOutcome, parameter: str) -> bool:
    """Whether a parameter is one of the triple's task: regression knows neither distance nor temperatures."""
    return outcome.softmax or parameter not in OF_SOFTMAX


def _steps(
    search: StudySearch, outcomes: Iterable[TripleOutcome]
) -> Iterator[tuple[TripleSearch, Step, TripleOutcome]]:
    for outcome in outcomes:
        if triple := search.triples.get(outcome.triple_id):
            yield from ((triple, step, outcome) for step in triple.search.steps)


def _all_rewards(steps: Iterable[Step], made: Iterable[Change], space: SearchSpace) -> Iterator[Reward]:
    yield from rewards(steps, space)
    weights = [f"{weight:g}" for weight in space.soft_label_weight.then if weight != space.soft_label_weight.default]
    if weights:
        verdicts = [change.verdict for change in made if change.parameter == WEIGHT]
        counts = (verdicts.count(verdict) for verdict in Verdict)
        other = weights[0] if len(weights) == 1 else f"best of {weights[0]} … {weights[-1]}"
        yield Reward(WEIGHT, f"{space.soft_label_weight.default:g}", other, *counts)


def _effect(
    reward: Reward, made: Iterable[Change], outcomes: Iterable[TripleOutcome], space: SearchSpace
) -> ParameterEffect:
    own = tuple(change for change in made if change.parameter == reward.parameter)
    gains = {change.triple_id: change.gain for change in own}
    concerned = (outcome for outcome in outcomes if has_parameter(outcome, reward.parameter))
    all_gains = tuple(gains.get(outcome.triple_id, gain_of(outcome)) for outcome in concerned)
    comparison = Comparison(f"{reward.alternative} over {reward.default}", all_gains)
    num_tried = len(space.soft_label_weight.then) if reward.parameter == WEIGHT else 1
    p_value = sign_test(reward.wins, reward.losses) if num_tried == 1 else None
    return ParameterEffect(reward, comparison, own, num_tried, p_value)


def _change(triple: TripleSearch, step: Step, outcome: TripleOutcome) -> Change:
    before, after = scored(triple, step.before), scored(triple, step.after)
    lost = step.before.beats(step.after)
    return Change(
        triple_id=outcome.triple_id,
        parameter=step.parameter,
        before=before,
        after=after,
        verdict=Verdict.WIN if step.accepted else Verdict.LOSS if lost else Verdict.TIE,
        accepted=step.accepted,
        merged=after.is_trial_of(before),
        void=not has_parameter(outcome, step.parameter),
        gain=gain_of(outcome, after.test_score, before.test_score),
    )
