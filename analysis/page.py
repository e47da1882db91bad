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


def filterable(columns: Sequence[str], rows: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """A table that can be searched, and cut down to a group or a data set.

    Args:
        columns: Heads of the columns.
        rows: Each row's data set, group and cells; the cells are ready HTML.
    """
    groups, sets = list(dict.fromkeys(row[1] for row in rows)), list(dict.fromkeys(row[0] for row in rows))
    controls = (
        '<form><input type="search" placeholder="search" aria-label="search">'
        f"{_select('all groups', groups)}{_select('all data sets', sets)}<output></output></form>"
    )
    head = "".join(_cell("th", name, False) for name in columns)
    body = "".join(
        f'<tr data-set="{escape(name)}" data-group="{escape(group)}">{"".join(cells)}</tr>'
        for name, group, cells in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="filterable">{controls}<div class="scroll tall">{table}</div></div>'


def _select(every: str, values: Sequence[str]) -> str:
    options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
    return f'<select aria-label="{escape(every)}"><option value="">{escape(every)}</option>{options}</select>'


def _cell(tag: str, text: str, number: bool) -> str:
    marks = (("number", number), ("missing", text == MISSING), ("strong", isinstance(text, _Strong)))
    kinds = [kind for kind, holds in marks if holds]
    named = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{named}>{escape(text)}</{tag}>"
