"""The findings as tables for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.findings import Findings, Quality, Spread
from benchmarks.grid import VARIANTS


def print_tables(findings: Findings, console: Console) -> None:
    """Times, ratios and quality."""
    for table in (_times(findings), _ratios(findings), _qualities(findings)):
        console.print(table)


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


def _qualities(findings: Findings) -> Table:
    table = _table("Scores over seeds, and the difference to the idiomatic peer", "data set", "variant", "score")
    for name in ("seeds", "mean", "standard deviation", "difference [95 % interval]", "within noise"):
        table.add_column(name, justify="right")
    for found in findings.qualities:
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
