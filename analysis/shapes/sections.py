"""The sections about shapes, one of each for every teacher; those that a study cannot fill are not shown."""

from __future__ import annotations

from functools import partial
from typing import Any

from analysis.presentation import Section
from analysis.results import Factor, StudyResults
from analysis.shapes import figures, tables, words
from analysis.shapes.findings import ShapeFindings, shape_findings
from analysis.shapes.fronts import Gained
from analysis.shapes.training_rows import FEWEST_TASKS

TEST = "Scores are on test, means over seeds; of a student those of its best configuration, selected on validation."

OVERVIEW = Section[StudyResults](
    name="shapes",
    question="What do shapes cost?",
    compute=lambda results: results if results.compares_shapes else None,
    shown=lambda _: False,  # its sentences and tiles are about the students of all teachers
    cautions=words.shape_cautions,
    tiles=words.shape_tiles,
)
LOSS = Section[ShapeFindings](
    name="shapes_loss",
    question="What is lost against the teacher?",
    compute=shape_findings,
    figure=figures.loss_map,
    reading=words.loss_sentence,
    caption=f"B, table 1 and figure 1. Relative loss (teacher - student) / teacher; below 0 the student is better. "
    f"{TEST} The teacher: its highest-score checkpoint. A score that is not above 0 has no relative loss.",
    tables=(tables.SCORES, tables.SCORES_BY_TASK, tables.WORK),
    found=lambda found: [words.loss_sentence(found)],
    paper=words.PAPER,
)
WORTHWHILE = Section[ShapeFindings](
    name="shapes_worthwhile",
    question="Where is reducing a factor worthwhile?",
    compute=shape_findings,
    figure=figures.sign_map,
    reading=words.sign_sentence,
    caption=f"B, table 3, by a rule that is written down. {words.RULE} A student of which several factors were reduced "
    "counts in the speed alone. Signs rest on few students each, and on no test. Of B's own tables the rule gives all "
    "signs but two: heads on STSB (✓, B ?) and width on CoLA (?, B ✗).",
    tables=(tables.JUDGEMENTS,),
    found=words.alone(lambda found: [words.sign_sentence(found)]),
)
SPEED = Section[ShapeFindings](
    name="shapes_speed",
    question="How many samples a second does each model answer?",
    compute=shape_findings,
    shown=lambda found: found.timed,
    figure=figures.speed_panels,
    reading=words.absolute_speed_sentence,
    caption="B, table 2. Median and quartiles over rounds, all models on the same test rows in the same batches, "
    "rounds interleaved.",
    tables=(tables.SPEEDS, tables.SPEEDS_BY_TASK),
)
SPEED_UP = Section[ShapeFindings](
    name="shapes_speed_up",
    question="How much faster is that than the teacher?",
    compute=shape_findings,
    shown=lambda found: found.timed,
    figure=figures.speed_map,
    reading=words.speed_sentence,
    caption="Median samples per second of the student over those of its teacher; below 1 × it is slower.",
    found=lambda found: [words.speed_sentence(found)],
)
FRONTS = Section[ShapeFindings](
    name="shapes_fronts",
    question="Which students are worth having?",
    compute=shape_findings,
    figure=figures.mean_fronts,
    reading=lambda found: " ".join(filter(None, words.front_sentences(found))),
    caption="Quality is the share of the teacher's test score, mean over data sets; speed the geometric mean of "
    f"speed-ups, size the number of parameters. Students without a number on every data set are left out. {TEST}",
    tables=(tables.FRONTS,),
    found=words.alone(words.front_sentences),
)
FRONTS_BY_SPEED = Section[ShapeFindings](
    name="shapes_fronts_by_speed",
    question="Does that hold on each data set, by speed?",
    compute=shape_findings,
    shown=lambda found: found.timed and len(found.study.tasks) > 1,
    figure=partial(figures.task_fronts, by=Gained.SPEED),
    reading=lambda found: words.task_fronts_sentence(found.task_fronts[Gained.SPEED]),
    caption="As above, data set by data set.",
)
FRONTS_BY_SIZE = Section[ShapeFindings](
    name="shapes_fronts_by_size",
    question="Does that hold on each data set, by size?",
    compute=shape_findings,
    shown=lambda found: len(found.study.tasks) > 1,
    figure=partial(figures.task_fronts, by=Gained.SIZE),
    reading=lambda found: words.task_fronts_sentence(found.task_fronts[Gained.SIZE]),
    caption="As above, data set by data set. Heads change no size: such students differ from their teacher in quality "
    "alone.",
)
SAME_COST = Section[ShapeFindings](
    name="shapes_levers",
    question="Fewer layers, or narrower ones?",
    compute=shape_findings,
    shown=lambda found: bool(found.study.with_only(Factor.LAYERS) and found.study.with_only(Factor.WIDTH)),
    figure=figures.levers,
    reading=words.levers_sentence,
    caption="Each student that is narrowed alone, beside the nearest one that is shortened alone; pairs whose sizes or "
    "speeds are more than 1.25 times apart are left out. Differences are data set by data set; a sign test needs six "
    "that differ.",
    notes=words.same_cost_sentences,
    tables=(tables.PAIRS,),
    found=words.alone(words.same_cost_sentences),
)
TRAINING_ROWS = Section[ShapeFindings](
    name="shapes_rows",
    question="Do small training sets lose more?",
    compute=shape_findings,
    shown=lambda found: len(found.study.tasks) >= FEWEST_TASKS,
    figure=figures.training_rows,
    reading=lambda found: words.size_sentence(found.size_effect),
    caption="Training rows against the mean loss of the students that have a score on every data set; Spearman's "
    "correlation, bootstrap over data sets, permutation test. Data sets differ in more than their size.",
    found=words.alone(words.size_sentences),
)
SECTIONS: tuple[Section[Any], ...] = (
    OVERVIEW,
    LOSS,
    WORTHWHILE,
    SPEED,
    SPEED_UP,
    FRONTS,
    FRONTS_BY_SPEED,
    FRONTS_BY_SIZE,
    SAME_COST,
    TRAINING_ROWS,
)
