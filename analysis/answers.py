"""Paper A's questions, answered over all triples of a study, or over those of one task: do the answers hold there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.gains import Comparison, Share, at_least_as_good, best_gains, compare, lags
from analysis.outcomes import Role, TripleOutcome
from analysis.parameters import ParameterEffect, parameter_effects
from study.search import StudySearch
from trials.spec import TaskName


@dataclass(frozen=True)
class Answers:
    """What some triples say.

    Attributes:
        outcomes: The triples, in the study's order.
        best_over_worst, best_over_random: A's figure 1.
        stable_to_best, random_to_best, lazy_to_best: A's figure 3.
        worst_to_best: The worst choice, seen from the best.
        stable_share: Triples where the stable configuration is at least as good as the best.
        effects: A's figure 2 and table 3, one per parameter.
    """

    outcomes: tuple[TripleOutcome, ...]
    best_over_worst: Comparison
    best_over_random: Comparison
    stable_to_best: Comparison
    random_to_best: Comparison
    lazy_to_best: Comparison
    worst_to_best: Comparison
    stable_share: Share
    effects: tuple[ParameterEffect, ...]

    @property
    def tasks(self) -> tuple[TaskName, ...]:
        """Their tasks, in the study's order."""
        return tuple(dict.fromkeys(outcome.task for outcome in self.outcomes))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Their metrics, in the study's order."""
        return tuple(dict.fromkeys(outcome.metric for outcome in self.outcomes))

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison between roles, figure 1 first."""
        return (
            self.best_over_worst,
            self.best_over_random,
            self.stable_to_best,
            self.random_to_best,
            self.lazy_to_best,
            self.worst_to_best,
        )


def answer(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> Answers:
    """Answer every question over some triples of a study."""
    over_worst, over_random = best_gains(outcomes)
    stable, random, lazy = lags(outcomes)
    return Answers(
        outcomes=tuple(outcomes),
        best_over_worst=over_worst,
        best_over_random=over_random,
        stable_to_best=stable,
        random_to_best=random,
        lazy_to_best=lazy,
        worst_to_best=compare(outcomes, Role.WORST, Role.BEST),
        stable_share=at_least_as_good(stable),
        effects=parameter_effects(search, outcomes),
    )


def answers_by_task(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> dict[TaskName, Answers]:
    """The answers of each task, in the study's order; none for a study of one task, which has them already."""
    tasks = dict.fromkeys(outcome.task for outcome in outcomes)
    if len(tasks) < 2:
        return {}
    return {task: answer(search, [outcome for outcome in outcomes if outcome.task is task]) for task in tasks}
