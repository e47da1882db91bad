"""Small multiples of curves, one panel per triple."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation.style import dress, no_data
from analysis.presentation.words import score_digits

PANELS_ABREAST = 3


@dataclass(frozen=True)
class Curve:
    """A curve of one triple."""

    triple_id: str  # its panel
    metric: str  # what is scored
    name: str  # its name in the legend, which has each name once
    about: str  # what it is, for the text beside the pointer
    axis: str  # what x is
    x: Sequence[float]  # its points
    y: Sequence[float]
    selected: float  # the x whose point has a ring
    colour: str  # of the line
    dash: str = "solid"


def curve_panels(titles: tuple[str, str], curves: Iterable[Curve]) -> go.Figure:
    """A panel per triple with its curves; metrics are named where there are several."""
    curves = [curve for curve in curves if curve.y]
    if not curves:
        return no_data(titles)
    metrics = {curve.triple_id: curve.metric for curve in curves}
    names, several = list(metrics), len(set(metrics.values())) > 1
    rows = -(-len(names) // PANELS_ABREAST)
    drawn = make_subplots(
        rows=rows,
        cols=min(PANELS_ABREAST, len(names)),
        subplot_titles=[_panel_title(name, metric if several else "") for name, metric in metrics.items()],
        horizontal_spacing=0.08,
        vertical_spacing=0.34 / rows,
    )
    shown: set[str] = set()
    for curve in curves:
        row, column = divmod(names.index(curve.triple_id), PANELS_ABREAST)
        line = _line(curve).update(legendgroup=curve.name, showlegend=curve.name not in shown)
        shown.add(curve.name)
        drawn.add_trace(line, row=row + 1, col=column + 1)
    legend = {"y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": 12}}
    dress(drawn, titles, height=190 + 190 * rows, margin={"t": 124, "b": 110}, legend=legend)
    return drawn.update_annotations(font={"size": 12})


def _panel_title(triple_id: str, metric: str) -> str:
    title = triple_id.replace("/", " / ")
    return f"{title}<br><span style='font-size:10px'>{metric}</span>" if metric else title


def _line(curve: Curve) -> go.Scatter:
    ringed = [value == curve.selected for value in curve.x]
    value = f"{curve.axis} %{{x:g}}: %{{y:.{score_digits(curve.metric)}f}}"
    return go.Scatter(
        x=curve.x,
        y=curve.y,
        name=curve.name,
        mode="lines+markers",
        line={"color": curve.colour, "width": 1.8, "dash": curve.dash},
        marker={
            "color": ["white" if ring else curve.colour for ring in ringed],
            "size": [10 if ring else 5 for ring in ringed],
            "line": {"color": curve.colour, "width": [2.5 if ring else 0 for ring in ringed]},
        },
        hovertemplate=f"{curve.about}<br>{value}<extra>{curve.name}</extra>",
    )
