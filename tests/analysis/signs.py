"""Two tables of signs, such as B's table 3 and what the rule gives: where do they differ?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.shapes.words import ASPECTS, MARKS
from analysis.shapes.worthwhile import Aspect, Judgement, Sign


@dataclass(frozen=True)
class Disagreement:
    """A cell where two such tables differ.

    Attributes:
        aspect: The row.
        task: The column.
        first, second: What each table says; None where it says nothing.
    """

    aspect: Aspect
    task: str
    first: Sign | None
    second: Sign | None


Signs = Mapping[tuple[Aspect, str], Sign | None]


def signs(found: Sequence[Judgement]) -> dict[tuple[Aspect, str], Sign | None]:
    """The signs alone, by row and column."""
    return {(judgement.aspect, judgement.task): judgement.sign for judgement in found}


def disagreement_words(found: Disagreement) -> str:
    """One differing cell: ``width on CoLA: ? against ✗``."""
    return f"{ASPECTS[found.aspect].lower()} on {found.task}: {MARKS[found.first]} against {MARKS[found.second]}"


def disagreements(first: Signs, second: Signs) -> tuple[Disagreement, ...]:
    """The cells that either table has and in which they differ, in the order of the first one."""
    cells = dict.fromkeys((*first, *second))
    pairs = ((aspect, task, first.get((aspect, task)), second.get((aspect, task))) for aspect, task in cells)
    return tuple(Disagreement(*cell) for cell in pairs if cell[2] is not cell[3])
