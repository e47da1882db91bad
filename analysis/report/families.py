"""The families of questions that a report asks, in the order of its page: a new family is one line here."""

from __future__ import annotations

from typing import Any

from analysis.choices import SECTIONS as CHOICES
from analysis.examples import SECTIONS as EXAMPLES
from analysis.internals import SECTIONS as INTERNALS
from analysis.presentation import Section
from analysis.shapes import SECTIONS as SHAPES
from analysis.transfer import SECTIONS as TRANSFER
from analysis.triples import SECTIONS as TRIPLES

FAMILIES: tuple[tuple[Section[Any], ...], ...] = (TRANSFER, INTERNALS, CHOICES, SHAPES, EXAMPLES, TRIPLES)
