"""Early stopping: which trials go on, by validation scores of others of the same case. Pure: no torch, no ray.

A rule is a function of curves, and the arbiter's state is nothing but the curves: records in any order make it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from trials.specs.dataset import FrozenSpec

Curve = Sequence[tuple[float, float]]  # epoch and validation score of each validation so far, by rising epoch


class RuleName(StrEnum):
    """Who is stopped."""

    ASHA = "asha"  # asynchronous successive halving: who is not among the best at a rung (Li et al. 2020)
    MEDIAN = "median"  # whose best is below the median of others' averages (Golovin et al. 2017)


RULE_OF_KEY = {"reduction_factor": RuleName.ASHA, "least_trials": RuleName.MEDIAN}


class StoppingRule(FrozenSpec):
    """How trials are stopped early.

    Attributes:
        rule: Which of them.
        grace_epochs: Epochs that every trial is trained at least; asha's first rung.
        reduction_factor: Of asha: each rung lies this many times as far as the one before, and of the trials that reach
            it the best one in this many goes on.
        least_trials: Of the median rule: other trials that have got as far, without which nobody is stopped.
    """

    rule: RuleName
    grace_epochs: float = Field(1, gt=0, allow_inf_nan=False)
    reduction_factor: float = Field(3, gt=1, allow_inf_nan=False)
    least_trials: int = Field(3, gt=0)

    @field_validator(*RULE_OF_KEY)
    @classmethod
    def _belongs_to_rule(cls, value: Any, info: ValidationInfo) -> Any:
        name, rule = str(info.field_name), info.data.get("rule")
        if rule not in (None, RULE_OF_KEY[name]) and value != cls.model_fields[name].default:
            raise ValueError(f"is for the rule {RULE_OF_KEY[name]}, not {rule}: leave it out")
        return value

    def __str__(self) -> str:
        of_rule = {
            RuleName.ASHA: f"the best 1 in {self.reduction_factor:g} goes on at each rung",
            RuleName.MEDIAN: f"who is below the median of {self.least_trials} others or more stops",
        }
        return f"{self.rule}: from epoch {self.grace_epochs:g} on, {of_rule[self.rule]}"


class EarlyStopper:
    """Knows the curves of all trials, and judges each by those of its case alone."""

    def __init__(self) -> None:
        self.curves: dict[str, dict[str, Curve]] = {}  # by case and trial

    def add_curve(self, case_id: str, trial_id: str, curve: Curve) -> None:
        """Take in how a trial went so far; of what is known of one trial the longest counts."""
        known = self.curves.setdefault(case_id, {})
        if len(curve) >= len(known.get(trial_id, ())):
            known[trial_id] = tuple(curve)

    def reason_to_stop(self, case_id: str, trial_id: str, curve: Curve, stopping: StoppingRule | None) -> str | None:
        """Why a trial should stop at its last validation; None if it should go on.

        Args:
            case_id: Whose trials compare.
            trial_id: The trial.
            curve: All its validations.
            stopping: By which rule; None for a trial that others are compared with, but that is never stopped.
        """
        self.add_curve(case_id, trial_id, curve)
        others = {other: known for other, known in self.curves[case_id].items() if other != trial_id}
        return None if stopping is None else reason_to_stop(stopping, curve, others)


def reason_to_stop(stopping: StoppingRule, curve: Curve, others: Mapping[str, Curve]) -> str | None:
    """Why a trial should stop at its last validation, in words; None if it should go on."""
    rules = {RuleName.ASHA: _asha, RuleName.MEDIAN: _median}
    return rules[stopping.rule](stopping, curve, list(others.values()))


def _asha(stopping: StoppingRule, curve: Curve, others: Sequence[Curve]) -> str | None:
    """At its first validation on a rung a trial goes on with at least the score that the best 1 in `factor` have there.

    That is the (1 - 1 / factor) quantile of the scores of those that came before, as in Ray Tune's scheduler.
    """
    epoch, score = curve[-1]
    rung = _rung(stopping, epoch)
    if rung is None or len(_on(rung, curve)) > 1:
        return None
    scores = [there[0] for other in others if (there := _on(rung, other))]
    if not scores or score >= (cutoff := float(np.percentile(scores, (1 - 1 / stopping.reduction_factor) * 100))):
        return None
    best = f"the best 1 in {stopping.reduction_factor:g} of {len(scores)} trials"
    return f"at epoch {epoch:g}: validation {score:.4f} is below {cutoff:.4f}, which {best} reach there"


def _rung(stopping: StoppingRule, epoch: float) -> tuple[float, float] | None:
    """The highest rung at or before an epoch: where it and the next one begin. Number k lies at grace * factor^k."""
    start = stopping.grace_epochs * (1 - 1e-9)  # epochs are quotients
    if epoch < start:
        return None
    while start * stopping.reduction_factor <= epoch:
        start *= stopping.reduction_factor
    return start, start * stopping.reduction_factor


def _on(rung: tuple[float, float], curve: Curve) -> list[float]:
    """A trial's scores from a rung on, before the next one."""
    return [score for epoch, score in curve if rung[0] <= epoch < rung[1]]


def _median(stopping: StoppingRule, curve: Curve, others: Sequence[Curve]) -> str | None:
    """A trial whose best score so far is below the median of the others' averages so far stops.

    The others are those that have got as far, and their averages begin at the grace period, as in Ray Tune's scheduler;
    Golovin et al. compare with completed trials alone.
    """
    epoch, best = curve[-1][0], max(score for _, score in curve)
    if epoch < stopping.grace_epochs:
        return None
    averages = [_average(stopping, epoch, other) for other in others if other[-1][0] >= epoch]
    known = [average for average in averages if average is not None]
    if len(known) < stopping.least_trials or best >= (median := float(np.median(known))):
        return None
    against = f"the median of the averages of {len(known)} others"
    return f"at epoch {epoch:g}: best validation {best:.4f} is below {median:.4f}, {against}"


def _average(stopping: StoppingRule, until: float, curve: Curve) -> float | None:
    scores = [score for epoch, score in curve if stopping.grace_epochs <= epoch <= until]
    return float(np.mean(scores)) if scores else None
