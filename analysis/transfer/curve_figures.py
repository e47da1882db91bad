"""Learning curves of D's questions: scores by labelled examples and by transfer rows. No arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import plotly.graph_objects as go

from analysis.presentation import Curve, at, curve_panels
from analysis.transfer.figures import KINDS
from analysis.transfer.findings import Groups
from analysis.transfer.students import Students
from analysis.transfer.words import group_name

LABELS = ("What few labels cost", "Test score by labelled training examples, means over seeds")
ROWS = ("What the transfer set is worth", "Test score by rows that the teacher predicts, means over seeds")
DRAWN = ("teacher", "no distillation", "hard", "soft")
TALLER = 1.4  # than other panels of curves, so that curves near each other can be told apart


def by_labels(groups: Groups) -> go.Figure:
    """Scores by labelled examples, a panel per teacher, student and source."""
    return _panels(groups, "labelled", "labelled examples", LABELS)


def by_transfer_rows(groups: Groups) -> go.Figure:
    """Scores by transfer rows, a panel per teacher, student, source and number of labelled examples."""
    return _panels(groups, "transfer", "transfer rows", ROWS)


def _panels(groups: Groups, size: str, axis: str, titles: tuple[str, str]) -> go.Figure:
    drawn = curve_panels(titles, (curve for group in groups for curve in _curves(group, size, axis)))
    for panel, group in zip(drawn.select_xaxes(), groups, strict=False):
        ticks = [getattr(each, size) for each in group]
        panel.update(tickvals=ticks, ticktext=[f"{number:,}" for number in ticks])
    drawn.update_layout(height=TALLER * drawn.layout.height)
    return drawn.update_xaxes(type="log", title=axis, minor={"ticks": ""})


def _curves(group: Students, size: str, axis: str) -> Iterator[Curve]:
    panel = group_name(group) + (f", {group[0].labelled:,} labels" if size == "transfer" else "")
    for name in DRAWN:
        colour, _, score = KINDS[name]
        known = [(getattr(each, size), value) for each in group if (value := at(each, score)) is not None]
        yield Curve(
            triple_id=panel,
            metric=group[0].metric,
            name=name,
            about=panel,
            axis=axis,
            x=[rows for rows, _ in known],
            y=[value for _, value in known],
            selected=0,  # none
            colour=colour,
            dash="dash" if name == "teacher" else "solid",
        )
