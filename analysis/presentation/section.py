"""A section of the report: one question with its answer as figure, tables and sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import plotly.graph_objects as go

from analysis.presentation.tables import Table, Text, text_for
from analysis.results import StudyResults

Result = TypeVar("Result")


@dataclass(frozen=True)
class PerTeacher(Generic[Result]):
    """A result for each teacher, by its name: each has a section of its own."""

    results: Mapping[str, Result]


def no_sentences(_: object) -> Iterable[Any]:
    """Nothing to say."""
    return ()


@dataclass(frozen=True)
class Section(Generic[Result]):
    """A question that studies ask. Page, figures, tables and summary are drawn from these objects alone.

    All but `compute` are functions of its result, and none of them computes: a result is frozen.
    """

    name: str  # its place on the page, and its figure's file name, without an ending
    question: str  # its heading
    # the answer from a study's results; None where the study does not ask this
    compute: Callable[[StudyResults], Result | PerTeacher[Result] | None]
    # whether the page has the section; its tables' files and its sentences are there in any case
    shown: Callable[[Result], bool] = lambda _: True
    figure: Callable[[Result], go.Figure] | None = None
    # what it says, in a sentence below the heading; None where there is nothing to say yet
    reading: Callable[[Result], str | None] = lambda _: None
    caption: Text[Result] = ""  # what was computed, below the figure
    notes: Callable[[Result], Iterable[str | None]] = no_sentences  # a list below the caption
    tables: tuple[Table[Result, Any], ...] = ()  # below these, and in files
    # sentences for the summary: what the study found. None says nothing, here and below
    found: Callable[[Result], Iterable[str | None]] = no_sentences
    cautions: Callable[[Result], Iterable[str | None]] = no_sentences  # what a reader must keep in mind
    progress: Callable[[Result], Iterable[str | None]] = no_sentences  # what was run, what is missing
    # big numbers at the top of the page, each with what it is
    tiles: Callable[[Result], Iterable[tuple[str, str]]] = no_sentences
    paper: str = ""  # the paper that asks the question, for the page's footer

    def answers(self, results: StudyResults) -> Iterator[Answer]:
        """The section with its result: none, one, or one for each teacher, named after it where there are several."""
        found = self.compute(results)
        if isinstance(found, PerTeacher):
            for teacher, result in found.results.items():
                if len(found.results) == 1:
                    yield Answer(self, result, self.name, self.question)
                else:
                    question = f"{self.question.removesuffix('?')} ({teacher})?"
                    yield Answer(self, result, f"{self.name}_{teacher}", question, teacher)
        elif found is not None:
            yield Answer(self, found, self.name, self.question)


@dataclass(frozen=True)
class Answer:
    """A section with its result on one study."""

    section: Section[Any]
    result: Any
    name: str  # those of the section, with the teacher's name where each of several teachers has one
    question: str
    teacher: str = ""  # that name; else ""

    @property
    def shown(self) -> bool:
        """Whether the page has it."""
        return self.section.shown(self.result)

    @property
    def caption(self) -> str:
        """What was computed."""
        return text_for(self.section.caption, self.result)

    def sentences(self, kind: str) -> Iterator[str]:
        """What it says for the summary.

        Args:
            kind: ``found``, ``cautions`` or ``progress``.
        """
        start = f"{self.teacher}: " if self.teacher else ""
        return (f"{start}{said}" for said in getattr(self.section, kind)(self.result) if said)

    def figure(self) -> go.Figure | None:
        """Its figure; None if it has none, or the page has no such section."""
        return self.section.figure(self.result) if self.section.figure and self.shown else None
