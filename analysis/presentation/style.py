"""How figures look: one template, one colour per meaning (Okabe and Ito's palette, safe for the colour-blind)."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.results import Role

FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"
INK, SOFT, GRID, FAINT = "#1f2933", "#52606d", "#e4e7eb", "#9aa5b1"
BLUE, SKY, GREEN, ORANGE, RED, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#D18F00", "#D55E00", "#CC79A7"
WIDTH, HEIGHT = 960, 500  # pixels; on the page the width follows the window
PERCENT = "+.1~%"
Titles = tuple[str, str]  # a figure's title, and what it shows

ROLE_COLOURS = {
    Role.TEACHER: INK,
    Role.BEST: BLUE,
    Role.STABLE: GREEN,
    Role.RANDOM: ORANGE,
    Role.LAZY: PURPLE,
    Role.WORST: RED,
    Role.MAJORITY: FAINT,
}
ROLE_SYMBOLS = {
    Role.TEACHER: "line-ns",
    Role.BEST: "circle",
    Role.STABLE: "diamond",
    Role.RANDOM: "square",
    Role.LAZY: "triangle-up",
    Role.WORST: "x",
    Role.MAJORITY: "line-ns",
}
DIVERGING = [[0.0, RED], [0.5, "#f7f7f5"], [1.0, BLUE]]
PARAMETER_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)

_AXIS = {
    "gridcolor": GRID,
    "linecolor": GRID,
    "zeroline": False,
    "ticks": "",
    "automargin": True,
    "title": {"font": {"size": 13, "color": SOFT}, "standoff": 12},
    "tickfont": {"color": SOFT},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "title": {
            "x": 0,
            "xanchor": "left",
            "xref": "container",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"l": 24, "t": 20},
            "font": {"size": 18, "color": INK},
            "subtitle": {"font": {"size": 13, "color": SOFT}},
        },
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 72, "r": 40, "t": 96, "b": 48},
        "hoverlabel": {
            "bgcolor": "white",
            "bordercolor": GRID,
            "font": {"family": FONT, "color": INK},
            "align": "left",
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"color": SOFT}},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "colorway": list(PARAMETER_COLOURS),
    }
)


def dress(drawn: go.Figure, titles: Titles, height: int = HEIGHT, **layout: object) -> go.Figure:
    """Give a figure the house style.

    Args:
        drawn: The figure.
        titles: Its title, and what it shows.
        height: In pixels; the width is whatever there is.
        **layout: More keys of the layout.
    """
    title = {"text": f"<b>{titles[0]}</b>", "subtitle": {"text": titles[1]}}
    return drawn.update_layout(template=TEMPLATE, height=height, title=title, **layout)


def no_data(titles: Titles) -> go.Figure:
    """A figure that says that there is nothing to draw yet."""
    drawn = dress(go.Figure(), titles, height=220)
    drawn.update_xaxes(visible=False).update_yaxes(visible=False)
    return drawn.add_annotation(
        text="No data yet", x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 16, "color": FAINT}
    )


def below_title(height: int) -> dict[str, object]:
    """A legend between the figure's title and those of its panels."""
    return {"yref": "container", "y": 1 - 86 / height, "yanchor": "top"}


def tinted(colour: str, opacity: float) -> str:
    """A ``#rrggbb`` colour, transparent."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def spread(heights: list[float], gap: float) -> list[float]:
    """Heights of labels, moved apart so that neighbours are at least `gap` apart; order and mean stay."""
    placed: dict[int, float] = {}
    floor = float("-inf")
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        floor = placed[index] = max(heights[index], floor + gap)
    shift = (sum(placed.values()) - sum(heights)) / max(1, len(heights))
    return [placed[index] - shift for index in range(len(heights))]
