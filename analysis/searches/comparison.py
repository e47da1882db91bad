"""The files of a comparison, tables and figure, from the directories of studies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.presentation import exported, write_figures, write_tables
from analysis.searches.figures import best_so_far
from analysis.searches.findings import ComparedStudy, compare
from analysis.searches.tables import TABLES
from search_spaces import fault
from study.ledger import Ledger, open_study


def open_studies(places: Iterable[str]) -> tuple[ComparedStudy, ...]:
    """Studies with their records.

    Raises:
        InputError: One of the places is no study's directory, or is given twice.
    """
    found: dict[str, ComparedStudy] = {}
    for place in places:
        study, workspace = open_study(place)
        if workspace is None:
            raise fault(place, "(folder)", None, "is a file; give the study's directory, such as runs/name")
        if workspace.place in found:
            raise fault("command line", "DIR", place, "is given twice")
        found[workspace.place] = ComparedStudy(place, study, tuple(Ledger(workspace.ledger).refresh()))
    return tuple(found.values())


def write_comparison(
    studies: Sequence[ComparedStudy], out: Path, formats: Iterable[str] = ("html", "svg", "png")
) -> tuple[list[dict[str, Any]], str | None]:
    """Write ``tables/`` and ``figures/``.

    Args:
        studies: The studies.
        out: Where to; made if needed.
        formats: Formats of the figure.

    Returns:
        The rows of the table of searches, and why there are no pictures, if they could not be drawn.

    Raises:
        InputError: The studies do not compare, or the folder cannot be written.
    """
    found = compare(studies)
    tables = exported((table, found) for table in TABLES)
    try:
        write_tables(tables, out / "tables")
        note = write_figures({"best_so_far": best_so_far(found)}, out / "figures", formats)
    except OSError as error:
        raise fault("command line", "--output", str(out), f"cannot be written: {error.strerror or error}") from None
    return tables["searches"].plain_rows(), note
