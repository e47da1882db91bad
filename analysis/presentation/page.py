"""The report's page, from its template. Jinja2 escapes all texts; figures, style and scripts are marked as safe."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs

HERE = Path(__file__).parent


def render_page(**content: object) -> str:
    """Fill in ``page.html.j2``; a text that the template wants and does not get is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (HERE / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(style=style, plotly=get_plotlyjs(), **content)
