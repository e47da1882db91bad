"""The shapes that figures are made of: dots, lines, panels, maps. Data in, traces and figures out; no arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation.style import INK, SOFT, Titles, dress, no_data
from analysis.presentation.words import score_digits, signed_percent

CUT_ABOVE, CUT = 5.0, 2.0  # an axis with gains above the first ends at the second
PANELS_ABREAST = 3
ZERO = {"color": INK, "width": 1}  # the line at 0
LEGEND_BELOW = {"y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": 12}}
Item = TypeVar("Item")
Values = Sequence[Any]


# ---- traces ----------------------------------------------------------------------------------------------------------


def dots(x: Values, y: Values, colour: Any, hover: str = "", size: float = 9, **more: Any) -> go.Scatter:
    """Dots in one colour, or in a colour each; `more` are keys of the trace."""
    drawn = go.Scatter(x=x, y=y, mode="markers", marker={"color": colour, "size": size})
    return drawn.update(**_beside_pointer(hover), **more)


def line(
    x: Sequence[Any], y: Sequence[Any], colour: str, hover: str = "", width: float = 1.5, **more: Any
) -> go.Scatter:
    """A line with its points; `more` are keys of the trace."""
    drawn = go.Scatter(x=x, y=y, mode="lines+markers", line={"color": colour, "width": width})
    return drawn.update(**_beside_pointer(hover), **more)


def median(row: str, value: float | None, text: str, colour: str, **more: Any) -> go.Scatter:
    """The bar of a row of dots, with its value above it."""
    look: dict[str, Any] = {
        "marker_symbol": "line-ns",
        "marker_line": {"color": colour, "width": 3},
        "textposition": "top center",
    }
    return dots([value], [row], None, size=26, **look, **more).update(mode="markers+text", text=[text])


def bars(rows: Sequence[str], sizes: Values, colour: str, hover: str = "", **more: Any) -> go.Bar:
    """Horizontal bars; `more` are keys of the trace."""
    drawn = go.Bar(x=sizes, y=rows, orientation="h", marker={"color": colour})
    return drawn.update(**_beside_pointer(hover), **more)


def text_inside(texts: Sequence[str], colour: str = "white") -> dict[str, Any]:
    """A text in each bar."""
    look = {"textposition": "inside", "insidetextanchor": "middle", "textfont": {"color": colour}}
    return {"text": texts, **look}


def rings(ringed: Sequence[bool], colour: str, size: float = 5, width: float = 2.5) -> dict[str, Any]:
    """Markers of a line, some of them rings."""
    return {
        "color": ["white" if ring else colour for ring in ringed],
        "size": [10 if ring else size for ring in ringed],
        "line": {"color": colour, "width": [width if ring else 0 for ring in ringed]},
    }


def spans(middles: Sequence[float], ends: Iterable[Sequence[float]], colour: str | None = None, **look: Any) -> Any:
    """Error bars from the low to the high end of each span."""
    pairs = list(zip(middles, ends, strict=True))
    above, below = [high - middle for middle, (_, high) in pairs], [middle - low for middle, (low, _) in pairs]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "color": colour, **look}


def _beside_pointer(text: str) -> dict[str, str]:
    """What the reader sees at a point; a text with an ``<extra>`` of its own has the trace's name in it."""
    if not text:
        return {"hoverinfo": "skip"}
    return {"hovertemplate": text if "<extra>" in text else f"{text}<extra></extra>"}


# ---- figures ---------------------------------------------------------------------------------------------------------


def panels(
    headings: Sequence[str], abreast: int, *, across: float, down: float = 0, size: int = 12, **more: Any
) -> go.Figure:
    """Small multiples, row by row.

    Args:
        headings: One for each panel.
        abreast: How many stand side by side.
        across: The gap between two side by side, as a share of the figure's width.
        down: The gap between two rows, as a share of its height.
        size: That of the headings' letters.
        **more: Keys of `make_subplots`.
    """
    shape = {"rows": -(-len(headings) // abreast), "cols": min(abreast, len(headings))}
    gaps = {"horizontal_spacing": across, "vertical_spacing": down}
    drawn = make_subplots(**shape, **gaps, subplot_titles=headings, **more)
    return drawn.update_annotations(font={"size": size})


def placed(items: Iterable[Item], abreast: int) -> Iterator[tuple[dict[str, int], Item]]:
    """Each panel's place in the figure, with what it shows."""
    for index, item in enumerate(items):
        yield {"row": index // abreast + 1, "col": index % abreast + 1}, item


def name_rows(drawn: go.Figure, names: Sequence[str], **more: Any) -> go.Figure:
    """Rows of dots in this order, the first one on top."""
    reach = [-0.6, len(names) - 0.4]
    return drawn.update_yaxes(categoryorder="array", categoryarray=[*reversed(names)], range=reach, **more)


def heat_map(
    titles: Titles,
    columns: Sequence[str],
    rows: Sequence[str],
    values: Sequence[Sequence[Any]],
    texts: Sequence[Sequence[str]],
    hover: str,
    *,
    height: int,
    top: int = 120,
    **more: Any,
) -> go.Figure:
    """A coloured table: a text in each cell, and a colour for its value; `more` are keys of the trace."""
    drawn = go.Figure(go.Heatmap(x=columns, y=rows, z=values, text=texts, texttemplate="%{text}"))
    drawn.update_traces(hoverongaps=False, xgap=3, ygap=3, showscale=False, **_beside_pointer(hover), **more)
    dress(drawn, titles, height=height, margin={"t": top, "b": 24})
    return drawn.update_xaxes(side="top", showgrid=False, tickangle=0).update_yaxes(showgrid=False, ticklabelstandoff=8)


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


def curve_panels(titles: Titles, curves: Iterable[Curve]) -> go.Figure:
    """A panel per triple with its curves; metrics are named where there are several."""
    curves = [curve for curve in curves if curve.y]
    if not curves:
        return no_data(titles)
    metrics = {curve.triple_id: curve.metric for curve in curves}
    several, rows = len(set(metrics.values())) > 1, -(-len(metrics) // PANELS_ABREAST)
    headings = [_panel_title(name, metric if several else "") for name, metric in metrics.items()]
    drawn = panels(headings, PANELS_ABREAST, across=0.08, down=0.34 / rows)
    places = {name: place for place, name in placed(metrics, PANELS_ABREAST)}
    for curve in curves:
        marker = rings([value == curve.selected for value in curve.x], curve.colour)
        value = f"{curve.axis} %{{x:g}}: %{{y:.{score_digits(curve.metric)}f}}<extra>{curve.name}</extra>"
        look = {"marker": marker, "line_dash": curve.dash, "name": curve.name}
        drawn_line = line(curve.x, curve.y, curve.colour, f"{curve.about}<br>{value}", 1.8, **look)
        drawn.add_trace(drawn_line, **places[curve.triple_id])
    name_once(drawn)
    return dress(drawn, titles, height=190 + 190 * rows, margin={"t": 124, "b": 110}, legend=LEGEND_BELOW)


def name_once(drawn: go.Figure) -> None:
    """Have each name once in the legend, which shows and hides all traces of the name."""
    named: set[str] = set()
    for trace in drawn.data:
        trace.update(legendgroup=trace.name, showlegend=trace.name not in named)
        named.add(trace.name)


def _panel_title(triple_id: str, metric: str) -> str:
    title = triple_id.replace("/", " / ")
    return f"{title}<br><span style='font-size:10px'>{metric}</span>" if metric else title


# ---- axes of gains ---------------------------------------------------------------------------------------------------


def axis_cut(gains: Sequence[float]) -> float:
    """Where the axis ends, so that the other gains can be told apart; infinity if nowhere.

    A baseline near 0 makes gains without bound.
    """
    return CUT if max(gains, default=0.0) > CUT_ABOVE else float("inf")


def note_cut(drawn: go.Figure, gains: Sequence[float], cut: float, **place: object) -> None:
    """Say what a cut axis leaves out."""
    above = [gain for gain in gains if gain > cut]
    if above:
        text = f"axis cut at {signed_percent(cut, 0)}: {len(above)} above it, up to {signed_percent(max(above), 0)}"
        drawn.add_annotation(text=text, font={"size": 11, "color": SOFT}, showarrow=False, **place)
