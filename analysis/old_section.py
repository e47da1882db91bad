"""What a section of the report is: a figure that answers a question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import plotly.graph_objects as go

from analysis.old_findings import Findings


def _nothing(_: Findings) -> str:
    return ""


@dataclass(frozen=True)
class OldSection:
    """One figure of the report.

    Attributes:
        name: Its file name, without an ending, and its place in the page.
        question: The heading.
        draw: Draws it.
        reading: What it says, in a sentence; None where there is nothing to say yet.
        caption: What was computed.
        pools: Whether it pools the gains of all triples.
        details: What stands below it, as HTML.
    """

    name: str
    question: str
    draw: Callable[[Findings], go.Figure]
    reading: Callable[[Findings], str | None]
    caption: str
    pools: bool = False
    details: Callable[[Findings], str] = _nothing
