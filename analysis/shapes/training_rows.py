"""Do tasks with few training rows lose more? Spearman's correlation over tasks (B, section 5 and table 5)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from math import fsum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata

from analysis.shapes.shape_study import ShapeStudy, losses

FEWEST_TASKS = 4  # two thirds of all rank orders of three tasks give ±.5 or more
FEWEST_SIZES = 5  # with four different ones no two-sided test can fall below 2 / 4! = .08
MOST_EXACT = 8  # tasks: 8! = 40 320 orders are tried one by one, of more a sample is
NUM_DRAWS = 10_000
SEED = 13
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class SizeEffect:
    """How the size of the training set goes with the loss."""

    tasks: tuple[str, ...]  # the tasks compared
    training_rows: tuple[int, ...]  # one per task
    mean_losses: tuple[float, ...]  # mean relative loss over `students`; one per task
    students: tuple[str, ...]  # those with a score on every compared task, lest means be of different students
    without: tuple[str, ...]  # tasks left out on purpose
    # spearman's rho; -1: the smaller the set, the higher the loss. None with fewer than `FEWEST_TASKS` tasks, or where
    # all tasks have equal numbers
    correlation: float | None = None
    # its 95 % percentile bootstrap interval over tasks; with few tasks it is wide, and rough. None with fewer than
    # `FEWEST_SIZES` different sizes
    low: float | None = None
    high: float | None = None
    p_value: float | None = None  # two-sided permutation test of no relation; None likewise
    exact: bool = False  # whether it tried every order of the tasks


def size_effect(study: ShapeStudy, without: Collection[str] = ()) -> SizeEffect:
    """The relation over the tasks whose rows and teacher's score are known, but for those in `without`."""
    found = _compared(study, without)
    if not _can_be_tested(found):
        return found
    rows, means = _numbers(found)
    correlation = _correlation(found)
    if len(set(found.training_rows)) < FEWEST_SIZES:
        return replace(found, correlation=correlation)
    low, high = bootstrap_interval(rows, means)
    p_value, exact = permutation_p_value(rows, means)
    return replace(found, correlation=correlation, low=low, high=high, p_value=p_value, exact=exact)


def influences(study: ShapeStudy) -> dict[str, float]:
    """Spearman's rho without each task in turn, where there is one: does one task make or break the pattern?"""
    found = ((task, _compared(study, (task,))) for task in _compared(study).tasks)
    return {task: _correlation(effect) for task, effect in found if _can_be_tested(effect)}


def most_influential(study: ShapeStudy) -> str | None:
    """The task without which rho moves most (B: MNLI), picked from the very numbers it moves; None with too few."""
    whole, without = _compared(study), influences(study)
    if not without or not _can_be_tested(whole):
        return None
    return max(without, key=lambda task: abs(without[task] - _correlation(whole)))


def rank_correlation(x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """Spearman's rho along an axis, ties sharing their mean rank; NaN where all values are equal."""
    ranks = [rankdata(values, axis=axis) for values in (x, y)]
    first, second = (rank - rank.mean(axis=axis, keepdims=True) for rank in ranks)
    size = np.sqrt((first**2).sum(axis=axis) * (second**2).sum(axis=axis))
    products = (first * second).sum(axis=axis)
    found: NDArray[np.float64] = np.divide(products, size, out=np.full(size.shape, np.nan), where=size > 0)
    return found


def bootstrap_interval(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Of rho, over seeded draws of pairs with replacement; draws of one pair repeated have no rho and do not count."""
    drawn = np.random.default_rng(SEED).integers(len(x), size=(NUM_DRAWS, len(x)))
    found = rank_correlation(x[drawn], y[drawn])
    low, high = np.quantile(found[~np.isnan(found)], TAILS)
    return float(low), float(high)


def permutation_p_value(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, bool]:
    """Two-sided p-value of rho, and whether it is exact: for up to `MOST_EXACT` pairs, else from seeded draws."""
    exact = len(x) <= MOST_EXACT

    def statistic(shuffled: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return rank_correlation(shuffled, np.broadcast_to(y, shuffled.shape), axis)

    test = permutation_test(
        (x,),
        statistic,
        permutation_type="pairings",
        vectorized=True,
        n_resamples=np.inf if exact else NUM_DRAWS - 1,
        rng=np.random.default_rng(SEED),
    )
    return float(test.pvalue), exact


def _compared(study: ShapeStudy, without: Collection[str] = ()) -> SizeEffect:
    """What is compared, nothing tested yet."""
    lost = losses(study)
    tasks = tuple(
        task
        for task in study.tasks
        if task not in without and task in study.training_rows and lost.known(lost.students, task)
    )
    students = lost.complete_students(tasks)
    rows = tuple(study.training_rows[task] for task in tasks)
    means = tuple(fsum(lost.known(students, task)) / len(students) for task in tasks) if students else ()
    return SizeEffect(tasks, rows, means, students, tuple(task for task in study.tasks if task in without))


def _can_be_tested(found: SizeEffect) -> bool:
    return len(found.mean_losses) >= FEWEST_TASKS and min(len(set(v)) for v in _numbers(found)) > 1


def _numbers(found: SizeEffect) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rows and losses; losses that are equal up to rounding share a rank."""
    return np.array(found.training_rows, dtype=np.float64), np.round(found.mean_losses, 12)


def _correlation(found: SizeEffect) -> float:
    return float(rank_correlation(*_numbers(found)))
