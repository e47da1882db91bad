"""The best score so far by the number of configurations tried, a panel per triple. No arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation import BLUE, GREEN, INK, ORANGE, PURPLE, RED, SKY, dress, no_data, score, score_digits
from analysis.searches.findings import ComparedTriple, SearchRun
from study.config import Strategy

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
TITLES = ("What each search has found", "Best validation score by configurations tried; dashed: the best of the grid")
COLUMNS, ROW_HEIGHT, HEAD = 2, 330, 150  # panels side by side; pixels


def best_so_far(found: Sequence[ComparedTriple]) -> go.Figure:
    """Steps, one line a study; a whole grid, whose order means nothing, is the dashed line of its best."""
    if not any(run.attempts for triple in found for run in triple.runs):
        return no_data(TITLES)
    columns = min(COLUMNS, len(found))
    rows = -(-len(found) // columns)
    drawn = make_subplots(
        rows=rows,
        cols=columns,
        horizontal_spacing=0.1,
        vertical_spacing=min(0.3, 100 / (ROW_HEIGHT * rows)),
        subplot_titles=[f"{triple.triple.triple_id} ({triple.metric})" for triple in found],
    )
    for index, triple in enumerate(found):
        place = {"row": index // columns + 1, "col": index % columns + 1}
        for colour, run in zip(cycle(COLOURS), triple.runs, strict=False):
            if not (run.strategy is Strategy.GRID and run.finished):
                drawn.add_trace(_line(run, triple, colour, named=index == 0), **place)
        if triple.optimum is not None:
            drawn.add_hline(y=triple.optimum, line={"color": INK, "width": 1.5, "dash": "dash"}, **place)
        drawn.update_yaxes(tickformat=f".{score_digits(triple.metric) - 1}f", **place)
    height = HEAD + ROW_HEIGHT * rows
    legend = {"y": 1 + 46 / (height - HEAD), "yanchor": "bottom"}
    dress(drawn, TITLES, height=height, margin={"t": HEAD - 10, "b": 60}, legend=legend)
    return drawn.update_xaxes(rangemode="tozero").update_xaxes(title="configurations", row=rows)


def _line(run: SearchRun, triple: ComparedTriple, colour: str, *, named: bool) -> go.Scatter:
    scores = run.best_so_far
    best = run.best
    details = score(best.test, triple.metric) if best else ""
    return go.Scatter(
        x=list(range(1, len(scores) + 1)),
        y=scores,
        name=run.study if run.strategy in run.study else f"{run.study} ({run.strategy})",
        legendgroup=run.study,
        showlegend=named,
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "shape": "hv"},
        marker={"size": [0] * (len(scores) - 1) + [9]},  # where it ends
        hovertemplate=f"<b>{run.study}</b>, %{{x}} configurations: %{{y}}<br>its best tests {details}<extra></extra>",
    )
