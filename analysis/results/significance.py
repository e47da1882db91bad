"""Is one student better than another? Paired tests on the same test examples, and over seeds (Dror et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, t, ttest_1samp

Classes = NDArray[np.int64]
DRAWS = 1000
SAME = 1e-9  # differences no further apart are equal, but for rounding: their spread says nothing


@dataclass(frozen=True)
class Bootstrap:
    """A difference of scores, by resampling test examples."""

    difference: float  # on all examples
    low: float  # its 95 % interval: percentiles over the draws
    high: float
    p_value: float  # two-sided: twice the smaller share of draws on one side of 0, at least 1 / draws


@dataclass(frozen=True)
class OverSeeds:
    """A difference of scores over seeds."""

    mean: float  # the mean of the paired differences
    low: float | None  # its 95 % interval by Student's t; None of one seed, or of differences that are all the same
    high: float | None
    p_value: float | None  # two-sided paired t-test; None likewise


def score_of_counts(counts: NDArray[np.int64], metric: str) -> float:
    """The score of a confusion matrix [classes, classes]: rows are labels, columns answers.

    Raises:
        KeyError: It is no score of classes.
    """
    total, right = counts.sum(), np.trace(counts)
    labels, answers = counts.sum(axis=1), counts.sum(axis=0)
    accuracy = right / total
    sums = labels + answers
    f1 = 2 * np.diag(counts) / np.where(sums, sums, 1)
    if metric == "matthews_corrcoef":
        covariance = right * total - (labels * answers).sum()
        spread = float(total**2 - (labels**2).sum()) * float(total**2 - (answers**2).sum())
        return float(covariance / np.sqrt(spread)) if spread else 0.0
    found = {"accuracy": accuracy, "f1_macro": f1[sums > 0].mean()}
    if len(f1) == 2:
        found |= {"f1": f1[1], "accuracy_f1": (accuracy + f1[1]) / 2}
    return float(found[metric])


def paired_bootstrap(
    labels: Classes, before: Sequence[Classes], after: Sequence[Classes], metric: str, *, draws: int = DRAWS
) -> Bootstrap:
    """How much better `after` scores than `before`, means over their seeds; each draw takes the same examples of all.

    Args:
        labels: Class numbers, [examples].
        before: Answers of one, an array per seed.
        after: Answers of the other, likewise.
        metric: A score of `score_of_counts`.
        draws: How often examples are drawn anew, with a seed of its own.
    """
    classes = 1 + max(int(each.max()) for each in (labels, *before, *after))
    places = [[labels * classes + answers for answers in side] for side in (before, after)]

    def difference(rows: NDArray[np.int64] | slice) -> float:
        means = []
        for side in places:
            counts = (np.bincount(each[rows], minlength=classes**2).reshape(classes, classes) for each in side)
            means.append(np.mean([score_of_counts(count, metric) for count in counts]))
        return float(means[1] - means[0])

    rng = np.random.default_rng(13)
    drawn = np.array([difference(rng.integers(len(labels), size=len(labels))) for _ in range(draws)])
    low, high = np.quantile(drawn, (0.025, 0.975))
    smaller = min((drawn <= 0).mean(), (drawn >= 0).mean())
    return Bootstrap(difference(slice(None)), float(low), float(high), float(min(1.0, max(2 * smaller, 1 / draws))))


def sign_test(wins: int, losses: int) -> float | None:
    """Two-sided p-value of `wins` against `losses`, both equally likely; ties do not count (as usual)."""
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else None


def mcnemar(labels: Classes, before: Classes, after: Classes) -> float:
    """Two-sided exact p-value of McNemar's test: is one of two students right more often where the other is wrong?"""
    gained = int(((after == labels) & (before != labels)).sum())
    lost = int(((after != labels) & (before == labels)).sum())
    p_value = sign_test(gained, lost)
    return 1.0 if p_value is None else p_value


def over_seeds(differences: Sequence[float]) -> OverSeeds | None:
    """Paired differences over seeds; None without any."""
    if not differences:
        return None
    values = np.asarray(differences, dtype=np.float64)
    mean = float(values.mean())
    if len(values) < 2:
        return OverSeeds(mean, None, None, None)
    if np.ptp(values) < SAME:
        return OverSeeds(mean, None, None, None)
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return OverSeeds(mean, mean - half, mean + half, float(ttest_1samp(values, 0.0).pvalue))
