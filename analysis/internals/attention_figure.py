"""The figure of attention side by side (C, figure 5). No arithmetic."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.internals.attention import Attention, HeadView
from analysis.internals.findings import Triples
from analysis.presentation import BLUE, SOFT, dress

SIDE_BY_SIDE = (
    "What students attend to, beside their teacher",
    "Each row is a token, each column what it attends to; KL: divergence from the teacher's head",
)
PANEL, GAP = 270, 110  # pixels: a panel's height, and what stands between two


def side_by_side(triples: Triples) -> go.Figure:
    """One head of the teacher and of two students, triple by triple."""
    shown = [(triple.name, triple.attention) for triple in triples if triple.attention]
    rows = len(shown)
    drawn = make_subplots(
        rows=rows,
        cols=3,
        horizontal_spacing=0.02,
        vertical_spacing=GAP / (rows * PANEL + (rows - 1) * GAP),
        shared_yaxes=True,
        subplot_titles=[title for name, found in shown for title in _titles(name, found)],
    )
    for row, (_, found) in enumerate(shown, start=1):
        for column, values in enumerate((found.view.teacher, found.view.before, found.view.after), start=1):
            drawn.add_trace(_heatmap(found.view, values), row=row, col=column)
            drawn.update_xaxes(**_axis(found.view), tickangle=-90, row=row, col=column)
            drawn.update_yaxes(**_axis(found.view), autorange="reversed", row=row, col=column)
    dress(drawn, SIDE_BY_SIDE, height=110 + rows * PANEL + rows * GAP, margin={"t": 110, "l": 96, "b": 90})
    scale = {"colorscale": [[0, "#f4f6f8"], [1, BLUE]], "cmin": 0, "cmax": 1, "colorbar": _BAR}
    return drawn.update_layout(coloraxis=scale).update_annotations(font_size=13)


def _titles(name: str, found: Attention) -> tuple[str, str, str]:
    view = found.view
    before, after = (f"KL {value:.3f}" for value in view.divergences)
    return (
        f"<b>{name}</b>, teacher: layer {view.teacher_layer}, head {view.head}",
        f"<b>{found.first}</b>, layer {view.layer}: {before}",
        f"<b>{found.other}</b>, layer {view.layer}: {after}",
    )


def _heatmap(view: HeadView, values: object) -> go.Heatmap:
    return go.Heatmap(
        z=values,
        customdata=[[(own, other) for other in view.tokens] for own in view.tokens],
        coloraxis="coloraxis",
        xgap=1,
        ygap=1,
        hovertemplate="%{customdata[0]} attends to %{customdata[1]}: %{z:.3f}<extra></extra>",
    )


def _axis(view: HeadView) -> dict[str, object]:
    """Tokens by their places: one may stand twice."""
    places = {"tickvals": list(range(len(view.tokens))), "ticktext": list(view.tokens)}
    return {**places, "showgrid": False, "tickfont": {"size": 10, "color": SOFT}, "ticklabelstandoff": 3}


_BAR = {
    "title": {"text": "attention", "font": {"size": 12, "color": SOFT}},
    "thickness": 10,
    "len": 200,
    "lenmode": "pixels",
    "y": 1,
    "yanchor": "top",
    "outlinewidth": 0,
}
