"""The best score so far by the number of configurations tried, a panel per triple. No arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import plotly.graph_objects as go

from analysis.presentation import charts, score, score_digits, style
from analysis.searches.findings import ComparedTriple, SearchRun
from study.config import Strategy

COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.RED)
TITLES = ("What each search has found", "Best validation score by configurations tried; dashed: the best of the grid")
COLUMNS, ROW_HEIGHT, HEAD = 2, 330, 150  # panels side by side; pixels


def best_so_far(found: Sequence[ComparedTriple]) -> go.Figure:
    """Steps, one line a study; a whole grid, whose order means nothing, is the dashed line of its best."""
    if not any(run.attempts for triple in found for run in triple.runs):
        return style.no_data(TITLES)
    rows = -(-len(found) // COLUMNS)
    headings = [f"{triple.triple.triple_id} ({triple.metric})" for triple in found]
    drawn = charts.panels(headings, COLUMNS, across=0.1, down=min(0.3, 100 / (ROW_HEIGHT * rows)), size=16)
    for place, triple in charts.placed(found, COLUMNS):
        for colour, run in zip(cycle(COLOURS), triple.runs, strict=False):
            if not (run.strategy is Strategy.GRID and run.finished):
                drawn.add_trace(_line(run, triple, colour), **place)
        if triple.optimum is not None:
            drawn.add_hline(y=triple.optimum, line={"color": style.INK, "width": 1.5, "dash": "dash"}, **place)
        drawn.update_yaxes(tickformat=f".{score_digits(triple.metric) - 1}f", **place)
    charts.name_once(drawn)
    height = HEAD + ROW_HEIGHT * rows
    legend = {"y": 1 + 46 / (height - HEAD), "yanchor": "bottom"}
    style.dress(drawn, TITLES, height=height, margin={"t": HEAD - 10, "b": 60}, legend=legend)
    return drawn.update_xaxes(rangemode="tozero").update_xaxes(title="configurations", row=rows)


def _line(run: SearchRun, triple: ComparedTriple, colour: str) -> go.Scatter:
    scores, places = run.best_so_far, list(range(1, len(run.best_so_far) + 1))
    details = score(run.best.test, triple.metric) if run.best else ""
    hover = f"<b>{run.study}</b>, %{{x}} configurations: %{{y}}<br>its best tests {details}"
    name = run.study if run.strategy in run.study else f"{run.study} ({run.strategy})"
    sizes = [0] * (len(scores) - 1) + [9]  # where it ends
    return charts.line(places, scores, colour, hover, 2.5, name=name, line_shape="hv", marker_size=sizes)
