"""The sections about test examples, for each teacher of shapes whose answers were kept."""

from __future__ import annotations

from typing import Any

from analysis.examples import figures, tables, words
from analysis.examples.findings import GroupFindings, group_findings
from analysis.presentation import Section

LOST = Section[GroupFindings](
    name="examples",
    question="Which examples are lost?",
    compute=group_findings,
    figure=figures.shares,
    reading=words.group_sentence,
    caption=words.right_caption,
    notes=lambda found: [] if found.tasks else [words.missing_sentence(found)],
    tables=(tables.EXAMPLE_GROUPS, tables.COUNTS, tables.RIGHT_AMONG_SOME, tables.EXAMPLES, tables.SAMPLE),
    found=lambda found: [words.group_sentence(found)],
)
TEXTS = Section[GroupFindings](
    name="example_texts",
    question="Are they longer, or worded otherwise?",
    compute=group_findings,
    shown=lambda found: bool(found.tasks),
    figure=figures.texts,
    reading=words.text_sentence,
    caption=words.TEXTS,
    tables=(tables.TEXTS,),
)
SECTIONS: tuple[Section[Any], ...] = (LOST, TEXTS)
