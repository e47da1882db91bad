"""The report's sections about shapes, teacher by teacher; those that a study cannot fill are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import plotly.graph_objects as go

from analysis import front_figures, group_figures, group_wording, shape_figures, shape_page_tables, shape_wording
from analysis.answer_groups import GroupFindings
from analysis.fronts import Gained
from analysis.old_findings import Findings
from analysis.old_section import OldSection
from analysis.presentation import listing
from analysis.results import Factor
from analysis.shape_findings import ShapeFindings
from analysis.shape_wording import RULE
from analysis.shapes import ShapeStudy
from analysis.size_effect import FEWEST_TASKS
from analysis.speed_figures import speed_panels

TEST = "Scores are on test, means over seeds; of a student those of its best configuration, selected on validation."


@dataclass(frozen=True)
class Topic:
    """A section that each teacher has.

    Attributes:
        name, question, caption: As in `OldSection`.
        draw, reading: Of one teacher's findings.
        fits: Whether a study can fill it.
        details: What stands below it, as HTML, from all findings and the teacher's name.
    """

    name: str
    question: str
    draw: Callable[[ShapeFindings], go.Figure]
    reading: Callable[[ShapeFindings], str | None]
    caption: str
    fits: Callable[[ShapeStudy], bool] = bool
    details: Callable[[Findings, str], str] = lambda _findings, _teacher: ""
    timed: bool = False  # needs response times


def _has_pairs(study: ShapeStudy) -> bool:
    return bool(study.with_only(Factor.LAYERS) and study.with_only(Factor.WIDTH))


TOPICS = (
    Topic(
        "shapes_loss",
        "What is lost against the teacher?",
        shape_figures.loss_map,
        lambda found: shape_wording.loss_sentence(found.losses),
        f"B, table 1 and figure 1. Relative loss (teacher - student) / teacher; below 0 the student is better. {TEST} "
        "The teacher: its highest-score checkpoint. A score that is not above 0 has no relative loss.",
        details=shape_page_tables.scores,
    ),
    Topic(
        "shapes_worthwhile",
        "Where is reducing a factor worthwhile?",
        shape_figures.sign_map,
        shape_wording.sign_sentence,
        f"B, table 3, by a rule that is written down. {RULE} A student of which several factors were reduced counts in "
        "the speed alone. Signs rest on few students each, and on no test. Of B's own tables the rule gives all signs "
        "but two: heads on STSB (✓, B ?) and width on CoLA (?, B ✗).",
    ),
    Topic(
        "shapes_speed",
        "How many samples a second does each model answer?",
        speed_panels,
        lambda found: shape_wording.absolute_speed_sentence(found.study),
        "B, table 2. Median and quartiles over rounds, all models on the same test rows in the same batches, rounds "
        "interleaved.",
        details=shape_page_tables.speeds,
        timed=True,
    ),
    Topic(
        "shapes_speed_up",
        "How much faster is that than the teacher?",
        shape_figures.speed_map,
        lambda found: shape_wording.speed_sentence(found.mean_fronts[Gained.SPEED]),
        "Median samples per second of the student over those of its teacher; below 1 × it is slower.",
        timed=True,
    ),
    Topic(
        "shapes_fronts",
        "Which students are worth having?",
        front_figures.mean_fronts,
        lambda found: " ".join(s for front in found.mean_fronts.values() if (s := shape_wording.front_sentence(front))),
        f"Quality is the share of the teacher's test score, mean over data sets; speed the geometric mean of "
        f"speed-ups, size the number of parameters. Students without a number on every data set are left out. {TEST}",
    ),
    Topic(
        "shapes_fronts_by_speed",
        "Does that hold on each data set, by speed?",
        partial(front_figures.task_fronts, by=Gained.SPEED),
        lambda found: shape_wording.task_fronts_sentence(found.task_fronts[Gained.SPEED]),
        "As above, data set by data set.",
        fits=lambda study: len(study.tasks) > 1,
        timed=True,
    ),
    Topic(
        "shapes_fronts_by_size",
        "Does that hold on each data set, by size?",
        partial(front_figures.task_fronts, by=Gained.SIZE),
        lambda found: shape_wording.task_fronts_sentence(found.task_fronts[Gained.SIZE]),
        "As above, data set by data set. Heads change no size: such students differ from their teacher in quality "
        "alone.",
        fits=lambda study: len(study.tasks) > 1,
    ),
    Topic(
        "shapes_levers",
        "Fewer layers, or narrower ones?",
        shape_figures.levers,
        shape_wording.levers_sentence,
        "Each student that is narrowed alone, beside the nearest one that is shortened alone; pairs whose sizes or "
        "speeds are more than 1.25 times apart are left out. Differences are data set by data set; a sign "
        "test needs six that differ.",
        fits=_has_pairs,
        details=shape_page_tables.levers,
    ),
    Topic(
        "shapes_rows",
        "Do small training sets lose more?",
        shape_figures.training_rows,
        lambda found: shape_wording.size_sentence(found.size_effect),
        "Training rows against the mean loss of the students that have a score on every data set; Spearman's "
        "correlation, bootstrap over data sets, permutation test. Data sets differ in more than their size.",
        fits=lambda study: len(study.tasks) >= FEWEST_TASKS,
    ),
)


def shape_sections(findings: Findings) -> tuple[OldSection, ...]:
    """All of them; with several teachers each has its own, named after it."""
    return tuple(section for teacher in findings.shapes for section in _of_teacher(findings, teacher))


def _of_teacher(findings: Findings, teacher: str) -> Iterator[OldSection]:
    study, timed = findings.shapes[teacher].study, findings.study.config.speed is not None
    several = len(findings.shapes) > 1
    ending, addition = (f"_{teacher}", f" ({teacher})") if several else ("", "")
    for topic in TOPICS:
        if topic.fits(study) and (timed or not topic.timed):
            yield _section(topic, teacher, ending, addition)
    if teacher in findings.groups:
        yield from _group_sections(teacher, ending, addition, findings.groups[teacher])


def _section(topic: Topic, teacher: str, ending: str, addition: str) -> OldSection:
    return OldSection(
        f"{topic.name}{ending}",
        f"{topic.question[:-1]}{addition}?",
        draw=lambda found: topic.draw(found.shapes[teacher]),
        reading=lambda found: topic.reading(found.shapes[teacher]),
        caption=topic.caption,
        details=lambda found: topic.details(found, teacher),
    )


def _group_sections(teacher: str, ending: str, addition: str, found: GroupFindings) -> Iterator[OldSection]:
    tolerances = [f"{t.dataset} {t.tolerance:.3g}" for t in found.tasks if t.tolerance is not None]
    off = f" Scores may be off by: {listing(tolerances)}." if tolerances else ""
    yield OldSection(
        f"examples{ending}",
        f"Which examples are lost{addition}?",
        draw=lambda findings: group_figures.shares(findings.groups[teacher]),
        reading=lambda findings: group_wording.group_sentence(findings.groups[teacher]),
        caption=group_wording.RIGHT + off,
        details=lambda findings: shape_page_tables.examples(findings, teacher),
    )
    if found.tasks:
        yield OldSection(
            f"example_texts{ending}",
            f"Are they longer, or worded otherwise{addition}?",
            draw=lambda findings: group_figures.texts(findings.groups[teacher]),
            reading=lambda findings: group_wording.text_sentence(findings.groups[teacher]),
            caption=group_wording.TEXTS,
        )
