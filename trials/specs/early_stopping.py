"""Early stopping: a trial is stopped if its validation scores are worse than those of comparable trials.

Torch-free and Ray-free. A rule is a pure function of validation curves. The curves are the only state, so that records
in any order restore it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from search_spaces import counted
from trials.specs.dataset import FrozenSpec

Curve = Sequence[tuple[float, float]]  # (epoch, validation score) of each validation so far, in the order of epochs


class RuleName(StrEnum):
    """The rules."""

    ASHA = "asha"  # asynchronous successive halving: stop what is not among the best at a rung (Li et al., 2020)
    MEDIAN = "median"  # stop if the best score is below the median of the others' averages (Golovin et al., 2017)


RULE_OF_KEY = {"reduction_factor": RuleName.ASHA, "least_trials": RuleName.MEDIAN}


class StoppingRule(FrozenSpec):
    """A rule with its settings.

    Attributes:
        rule: The rule's name.
        grace_epochs: Epochs for which no trial is stopped; the first rung of asha.
        reduction_factor: asha: ratio between the epochs of successive rungs; the best 1 in this many trials continues.
        least_trials: median: number of other trials that must have reached the epoch before a trial can be stopped.
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
            raise ValueError(f"belongs to the rule {RULE_OF_KEY[name]}, but the rule is {rule}: leave it out")
        return value

    def __str__(self) -> str:
        of_rule = {
            RuleName.ASHA: f"the best 1 in {self.reduction_factor:g} continues at each rung",
            RuleName.MEDIAN: f"stop below the median of at least {self.least_trials} other trials",
        }
        return f"{self.rule}: from epoch {self.grace_epochs:g} on, {of_rule[self.rule]}"


class EarlyStopper:
    """Keeps the validation curves of all trials, and compares each trial with the others of its case."""

    def __init__(self) -> None:
        self.curves: dict[str, dict[str, Curve]] = {}  # by case and trial

    def add_curve(self, case_id: str, trial_id: str, curve: Curve) -> None:
        """Add a trial's curve so far; a longer curve of the same trial replaces a shorter one."""
        known = self.curves.setdefault(case_id, {})
        if len(curve) >= len(known.get(trial_id, ())):
            known[trial_id] = tuple(curve)

    def reason_to_stop(self, case_id: str, trial_id: str, curve: Curve, stopping: StoppingRule | None) -> str | None:
        """Why a trial should stop at its last validation; None if it should continue.

        Args:
            case_id: The case; only trials of one case are compared.
            trial_id: The trial.
            curve: All validations of the trial.
            stopping: The rule; None for a trial that others are compared with, but that is never stopped.
        """
        self.add_curve(case_id, trial_id, curve)
        others = {other: known for other, known in self.curves[case_id].items() if other != trial_id}
        return None if stopping is None else reason_to_stop(stopping, curve, others)


def reason_to_stop(stopping: StoppingRule, curve: Curve, others: Mapping[str, Curve]) -> str | None:
    """Why a trial should stop at its last validation; None if it should continue."""
    rules = {RuleName.ASHA: _asha, RuleName.MEDIAN: _median}
    return rules[stopping.rule](stopping, curve, list(others.values()))


def _asha(stopping: StoppingRule, curve: Curve, others: Sequence[Curve]) -> str | None:
    """Stop at the first validation on a rung if the score is below those of the best 1 in `factor` trials there.

    The limit is the (1 - 1 / factor) quantile of the scores of earlier trials, as in Ray Tune's scheduler.
    """
    epoch, score = curve[-1]
    rung = _rung(stopping, epoch)
    if rung is None or len(_on(rung, curve)) > 1:
        return None
    scores = [there[0] for other in others if (there := _on(rung, other))]
    if not scores or score >= (cutoff := float(np.percentile(scores, (1 - 1 / stopping.reduction_factor) * 100))):
        return None
    best = f"the best 1 in {stopping.reduction_factor:g} of {counted(len(scores), 'trial')}"
    return f"at epoch {epoch:g}: validation {score:.4f} is below {cutoff:.4f}, which {best} reach there"


def _rung(stopping: StoppingRule, epoch: float) -> tuple[float, float] | None:
    """The epochs at which the highest rung at or before `epoch` and the next one begin; rung k: grace * factor^k."""
    start = stopping.grace_epochs * (1 - 1e-9)  # tolerance, because epochs are quotients
    if epoch < start:
        return None
    while start * stopping.reduction_factor <= epoch:
        start *= stopping.reduction_factor
    return start, start * stopping.reduction_factor


def _on(rung: tuple[float, float], curve: Curve) -> list[float]:
    """A trial's scores between a rung and the next one."""
    return [score for epoch, score in curve if rung[0] <= epoch < rung[1]]


def _median(stopping: StoppingRule, curve: Curve, others: Sequence[Curve]) -> str | None:
    """Stop if the best score so far is below the median of the other trials' average scores.

    As in Ray Tune's scheduler, the others are the trials that have reached this epoch, and their averages start after
    the grace period. Golovin et al. compare with completed trials only.
    """
    epoch, best = curve[-1][0], max(score for _, score in curve)
    if epoch < stopping.grace_epochs:
        return None
    averages = [_average(stopping, epoch, other) for other in others if other[-1][0] >= epoch]
    known = [average for average in averages if average is not None]
    if len(known) < stopping.least_trials or best >= (median := float(np.median(known))):
        return None
    against = f"the median of the averages of {counted(len(known), 'other')}"
    return f"at epoch {epoch:g}: best validation {best:.4f} is below {median:.4f}, {against}"


def _average(stopping: StoppingRule, until: float, curve: Curve) -> float | None:
    scores = [score for epoch, score in curve if stopping.grace_epochs <= epoch <= until]
    return float(np.mean(scores)) if scores else None
