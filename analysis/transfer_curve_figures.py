"""Learning curves of D's questions: scores by labelled examples and by transfer rows. No arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation import below_title, dress, no_data
from analysis.transfer import Distilled
from analysis.transfer_figures import KINDS
from analysis.transfer_wording import group_name

LABELS = ("What few labels cost", "Test score by labelled training examples, means over seeds")
ROWS = ("What the transfer set is worth", "Test score by rows that the teacher speaks about, means over seeds")
DRAWN = ("teacher", "no distillation", "hard", "soft")
COLUMNS = 3  # panels side by side


def by_labels(groups: Sequence[Sequence[Distilled]]) -> go.Figure:
    """Scores by labelled examples, a panel per teacher, student and source."""
    return _curves(groups, lambda each: each.labelled, "labelled examples", LABELS)


def by_transfer(groups: Sequence[Sequence[Distilled]]) -> go.Figure:
    """Scores by transfer rows, a panel per teacher, student, source and number of labelled examples."""
    return _curves(groups, lambda each: each.transfer, "transfer rows", ROWS)


def _curves(
    groups: Sequence[Sequence[Distilled]], size: Callable[[Distilled], int], axis: str, titles: tuple[str, str]
) -> go.Figure:
    if not groups:
        return no_data(titles)
    rows, columns = -(-len(groups) // COLUMNS), min(COLUMNS, len(groups))
    height = 180 + 320 * rows
    drawn = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=0.08,
        vertical_spacing=min(0.3, 110 / height),
        subplot_titles=[f"<b>{group_name(group)}</b>" for group in groups],
    )
    drawn.update_annotations(font={"size": 12})
    for place, group in enumerate(groups):
        row, column = place // COLUMNS + 1, place % COLUMNS + 1
        for name in DRAWN:
            drawn.add_trace(_line(name, group, size, legend=place == 0), row=row, col=column)
        ticks = [size(each) for each in group]
        drawn.update_xaxes(tickvals=ticks, ticktext=[f"{number:,}" for number in ticks], row=row, col=column)
    dress(drawn, titles, height=height, margin={"t": 164}, legend=below_title(height))
    return drawn.update_xaxes(type="log", title=axis, minor={"ticks": ""})


def _line(name: str, group: Sequence[Distilled], size: Callable[[Distilled], int], *, legend: bool) -> go.Scatter:
    colour, _, pick = KINDS[name]
    known = [(size(each), value) for each in group if (value := pick(each)) is not None]
    return go.Scatter(
        x=[rows for rows, _ in known],
        y=[value for _, value in known],
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": "dash" if name == "teacher" else "solid"},
        hovertemplate=f"{name}, %{{x:,}}: %{{y:.4f}}<extra></extra>",
    )
