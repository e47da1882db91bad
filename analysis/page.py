"""The pieces of the report's page. Everything that comes from users or records is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from analysis.presentation import MISSING


def paragraph(text: str | None, kind: str = "") -> str:
    """A paragraph; nothing for no text."""
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{escape(text)}</p>" if text else ""


def bullets(sentences: Sequence[str]) -> str:
    """A list; nothing for no sentences."""
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>" if sentences else ""


def fold(title: str, content: str, *, opened: bool = False) -> str:
    """Something to open on demand."""
    return f"<details{' open' if opened else ''}><summary>{escape(title)}</summary>{content}</details>"


class _Strong(str):
    """A cell that stands out."""


def strong(text: str) -> str:
    """The text of a table's cell that stands out."""
    return _Strong(text)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """A table of ready texts; the last `numbers` columns are aligned as numbers, missing cells are grey."""
    first_number = len(columns) - numbers
    head = "".join(_cell("th", name, index >= first_number) for index, name in enumerate(columns))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, index >= first_number) for index, text in enumerate(row))}</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(tag: str, text: str, number: bool) -> str:
    marks = (("number", number), ("missing", text == MISSING), ("strong", isinstance(text, _Strong)))
    kinds = [kind for kind, holds in marks if holds]
    named = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{named}>{escape(text)}</{tag}>"
