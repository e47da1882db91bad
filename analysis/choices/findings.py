"""Paper A's questions, answered over all triples of a study, and over those of each task: do the answers hold there?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.choices.gains import Comparison, Share, at_least_as_good, compare
from analysis.choices.parameters import Change, ParameterEffect, changes, parameter_effects
from analysis.choices.temperatures import TemperatureCurve, temperature_curves
from analysis.results import Role, StudyResults, TripleOutcome, computed_once
from search_spaces import Configuration
from study.config import Strategy
from study.search import StudySearch
from study.search.searchers import stable_choice
from trials.specs import TaskName


@dataclass(frozen=True)
class Answers:
    """What some triples say."""

    outcomes: tuple[TripleOutcome, ...]  # the triples, in the study's order
    best_over_worst: Comparison  # A's figure 1
    best_over_random: Comparison
    stable_to_best: Comparison  # A's figure 3
    random_to_best: Comparison
    lazy_to_best: Comparison
    worst_to_best: Comparison  # the worst choice, seen from the best
    stable_share: Share  # triples where the stable configuration is at least as good as the best
    effects: tuple[ParameterEffect, ...]  # A's figure 2 and table 3, one per parameter

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


@dataclass(frozen=True)
class ChoiceFindings(Answers):
    """The answers over all triples of a study, and the steps behind them."""

    by_task: dict[TaskName, Answers]  # the answers of each task; empty for a study of one task
    changes: tuple[Change, ...]  # every step of every search
    stable: Configuration | None  # the choices that the rewards pick, from the steps made so far; None without steps
    stable_is_final: bool  # whether every search has ended, so that `stable` will not change
    temperature_curves: tuple[TemperatureCurve, ...]  # validation scores by temperature
    alternatives: tuple[str, ...]  # the parameters that the space has alternatives for
    strategy: Strategy  # how triples are searched
    compares_steps: bool  # whether they are searched step by step, so that parameters are compared one by one
    num_stopped: int  # trials that were stopped early
    include_stopped: bool  # whether these count


@computed_once
def choice_findings(results: StudyResults) -> ChoiceFindings | None:
    """All of paper A's answers; None of a study that compares no choices."""
    if not results.compares_choices:
        return None
    search, outcomes = results.search, results.outcomes
    steps = list(search.steps)
    return ChoiceFindings(
        **vars(answer(search, outcomes)),
        by_task=answers_by_task(search, outcomes),
        changes=changes(search, outcomes),
        stable=stable_choice(steps, search.study.space) if steps else None,
        stable_is_final=search.stable_choice is not None,
        temperature_curves=temperature_curves(results),
        alternatives=tuple(name for name, _ in results.study.space.alternatives()),
        strategy=results.strategy,
        compares_steps=results.compares_steps,
        num_stopped=results.provenance.num_stopped,
        include_stopped=results.include_stopped,
    )


def step_findings(results: StudyResults) -> ChoiceFindings | None:
    """The same; None where searches do not go step by step."""
    found = choice_findings(results)
    return found if found and found.compares_steps else None


def task_findings(results: StudyResults) -> ChoiceFindings | None:
    """The same; None of a study of one task."""
    found = choice_findings(results)
    return found if found and found.by_task else None


def answer(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> Answers:
    """Answer every question over some triples of a study."""
    stable = compare(outcomes, Role.STABLE, Role.BEST)
    return Answers(
        outcomes=tuple(outcomes),
        best_over_worst=compare(outcomes, Role.BEST, Role.WORST),
        best_over_random=compare(outcomes, Role.BEST, Role.RANDOM),
        stable_to_best=stable,
        random_to_best=compare(outcomes, Role.RANDOM, Role.BEST),
        lazy_to_best=compare(outcomes, Role.LAZY, Role.BEST),
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
