"""Figures as files: interactive pages that share one plotly.js, and pictures where a browser can draw them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import plotly.graph_objects as go
import plotly.io as pio
from plotly.offline import get_plotlyjs

from analysis.presentation.style import WIDTH

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtons": [["toImage"]]}
PICTURES = ("svg", "png")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title><script src="plotly.min.js"></script></head>
<body style="margin:0 auto;max-width:{width}px">{figure}</body></html>
"""


def write_figures(figures: Mapping[str, go.Figure], folder: Path, formats: Iterable[str]) -> str | None:
    """Write each figure in each format.

    Args:
        figures: Figures by file name, without an ending.
        folder: Where to; made if needed.
        formats: Of ``html``, ``svg`` and ``png``.

    Returns:
        Why there are no pictures, if they could not be drawn; None if all is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    formats = tuple(formats)
    if "html" in formats:
        (folder / "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")
        for name, figure in figures.items():
            page = PAGE.format(name=name, width=WIDTH, figure=fragment(name, figure))
            (folder / f"{name}.html").write_text(page, encoding="utf-8")
    pictures = [ending for ending in PICTURES if ending in formats]
    return _write_pictures(figures, folder, pictures) if pictures else None


def fragment(name: str, figure: go.Figure) -> str:
    """A figure as HTML that expects plotly.js on its page."""
    return str(pio.to_html(figure, config=CONFIG, include_plotlyjs=False, full_html=False, div_id=name))


def _write_pictures(figures: Mapping[str, go.Figure], folder: Path, endings: list[str]) -> str | None:
    """All pictures in one start of the browser. kaleido needs one, and many machines have none."""
    wanted = [(figure, folder / f"{name}.{ending}") for name, figure in figures.items() for ending in endings]
    try:
        with _quiet("choreographer", "kaleido"):
            pio.write_images(
                fig=[figure for figure, _ in wanted],
                file=[path for _, path in wanted],
                width=WIDTH,
                height=[figure.layout.height for figure, _ in wanted],
                scale=2,
            )
    except Exception as error:  # kaleido, its browser and its pipes raise whatever they like; the report must not fail
        reason = " ".join(str(error).split()).split(". ")[0][:160] or type(error).__name__
        return f"No {' or '.join(endings)} pictures (they need kaleido and Chrome or Chromium): {reason}"
    return None


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Without the log messages of these libraries."""
    levels = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
