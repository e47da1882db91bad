"""Tables: each column is defined once, for the page and for the exported files alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from analysis.presentation.words import MISSING, score

Result = TypeVar("Result")
Row = TypeVar("Row")


class Strong(str):
    """The text of a cell that stands out."""


Value = str | Callable[[Row], Any]  # a function of a row, or the path to a value such as ``gain.relative``


def at(row: Any, value: Value[Any]) -> Any:
    """A value of a row, which is an object or a mapping of its parts; None where a part of the path is None."""
    if callable(value):
        return value(row)
    for name in value.split("."):
        row = row[name] if isinstance(row, Mapping) else getattr(row, name)
        if row is None:
            return None
    return row


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table."""

    key: str  # its name in files; "" keeps it out of them
    value: Value[Row]  # what files hold: a plain value, None where it is missing
    description: str = ""  # what it means, for the files' README
    heading: str | None = None  # its name on the page; None keeps it off the page
    # how the page writes it, from the row. `Strong` stands out, `Markup` is no plain text
    words: Callable[[Row], str] | None = None
    number: bool = False  # whether the page aligns it as a number
    kind: Callable[[Row], str] | None = None  # a class of the page's style for a cell
    # how the page writes it, from the value; the value as text if there are no `words` either
    format: Callable[[Any], str] | None = None
    optional: bool = False  # whether the page leaves it out of a table in which no row has a value

    def plain(self, row: Row) -> Any:
        """What files hold."""
        value = at(row, self.value)
        return str(value) if isinstance(value, StrEnum) else value

    def cell(self, row: Row) -> Cell:
        """What the page shows."""
        value = self.words(row) if self.words else at(row, self.value)
        value = self.format(value) if self.format else value
        text = MISSING if value is None else value if isinstance(value, str) else str(value)
        marks = (("number", self.number), ("missing", text == MISSING), ("strong", isinstance(text, Strong)))
        kinds = [kind for kind, holds in marks if holds] + ([self.kind(row)] if self.kind else [])
        return Cell(text, " ".join(filter(None, kinds)))


def shown(
    heading: str, value: Value[Row], *, number: bool = False, kind: Callable[[Row], str] | None = None
) -> Column[Row]:
    """A column of the page alone."""
    return Column("", value, heading=heading, number=number, kind=kind)


def cell_columns(headings: Iterable[str]) -> list[Column[Any]]:
    """Columns of the page whose headings are no fixed ones: of rows that have their ``cells`` in order."""
    return [_cell_column(place, heading) for place, heading in enumerate(headings)]


def _cell_column(place: int, heading: str) -> Column[Any]:
    return shown(heading, lambda row: row["cells"][place], number=True)


def score_column(
    key: str, value: Value[Row], metric: Value[Row], description: str = "", heading: str | None = None
) -> Column[Row]:
    """A column of scores, which the page writes in the digits of each row's metric."""
    return Column(key, value, description, heading, lambda row: score(at(row, value), at(row, metric)), number=True)


@dataclass(frozen=True)
class Cell:
    """A cell of the page: its text, and its classes in the page's style."""

    text: str
    kind: str


@dataclass(frozen=True)
class PageTable:
    """A table as the page's template draws it."""

    title: str  # of a table that is folded away; "" for one that is not
    caption: str  # a paragraph above it
    headings: Sequence[Cell] = ()  # of the columns
    rows: Sequence[Sequence[Cell]] = ()  # their cells
    # the group and the data set of each row, where the page lets readers choose from them
    filters: Sequence[tuple[str, str]] = ()
    parts: Sequence[PageTable] = ()  # of a table that is folded by a name: a table for each


Text = str | Callable[[Result], str]  # a text, or the text for a result


def text_for(text: Text[Result], result: Result) -> str:
    """A text for a result."""
    return text if isinstance(text, str) else text(result)


@dataclass(frozen=True)
class Table(Generic[Result, Row]):
    """A table of a section: of its result's rows, in files, on the page, or both."""

    rows: Callable[[Result], Iterable[Row] | None]  # the rows of a result; None where the study has no such table
    columns: Sequence[Column[Row]] | Callable[[Result], Sequence[Column[Row]]]  # its columns, or those of a result
    name: str = ""  # its files' name, without an ending; "" for a table of the page alone
    description: str = ""  # what a row is and how it was computed, for the files' README
    title: Text[Result] = ""  # folds it away on the page, under this title
    caption: Text[Result] = ""  # a paragraph above it
    on_page: Callable[[Row], bool] = lambda _: True  # which rows the page shows
    fold_by: Callable[[Row], str] | None = None  # folds away one table for each of these names
    # the group and the data set of a row, for readers to choose from
    filters: Callable[[Row], tuple[str, str]] | None = None

    def columns_of(self, result: Result) -> Sequence[Column[Row]]:
        """The columns for a result."""
        return self.columns(result) if callable(self.columns) else self.columns

    def page_table(self, result: Result) -> PageTable | None:
        """What the page shows; None without rows or columns."""
        columns = [column for column in self.columns_of(result) if column.heading is not None]
        rows = [row for row in self.rows(result) or () if self.on_page(row)] if columns else []
        if not rows:
            return None
        title, caption = text_for(self.title, result), text_for(self.caption, result)
        if self.fold_by is None:
            return self._filled(title, caption, columns, rows)
        by_name: dict[str, list[Row]] = {}
        for row in rows:
            by_name.setdefault(self.fold_by(row), []).append(row)
        return PageTable(title, caption, parts=[self._filled(name, "", columns, own) for name, own in by_name.items()])

    def _filled(self, title: str, caption: str, columns: Sequence[Column[Row]], rows: Sequence[Row]) -> PageTable:
        columns = [column for column in columns if not column.optional or any(map(column.plain, rows))]
        headings = [Cell(column.heading or "", "number" if column.number else "") for column in columns]
        cells = [[column.cell(row) for column in columns] for row in rows]
        return PageTable(title, caption, headings, cells, [*map(self.filters, rows)] if self.filters else ())


@dataclass(frozen=True)
class ExportedTable:
    """A table as files hold it."""

    name: str  # its files' name, without an ending
    description: str  # what a row is, and how it was computed
    columns: dict[str, str]  # meaning of each column
    frame: pd.DataFrame  # the rows; missing values are None or NaN

    def plain_rows(self) -> list[dict[str, Any]]:
        """Rows as plain values; missing ones are None."""
        return [
            {str(key): None if pd.isna(value) else value for key, value in row.items()}
            for row in self.frame.astype(object).to_dict("records")
        ]

    def to_json(self) -> str:
        """Description, columns and rows; missing values are null."""
        content = {"description": self.description, "columns": self.columns, "rows": self.plain_rows()}
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def readme(self) -> str:
        """What the table and its columns mean."""
        lines = [f"- `{column}`: {meaning}" for column, meaning in self.columns.items()]
        return "\n".join([f"## {self.name}", "", self.description, "", *lines])


def exported(pairs: Iterable[tuple[Table[Any, Any], Any]]) -> dict[str, ExportedTable]:
    """The files' tables by name, from tables with their results; those of one name are joined, in order."""
    found: dict[str, tuple[Table[Any, Any], Sequence[Column[Any]], list[list[object]]]] = {}
    for table, result in pairs:
        rows = table.rows(result) if table.name else None
        if rows is not None:
            columns = [column for column in table.columns_of(result) if column.key]
            _, _, joined = found.setdefault(table.name, (table, columns, []))
            joined += [[column.plain(row) for column in columns] for row in rows]
    return {
        name: ExportedTable(
            name,
            table.description,
            {column.key: column.description for column in columns},
            pd.DataFrame(rows, columns=[column.key for column in columns]),
        )
        for name, (table, columns, rows) in found.items()
    }


def write_tables(tables: Mapping[str, ExportedTable], folder: Path) -> None:
    """Write each table as ``.csv`` and ``.json`` (rows and column meanings), and a README of all columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.frame.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        (folder / f"{name}.json").write_text(table.to_json(), encoding="utf-8")
    readme = "\n\n".join(table.readme() for table in tables.values())
    (folder / "README.md").write_text(readme + "\n", encoding="utf-8")
