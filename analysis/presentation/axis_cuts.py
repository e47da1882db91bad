"""Axes of gains that end before the greatest ones: a baseline near 0 makes gains without bound."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from analysis.presentation.style import SOFT
from analysis.presentation.words import signed_percent

CUT_ABOVE, CUT = 5.0, 2.0  # an axis with gains above the first ends at the second


def axis_cut(gains: Sequence[float]) -> float:
    """Where the axis ends, so that the other gains can be told apart; infinity if nowhere."""
    return CUT if max(gains, default=0.0) > CUT_ABOVE else float("inf")


def note_cut(drawn: go.Figure, gains: Sequence[float], cut: float, **place: object) -> None:
    """Say what a cut axis leaves out."""
    above = [gain for gain in gains if gain > cut]
    if above:
        text = f"axis cut at {signed_percent(cut, 0)}: {len(above)} above it, up to {signed_percent(max(above), 0)}"
        drawn.add_annotation(text=text, font={"size": 11, "color": SOFT}, showarrow=False, **place)
