"""Throughput of one GPU: trials per hour of each variant against the idiomatic peer; sizes of groups. No drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.findings import Grid, Measured, Quality, Spread, qualities
from benchmarks.grid import BASELINE, FRACTIONS, VARIANTS

HOUR = 3600.0
GOALS = {"one trial a GPU": 10.0, "its best sharing": 3.0}  # times the idiomatic peer's trials per GPU-hour
SHARINGS = (BASELINE, *(f"{BASELINE}_{number}" for number in FRACTIONS))  # of which the best is the best sharing


def steady(grid: Grid) -> float:
    """Trials an hour from the first one's start to the last one's end, without the start and end of Ray."""
    starts, ends = ([trial[moment] for trial in grid["trials"]] for moment in ("started", "ended"))
    return HOUR * len(grid["trials"]) / (max(ends) - min(starts))


def whole_grid(grid: Grid) -> float:
    """Trials an hour of the whole process."""
    return HOUR * len(grid["trials"]) / float(grid["wall_seconds"])


COUNTS: dict[str, Callable[[Grid], float]] = {"steady": steady, "whole grid": whole_grid}


@dataclass(frozen=True)
class Ratio:
    """How many times a peer's trials an hour a variant does, round by round."""

    peer: str
    times: Spread


@dataclass(frozen=True)
class Throughput:
    """A variant's trials per GPU-hour on one data set, counted in one way.

    Attributes:
        count: Of `COUNTS`.
        to_single: Against the idiomatic peer with one trial a GPU; None where no round has both.
        to_best: Against that peer as it shares a GPU best, by its median over rounds; None where no round has both.
    """

    dataset: str
    variant: str
    count: str
    per_hour: Spread
    to_single: Ratio | None
    to_best: Ratio | None


@dataclass(frozen=True)
class Grouping:
    """How the trials of a variant with groups ran, over all rounds.

    Attributes:
        sizes: Number of vectorised units by their number of trials.
        full: Share of the trials that ran in a unit of the wanted size.
    """

    dataset: str
    variant: str
    sizes: dict[int, int]
    full: float


@dataclass(frozen=True)
class Throughputs:
    """All that is drawn and printed.

    Attributes:
        fastest: kdstudy's fastest variant by data set, count and precision.
    """

    throughputs: tuple[Throughput, ...]
    groupings: tuple[Grouping, ...]
    qualities: tuple[Quality, ...]
    fastest: tuple[Throughput, ...]


def find(results: dict[str, Any]) -> Throughputs:
    """All findings of a results file, of whatever rounds it has."""
    measured = Measured(results)
    variants = sorted(measured.variants, key=lambda name: (VARIANTS[name].ours, VARIANTS[name].module))
    cells = [(dataset, variant) for dataset in measured.datasets for variant in variants]
    cells = [cell for cell in cells if measured.grids(*cell)]
    found = [_throughput(measured, *cell, count) for cell in cells for count in COUNTS]
    return Throughputs(
        throughputs=tuple(found),
        groupings=tuple(_grouping(measured, *cell) for cell in cells if VARIANTS[cell[1]].group > 1),
        qualities=qualities(measured),
        fastest=_fastest(found),
    )


def _throughput(measured: Measured, dataset: str, variant: str, count: str) -> Throughput:
    per_hour = COUNTS[count]
    return Throughput(
        dataset=dataset,
        variant=variant,
        count=count,
        per_hour=Spread.of(map(per_hour, measured.grids(dataset, variant).values())),
        to_single=_ratio(measured, dataset, variant, BASELINE, count),
        to_best=_ratio(measured, dataset, variant, best_sharing(measured, dataset, count), count),
    )


def _ratio(measured: Measured, dataset: str, variant: str, peer: str, count: str) -> Ratio | None:
    per_hour, pairs = COUNTS[count], measured.pairs(dataset, variant, peer)
    return Ratio(peer, Spread.of(per_hour(own) / per_hour(theirs) for own, theirs in pairs)) if pairs else None


def best_sharing(measured: Measured, dataset: str, count: str) -> str:
    """The idiomatic peer's variant with most trials an hour; the one with the GPU to itself where none was measured."""
    grids = {name: measured.grids(dataset, name).values() for name in SHARINGS}
    rates = {name: median(map(COUNTS[count], found)) for name, found in grids.items() if found}
    return max(rates, key=rates.__getitem__, default=BASELINE)


def _grouping(measured: Measured, dataset: str, variant: str) -> Grouping:
    sizes = Counter(size for grid in measured.grids(dataset, variant).values() for size in grid["units"])
    trials = sum(len(grid["trials"]) for grid in measured.grids(dataset, variant).values())
    wanted = VARIANTS[variant].group
    return Grouping(dataset, variant, dict(sorted(sizes.items(), reverse=True)), wanted * sizes[wanted] / trials)


def _fastest(found: Iterable[Throughput]) -> tuple[Throughput, ...]:
    best: dict[tuple[str, str, str], Throughput] = {}
    for each in found:
        key = each.dataset, each.count, VARIANTS[each.variant].precision
        if VARIANTS[each.variant].ours and (key not in best or each.per_hour.median > best[key].per_hour.median):
            best[key] = each
    return tuple(best.values())
