"""The pieces of the report's page. Everything that comes from users or records is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from plotly.offline import get_plotlyjs

from analysis.wording import MISSING

FILTER = """
for (const box of document.querySelectorAll('.filterable')) {
  const word = box.querySelector('input'), [group, data] = box.querySelectorAll('select');
  const rows = [...box.querySelectorAll('tbody tr')], shown = box.querySelector('output');
  const fits = (select, value) => !select.value || select.value === value;
  const apply = () => {
    const wanted = word.value.toLowerCase();
    for (const row of rows) {
      row.hidden = !(fits(group, row.dataset.group) && fits(data, row.dataset.set)
        && row.textContent.toLowerCase().includes(wanted));
    }
    shown.textContent = rows.filter(row => !row.hidden).length + ' of ' + rows.length;
  };
  box.querySelector('form').onsubmit = () => false;
  for (const control of [word, group, data]) control.oninput = apply;
  apply();
}
"""  # shows the rows of a table that hold a word; without scripts all rows are shown
CONTENT_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(title: str, header: str, body: Iterable[str], footer: str) -> str:
    """The whole page, self-contained: it loads nothing, and its content policy forbids it to."""
    style = files("analysis").joinpath("report.css").read_text(encoding="utf-8")
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n<script>{get_plotlyjs()}</script>\n</head>\n<body>",
            f"<header>{header}</header>\n<main>",
            *body,
            f"</main>\n<footer>{footer}</footer>\n<script>{FILTER}</script>\n</body>\n</html>\n",
        )
    )


def section(anchor: str, title: str, *content: str, kind: str = "") -> str:
    """A card with a heading that the navigation can reach."""
    named = f' class="{kind}"' if kind else ""
    inner = "\n".join(part for part in content if part)
    return f'<section id="{anchor}"{named}>\n<h2>{escape(title)}</h2>\n{inner}\n</section>'


def paragraph(text: str | None, kind: str = "") -> str:
    """A paragraph; nothing for no text."""
    named = f' class="{kind}"' if kind else ""
    return f"<p{named}>{escape(text)}</p>" if text else ""


def bullets(sentences: Sequence[str]) -> str:
    """A list; nothing for no sentences."""
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>" if sentences else ""


def tiles(pairs: Iterable[tuple[str, str]]) -> str:
    """Big numbers, each with what it is."""
    cards = (f'<div class="tile"><b>{escape(number)}</b><span>{escape(what)}</span></div>' for number, what in pairs)
    return f'<div class="tiles">{"".join(cards)}</div>'


def navigation(links: Iterable[tuple[str, str]]) -> str:
    """Links to the page's sections."""
    inner = "".join(f'<a href="#{anchor}">{escape(text)}</a>' for anchor, text in links)
    return f"<nav>{inner}</nav>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms, each with its description."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in pairs) + "</dl>"


def code(text: str) -> str:
    """A block of code."""
    return f"<pre>{escape(text)}</pre>"


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
