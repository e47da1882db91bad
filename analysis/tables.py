"""Every result as a table: a data frame with documented columns, exported as CSV and JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import shape_tables, transfer_tables
from analysis.findings import Findings
from analysis.table_columns import BY_TASK, COLUMNS, DESCRIPTIONS, OF_CHOICES, OF_STEPS
from analysis.table_rows import ROWS, Rows


@dataclass(frozen=True)
class Table:
    """One result as a table.

    Attributes:
        name: Its file name, without an ending.
        description: What a row is, and how it was computed.
        columns: Meaning of each column.
        frame: The rows; missing values are None or NaN.
    """

    name: str
    description: str
    columns: dict[str, str]
    frame: pd.DataFrame


def tables(findings: Findings) -> dict[str, Table]:
    """All tables by name; those by task, of choices, of shapes and of transfer only where the study has them."""
    wanted = {name: rows for name, rows in ROWS.items() if _is_wanted(name, findings)}
    found = {name: _table(name, rows(findings)) for name, rows in wanted.items()}
    found |= {name: _shape_table(name, findings) for name in shape_tables.shape_tables(findings)}
    return found | {name: _transfer_table(name, findings) for name in transfer_tables.transfer_tables(findings)}


def write_tables(found: dict[str, Table], folder: Path) -> None:
    """Write each table as ``.csv`` and ``.json`` (rows and column meanings), and a README of all columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in found.values():
        table.frame.to_csv(folder / f"{table.name}.csv", index=False, lineterminator="\n")
        (folder / f"{table.name}.json").write_text(to_json(table), encoding="utf-8")
    (folder / "README.md").write_text("\n\n".join(_readme(table) for table in found.values()) + "\n", encoding="utf-8")


def to_json(table: Table) -> str:
    """Description, columns and rows; missing values are null."""
    content = {"description": table.description, "columns": table.columns, "rows": plain_rows(table)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain_rows(table: Table) -> list[dict[str, Any]]:
    """Rows as plain values; missing ones are None."""
    return [
        {str(key): None if pd.isna(value) else value for key, value in row.items()}
        for row in table.frame.astype(object).to_dict("records")
    ]


def _is_wanted(name: str, findings: Findings) -> bool:
    if name == "experiments":
        return bool(findings.experiments)
    if not findings.compares_choices:
        return name not in OF_CHOICES
    if not findings.compares_steps and name in OF_STEPS:
        return False
    return bool(findings.by_task) or name not in BY_TASK


def _shape_table(name: str, findings: Findings) -> Table:
    columns = shape_tables.COLUMNS[name]
    frame = pd.DataFrame(list(shape_tables.ROWS[name](findings)), columns=list(columns))
    return Table(name, shape_tables.DESCRIPTIONS[name], columns, frame)


def _transfer_table(name: str, findings: Findings) -> Table:
    assert findings.transfer is not None  # else it has no such tables
    columns = transfer_tables.COLUMNS[name]
    frame = pd.DataFrame(list(transfer_tables.ROWS[name](findings.transfer)), columns=list(columns))
    return Table(name, transfer_tables.DESCRIPTIONS[name], columns, frame)


def _table(name: str, rows: Rows) -> Table:
    columns = COLUMNS[name]
    return Table(name, DESCRIPTIONS[name], columns, pd.DataFrame(list(rows), columns=list(columns)))


def _readme(table: Table) -> str:
    lines = [f"- `{column}`: {meaning}" for column, meaning in table.columns.items()]
    return "\n".join([f"## {table.name}", "", table.description, "", *lines])
