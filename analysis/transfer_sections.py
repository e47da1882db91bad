"""The report's sections about D's questions; those that a study cannot fill are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from analysis import transfer_curve_figures, transfer_figures, transfer_page_tables, transfer_wording
from analysis.old_findings import Findings
from analysis.old_section import OldSection
from analysis.transfer_findings import TransferFindings

TEST = "Scores are on test, means over seeds; of each kind the experiment that validates best."
INTERVALS = (
    "Differences are in points, hundredths of the full score. Intervals: 1,000 paired bootstrap draws of test "
    "examples, all seeds of both students on the same ones; over seeds where answers are not kept; none with neither. "
    "McNemar's exact test is of the first seed, the t-test is paired by seed."
)


@dataclass(frozen=True)
class Topic:
    """A section about one part of the findings.

    Attributes:
        name, question, caption: As in `OldSection`.
        part: What it is about; nothing where a study cannot fill it.
        draw, reading, table: Of that part.
    """

    name: str
    question: str
    part: Callable[[TransferFindings], Sequence[Any]]
    draw: Callable[[Any], go.Figure]
    reading: Callable[[Any], str | None]
    table: Callable[[Any], str]
    caption: str

    def section(self, found: TransferFindings) -> OldSection:
        """The section of a study's findings."""
        own = self.part(found)
        return OldSection(
            self.name,
            self.question,
            lambda _: self.draw(own),
            lambda _: self.reading(own),
            self.caption,
            details=lambda _: self.table(own),
        )


TOPICS = (
    Topic(
        "distillation",
        "What is a teacher worth?",
        lambda found: found.complete,
        transfer_figures.gains,
        transfer_wording.gain_sentence,
        transfer_page_tables.gains,
        f"D, table 5. {TEST} The RNN encoder and the student without distillation learn from labels alone; the "
        f"distilled one is the better of hard and soft, on validation. Blue: beyond the noise. {INTERVALS}",
    ),
    Topic(
        "better_teachers",
        "Does a better teacher make a better student?",
        lambda found: found.better_teachers,
        transfer_figures.teachers,
        transfer_wording.teachers_sentence,
        transfer_page_tables.teachers,
        f"D, table 6. {TEST} One line per data set and student, a point per teacher. Tests are paired by seed: the "
        "student of the teacher with the highest test score against that of the one with the lowest.",
    ),
    Topic(
        "soft_and_hard",
        "Soft or hard labels?",
        lambda found: found.with_both,
        transfer_figures.soft_and_hard,
        transfer_wording.soft_sentence,
        transfer_page_tables.soft_and_hard,
        f"D, table 8. {TEST} Hard: the teacher's likeliest classes. Soft: its probabilities or logits, its "
        f"representations, or both. Of several soft experiments the best stands for all, which favours soft labels a "
        f"little. {INTERVALS}",
    ),
    Topic(
        "teacher_certainty",
        "How sure are the teachers?",
        lambda found: found.certainties,
        transfer_figures.certainties,
        transfer_wording.certainty_sentence,
        transfer_page_tables.certainties,
        "D, table 9. Population variance over classes of the teaching checkpoint's probabilities, mean over the rows "
        "that it teaches on; hard labels have the most, (1/C) (1 − 1/C) with C classes, and equal probabilities none. "
        "The surer a teacher, the less do its soft labels say beyond hard ones.",
    ),
    Topic(
        "few_labels",
        "What is a teacher worth with few labels?",
        lambda found: found.by_labels,
        transfer_curve_figures.by_labels,
        transfer_wording.labels_sentence,
        transfer_page_tables.sizes_of_data,
        f"D, tables 10 and 11. Data sets of one source that differ in labels and transfer rows alone; rows that have "
        f"lost their labels join the transfer set. {TEST} {INTERVALS}",
    ),
    Topic(
        "transfer_rows",
        "How large should the transfer set be?",
        lambda found: found.by_transfer,
        transfer_curve_figures.by_transfer,
        transfer_wording.transfer_sentence,
        transfer_page_tables.sizes_of_data,
        f"With one number of labelled examples. {TEST}",
    ),
    Topic(
        "schedules",
        "In which order should a student learn?",
        lambda found: found.scheduled,
        transfer_figures.schedules,
        transfer_wording.schedules_sentence,
        transfer_page_tables.schedules,
        f"D, table 12. R: the teacher's representations, L: its logits, CE: people's labels; | parts stages. {TEST} "
        f"Bold: the best of a row on test. {INTERVALS}",
    ),
    Topic(
        "size_and_speed",
        "How much smaller and faster is it?",
        lambda found: [size for size in found.sizes if size.compression],
        transfer_figures.sizes,
        transfer_wording.size_sentence,
        transfer_page_tables.sizes,
        "D, table 7. Parameters are means over data sets, as vocabularies of words differ; embeddings count. Speed-up: "
        "samples a second of the student over those of its teacher round by round, all models on the same test rows in "
        "the same batches, rounds interleaved; in the table the geometric mean over data sets.",
    ),
)


def transfer_sections(findings: Findings) -> tuple[OldSection, ...]:
    """The sections, for a study like D's; () for others."""
    found = findings.transfer
    return () if found is None else tuple(topic.section(found) for topic in TOPICS if topic.part(found))
