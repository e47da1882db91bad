"""The families that are not sections of their own yet, as sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from analysis import transfer_tables
from analysis.old_findings import Findings, old_findings
from analysis.old_section import OldSection
from analysis.presentation import Answer, Column, Section, Table
from analysis.results import StudyResults
from analysis.transfer_sections import transfer_sections
from analysis.transfer_wording import summarise_transfer


@dataclass(frozen=True)
class OldFamily(Section[Findings]):
    """Old sections, and a section that the page does not show for their tables and sentences."""

    old: Callable[[Findings], Iterable[OldSection]] = field(kw_only=True)

    def answers(self, results: StudyResults) -> Iterator[Answer]:
        """The old sections, then the tables and sentences of all."""
        found = old_findings(results)
        for old in self.old(found):
            yield Answer(_wrapped(old, self.paper), found, old.name, old.question)
        yield Answer(replace(self, paper=""), found, self.name, "")


def _wrapped(old: OldSection, paper: str) -> Section[Findings]:
    return Section(
        name=old.name,
        question=old.question,
        compute=old_findings,
        figure=old.draw,
        reading=old.reading,
        caption=old.caption,
        html=old.details,
        paper=paper,
    )


def _table(name: str, module: Any, rows: Callable[[Findings], Iterable[dict[str, Any]] | None]) -> Table[Findings, Any]:
    columns = [_column(key, meaning) for key, meaning in module.COLUMNS[name].items()]
    return Table(rows=rows, columns=columns, name=name, description=module.DESCRIPTIONS[name])


def _column(key: str, meaning: str) -> Column[dict[str, Any]]:
    return Column(key, lambda row: row.get(key), meaning)


def _transfer_rows(name: str) -> Callable[[Findings], Iterable[dict[str, Any]] | None]:
    return lambda found: (
        transfer_tables.ROWS[name](found.transfer)
        if found.transfer and name in transfer_tables.transfer_tables(found)
        else None
    )


PAPER_D = (
    "(D): Mukherjee and Awadallah (2019), Distilling Transformers into Simple Neural Networks with Unlabeled "
    "Transfer Data"
)
HIDDEN = {"question": "", "compute": old_findings, "shown": lambda _: False}
TRANSFER = (
    OldFamily(
        name="of_transfer",
        old=transfer_sections,
        paper=PAPER_D,
        tables=tuple(_table(name, transfer_tables, _transfer_rows(name)) for name in transfer_tables.ROWS),
        found=lambda found: summarise_transfer(found.transfer) if found.transfer else (),
        **HIDDEN,  # type: ignore[arg-type]  # of one type each
    ),
)
