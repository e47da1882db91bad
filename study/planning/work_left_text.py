"""The work that a study has left, as text and as a table."""

from __future__ import annotations

from rich.table import Table

from search_spaces import counted
from study.planning.work_left import WorkLeft


def describe_work_left(left: WorkLeft) -> str:
    """``about 1.3 h of work left (54.0 min to 1.6 h), 40.0 min with 2 workers``."""
    lower, expected, upper = (
        duration_text(3600 * hours) for hours in (left.hours.lower, left.hours.expected, left.hours.upper)
    )
    wall = duration_text(3600 * left.wall_hours.expected)
    workers = counted(left.workers, "worker")
    return f"about {expected} of work left ({lower} to {upper}), {wall} with {workers}"


def describe_hours(planned: float | None, left: WorkLeft | None) -> str:
    """Hours of the whole study: the planned ones, or the corrected ones once trials were measured."""
    shown = "unknown" if planned is None else f"about {planned:.1f}"
    if left is None:
        return shown if planned is None else f"{shown} (a rough estimate)"
    lower, expected, upper = (
        left.done_hours + each for each in (left.hours.lower, left.hours.expected, left.hours.upper)
    )
    corrected = f"about {expected:.2f} ({lower:.2f} to {upper:.2f}), {left.done_hours:.2f} of them done"
    return f"{corrected}; the plan was {shown}"


def work_left_table(left: WorkLeft) -> Table:
    """Hours of each triple: planned, corrected and done."""
    table = Table(title="hours of one worker, by triple", title_justify="left")
    for column in ("triple", "planned", "corrected", "done", "trials done", "trials left"):
        table.add_column(column, overflow="fold")
    for triple in left.triples:
        hours = (triple.planned_hours, triple.corrected_hours, triple.done_hours)
        shown = ["unknown" if value is None else f"{value:.2f}" for value in hours]
        fewest, most = round(triple.trials.lower), round(triple.trials.upper)
        ahead = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        table.add_row(triple.triple, *shown, str(triple.done), ahead)
    return table


def duration_text(seconds: float) -> str:
    """``95`` as ``1.6 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
