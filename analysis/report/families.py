"""The families of questions that a report asks, in the order of its page: a new family is one line here."""

from __future__ import annotations

from typing import Any

from analysis import choices, examples, internals, old_sections, shapes, triples
from analysis.presentation import Section

FAMILIES: tuple[tuple[Section[Any], ...], ...] = (
    old_sections.TRANSFER,
    internals.SECTIONS,
    choices.SECTIONS,
    shapes.SECTIONS,
    examples.SECTIONS,
    triples.SECTIONS,
)
