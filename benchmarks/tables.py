"""The findings as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from benchmarks.findings import Findings, Quality, Spread
from benchmarks.grid import BASELINE, VARIANTS
from benchmarks.throughput import COUNTS, GOALS, Grouping, Throughput, Throughputs


def print_tables(findings: Findings, console: Console) -> None:
    """Times, ratios and quality."""
    for table in (_times(findings), _ratios(findings), _qualities(findings.qualities)):
        console.print(table)


def print_throughputs(found: Throughputs, console: Console) -> None:
    """Trials per GPU-hour, whether groups ran side by side, quality, and how far the goals are reached."""
    for count in COUNTS:
        console.print(_throughputs(count, [each for each in found.throughputs if each.count == count]))
    console.print(_groupings(found.groupings))
    console.print(_qualities(found.qualities))
    for line in map(_verdict, found.fastest):
        console.print(line, highlight=False, soft_wrap=True)


def _throughputs(count: str, shown: Iterable[Throughput]) -> Table:
    table = _table(f"Trials per GPU-hour, {count}: median over rounds [least–greatest]", "data set", "variant")
    label = VARIANTS[BASELINE].label
    for name in ("trials per GPU-hour", *(f"× {label}, {against} (goal {goal:g})" for against, goal in GOALS.items())):
        table.add_column(name, justify="right")
    for found in shown:
        ratios = (spread(ratio.times, "{:.2f}") if ratio else "" for ratio in (found.to_single, found.to_best))
        table.add_row(found.dataset, VARIANTS[found.variant].label, spread(found.per_hour, "{:.0f}"), *ratios)
    return table


def _groupings(groupings: Iterable[Grouping]) -> Table:
    table = _table("Groups: the vectorised units that ran, over all rounds", "data set", "variant", "units")
    table.add_column("trials in full units", justify="right")
    for found in groupings:
        units = ", ".join(f"{count} of {size}" for size, count in found.sizes.items())
        table.add_row(found.dataset, VARIANTS[found.variant].label, units, f"{found.full:.0%}")
    return table


def _verdict(found: Throughput) -> str:
    """How far a variant reaches the goals, as a line."""
    words = [
        f"{ratio.times.median:.1f} times those of {VARIANTS[ratio.peer].label} (goal {goal:g})"
        for ratio, goal in zip((found.to_single, found.to_best), GOALS.values(), strict=True)
        if ratio
    ]
    does = f"{VARIANTS[found.variant].label} does {found.per_hour.median:.0f} trials per GPU-hour"
    return f"{found.dataset}, {found.count}: {', '.join([does, *words])}"


def _times(findings: Findings) -> Table:
    table = _table("Seconds: median over rounds [least–greatest]", "data set", "variant")
    for name in ("per trial", "in training steps", "whole grid", "of it teacher cache", "share of the floor"):
        table.add_column(name, justify="right")
    for speed in findings.speeds:
        seconds = (speed.trial_seconds, speed.train_seconds, speed.wall_seconds, speed.cache_seconds)
        share = spread(speed.share, "{:.0%}")
        table.add_row(speed.dataset, VARIANTS[speed.variant].label, *(spread(s, "{:.1f}") for s in seconds), share)
    return table


def _ratios(findings: Findings) -> Table:
    table = _table("How many times as long a peer takes", "data set", "peer", "against")
    for name in ("per trial", "whole grid"):
        table.add_column(name, justify="right")
    for found in findings.comparisons:
        ratios = (spread(found.per_trial, "{:.2f}"), spread(found.whole_grid, "{:.2f}"))
        table.add_row(found.dataset, VARIANTS[found.peer].label, VARIANTS[found.ours].label, *ratios)
    return table


def _qualities(qualities: Iterable[Quality]) -> Table:
    table = _table("Scores over seeds, and the difference to the idiomatic peer", "data set", "variant", "score")
    for name in ("seeds", "mean", "standard deviation", "difference [95 % interval]", "within noise"):
        table.add_column(name, justify="right")
    for found in qualities:
        numbers = (str(found.seeds), f"{found.mean:.4f}", f"{found.deviation:.4f}")
        verdict = {None: "", True: "yes", False: "no"}[found.within_noise]
        label = VARIANTS[found.variant].label
        table.add_row(found.dataset, label, found.score, *numbers, difference(found), verdict)
    return table


def spread(values: Spread, form: str) -> str:
    """Median and range."""
    return f"{form.format(values.median)} [{form.format(values.low)}–{form.format(values.high)}]"


def difference(found: Quality) -> str:
    """Difference and interval, as far as there are any."""
    if found.difference is None:
        return ""
    if found.interval is None:
        return f"{found.difference:+.4f}"
    return f"{found.difference:+.4f} [{found.interval[0]:+.4f} to {found.interval[1]:+.4f}]"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table
