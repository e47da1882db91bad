"""Findings from the measurements: times, ratios, shares of the floor, quality of the students. No drawing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any

from benchmarks.floor import floor_seconds
from benchmarks.grid import BASELINE, VARIANTS

Grid = dict[str, Any]  # a grid's measurements, as the results file has them
SCORES: dict[str, Callable[[dict[str, Any]], float]] = {
    "validation accuracy": lambda trial: trial["validation_score"],
    "test accuracy": lambda trial: trial["test_scores"]["accuracy"],
    "test MCC": lambda trial: trial["test_scores"]["matthews_corrcoef"],
}
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """A number's median, least and greatest value over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        found = sorted(values)
        return cls(median(found), found[0], found[-1])


@dataclass(frozen=True)
class Speed:
    """One variant's times on one data set.

    Attributes:
        trial_seconds: Mean seconds of a round's trials, each from set-up to test scores.
        train_seconds: Of these, in training steps.
        wall_seconds: A round's process from start to end.
        cache_seconds: Of these, for the teacher's outputs before the trials.
        gigaflops: 10^9 needed operations a second of the training steps.
        share: The floor's seconds over `train_seconds`, at the rates of the variant's precision in that round.
    """

    dataset: str
    variant: str
    trial_seconds: Spread
    train_seconds: Spread
    wall_seconds: Spread
    cache_seconds: Spread
    gigaflops: Spread
    share: Spread


@dataclass(frozen=True)
class Comparison:
    """How many times as long a peer takes, round by round.

    Attributes:
        per_trial: Ratio of `Speed.trial_seconds`.
        whole_grid: Ratio of `Speed.wall_seconds`.
    """

    dataset: str
    peer: str
    ours: str
    per_trial: Spread
    whole_grid: Spread


@dataclass(frozen=True)
class Quality:
    """A score of a variant's students; a seed's score is the mean over its trials.

    Attributes:
        score: Which score.
        seeds: Number of seeds.
        mean, deviation: Over seeds.
        difference: Mean difference to the idiomatic peer's students of the same seed; None for that peer itself.
        interval: Its 95 % confidence interval (Student's t, paired by seed); None with fewer than two seeds.
    """

    dataset: str
    variant: str
    score: str
    seeds: int
    mean: float
    deviation: float
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def within_noise(self) -> bool | None:
        """Whether the interval holds 0; None without one."""
        return None if self.interval is None else self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class Findings:
    """All that is drawn and printed.

    Attributes:
        roofs: 10^9 operations a second of the bare products, by data set and precision.
    """

    speeds: tuple[Speed, ...]
    comparisons: tuple[Comparison, ...]
    qualities: tuple[Quality, ...]
    roofs: dict[tuple[str, str], Spread]


class Measured:
    """The grids of a results file, by data set, variant and round."""

    def __init__(self, results: dict[str, Any]):
        self.operations: dict[str, dict[str, float]] = results["operations"]
        self.rates = {(entry["dataset"], entry["round"]): entry["rates"] for entry in results["rates"]}
        self._grids: dict[tuple[str, str], dict[int, Grid]] = {}
        for grid in results["grids"]:
            self._grids.setdefault((grid["dataset"], grid["variant"]), {})[grid["round"]] = grid
        self.datasets = list(dict.fromkeys(dataset for dataset, _ in self._grids))
        self.variants = [name for name in VARIANTS if any(variant == name for _, variant in self._grids)]

    def grids(self, dataset: str, variant: str) -> dict[int, Grid]:
        """A variant's grids on a data set, by round."""
        return self._grids.get((dataset, variant), {})

    def pairs(self, dataset: str, one: str, other: str) -> list[tuple[Grid, Grid]]:
        """Two variants' grids of the rounds that have both."""
        ones, others = self.grids(dataset, one), self.grids(dataset, other)
        return [(ones[number], others[number]) for number in sorted(ones.keys() & others.keys())]

    def floor(self, dataset: str, number: int, precision: str) -> float:
        """Seconds of one trial's products at the rates of a round."""
        return floor_seconds(self.operations[dataset], self.rates[dataset, number][precision])


def find(results: dict[str, Any]) -> Findings:
    """All findings of a results file, of whatever rounds it has."""
    measured = Measured(results)
    cells = [(dataset, variant) for dataset in measured.datasets for variant in measured.variants]
    peers = [name for name in measured.variants if not VARIANTS[name].ours]
    ours = [name for name in measured.variants if VARIANTS[name].ours]
    comparisons = [_comparison(measured, d, peer, own) for d in measured.datasets for peer in peers for own in ours]
    return Findings(
        speeds=tuple(_speed(measured, *cell) for cell in cells if measured.grids(*cell)),
        comparisons=tuple(comparison for comparison in comparisons if comparison),
        qualities=qualities(measured),
        roofs={(d, p): _roof(measured, d, p) for d in measured.datasets for p in ("fp32", "bf16")},
    )


def qualities(measured: Measured) -> tuple[Quality, ...]:
    """All scores of all variants' students."""
    cells = [(dataset, variant) for dataset in measured.datasets for variant in measured.variants]
    judged = [(*cell, score) for cell in cells if measured.grids(*cell) for score in SCORES]
    return tuple(_quality(measured, *wanted) for wanted in judged)


def mean_of(grid: Grid, what: Callable[[dict[str, Any]], float]) -> float:
    """Mean over a grid's trials."""
    return fmean(what(trial) for trial in grid["trials"])


def _trial_seconds(grid: Grid) -> float:
    return mean_of(grid, lambda trial: trial["seconds"])


def _train_seconds(grid: Grid) -> float:
    return mean_of(grid, lambda trial: trial["train_seconds"])


def _speed(measured: Measured, dataset: str, variant: str) -> Speed:
    grids = measured.grids(dataset, variant)
    needed, precision = sum(measured.operations[dataset].values()), VARIANTS[variant].precision
    return Speed(
        dataset=dataset,
        variant=variant,
        trial_seconds=Spread.of(map(_trial_seconds, grids.values())),
        train_seconds=Spread.of(map(_train_seconds, grids.values())),
        wall_seconds=Spread.of(grid["wall_seconds"] for grid in grids.values()),
        cache_seconds=Spread.of(grid["cache_seconds"] for grid in grids.values()),
        gigaflops=Spread.of(needed / _train_seconds(grid) / 1e9 for grid in grids.values()),
        share=Spread.of(measured.floor(dataset, n, precision) / _train_seconds(grid) for n, grid in grids.items()),
    )


def _comparison(measured: Measured, dataset: str, peer: str, ours: str) -> Comparison | None:
    pairs = measured.pairs(dataset, peer, ours)
    if not pairs:
        return None
    return Comparison(
        dataset=dataset,
        peer=peer,
        ours=ours,
        per_trial=Spread.of(_trial_seconds(theirs) / _trial_seconds(own) for theirs, own in pairs),
        whole_grid=Spread.of(theirs["wall_seconds"] / own["wall_seconds"] for theirs, own in pairs),
    )


def _quality(measured: Measured, dataset: str, variant: str, score: str) -> Quality:
    values = [mean_of(grid, SCORES[score]) for grid in measured.grids(dataset, variant).values()]
    pairs = [] if variant == BASELINE else measured.pairs(dataset, variant, BASELINE)
    differences = [mean_of(own, SCORES[score]) - mean_of(base, SCORES[score]) for own, base in pairs]
    return Quality(
        dataset=dataset,
        variant=variant,
        score=score,
        seeds=len(values),
        mean=fmean(values),
        deviation=stdev(values) if len(values) > 1 else 0.0,
        difference=fmean(differences) if differences else None,
        interval=confidence_interval(differences) if len(differences) > 1 else None,
    )


def confidence_interval(differences: list[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean of at least two differences, by Student's t."""
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * stdev(differences) / math.sqrt(len(differences))
    return fmean(differences) - reach, fmean(differences) + reach


def _roof(measured: Measured, dataset: str, precision: str) -> Spread:
    needed = sum(measured.operations[dataset].values())
    rounds = sorted(number for name, number in measured.rates if name == dataset)
    return Spread.of(needed / measured.floor(dataset, number, precision) / 1e9 for number in rounds)
