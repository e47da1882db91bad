"""The tables of shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analysis.presentation import Column, Table, cell_columns, shown, words
from analysis.results import TEACHER, Role, TripleOutcome
from analysis.shapes.findings import ShapeFindings
from analysis.shapes.shape_study import ShapeStudy
from analysis.triples import METRIC, OF_DATASET, OF_MODEL, OF_TEACHER, TASK, outcome_columns
from search_spaces import counted

Row = dict[str, Any]


def less(study: ShapeStudy, model: str) -> str | None:
    """What a model has less of than the teacher; None where it is nothing."""
    return None if model == TEACHER else ", ".join(sorted(study.student(model).factors)) or None


def _scores(found: ShapeFindings) -> Iterator[Row]:
    study = found.study
    for model in study.models:
        size = {"less": less(study, model), "parameters": study.parameters(model) or None}
        for task in study.tasks:
            loss = None if model == TEACHER else found.losses.at(model, task)
            own = {"test": study.score(model, task), "loss": loss, "of": found.datasets[task]}
            rows = study.training_rows.get(task)
            yield {"teacher": found.teacher, "model": model, **size, "dataset": task, **own, "rows": rows}


LOSS = "(teacher - student) / teacher; missing where a score is, or the teacher's is not above 0"
SCORES = Table[ShapeFindings, Row](
    name="shape_scores",
    description="One row per teacher, model and data set (B, tables 1, 4 and 5, figure 1): test scores, of students "
    "those of their best configuration, and what they lose.",
    rows=_scores,
    columns=(
        OF_TEACHER,
        OF_MODEL,
        Column("less", "less", "what the student has less of than the teacher: layers, heads, width"),
        Column("parameters", "parameters", "number of parameters"),
        OF_DATASET,
        Column("task", "of.task", TASK),
        Column("metric", "of.metric", METRIC),
        Column("training_rows", "rows", "training examples"),
        Column("test", "test", "test score"),
        Column("relative_loss", "loss", LOSS),
    ),
)


def _score_rows(found: ShapeFindings) -> Iterator[Row]:
    study, metrics = found.study, {task: dataset.metric for task, dataset in found.datasets.items()}
    yield {"model": "metric", "cells": [metrics[task].replace("_", " ") for task in study.tasks]}
    for model in study.models:
        own = {"less": less(study, model), "parameters": words.millions(study.parameters(model))}
        yield {"model": model, **own, "cells": [words.score(study.score(model, t), metrics[t]) for t in study.tasks]}


SCORES_BY_TASK = Table[ShapeFindings, Row](
    rows=_score_rows,
    columns=lambda found: [
        shown("model", "model"),
        shown("less", lambda row: row.get("less")),
        shown("parameters", lambda row: row.get("parameters"), number=True),
        *cell_columns(found.study.tasks),
    ],
)


def _how(found: ShapeFindings) -> str:
    best = next((outcome.best for outcome in found.outcomes if outcome.best), None)
    return f"The one configuration: {words.student_words(best)}." if best else ""


WORK = Table[ShapeFindings, TripleOutcome](
    title="Every student and data set: progress and work",
    caption=_how,
    rows=lambda found: found.outcomes if found.alone else None,
    columns=lambda found: outcome_columns(
        any(outcome.num_stopped for outcome in found.outcomes),
        {Role.TEACHER: "teacher", Role.BEST: "student", Role.MAJORITY: "majority"},
    ),
)


def _speeds(found: ShapeFindings) -> Iterator[Row]:
    """The teacher on every data set, then the students on each."""
    study = found.study
    pairs = [(TEACHER, task) for task in study.tasks] + [(name, task) for task in study.tasks for name in study.names]
    for model, task in pairs:
        if speed := study.speed(model, task):
            speed_up = 1.0 if model == TEACHER else found.speed_ups.at(model, task)
            yield {"teacher": found.teacher, "model": model, "dataset": task, "speed": speed, "speed_up": speed_up}


SPEEDS = Table[ShapeFindings, Row](
    name="shape_speeds",
    description="One row per teacher, model and data set (B, table 2): samples a second, median and quartiles over "
    "rounds; none in a study that measures no response times.",
    rows=_speeds,
    columns=(
        OF_TEACHER,
        OF_MODEL,
        OF_DATASET,
        Column("samples_per_second", "speed.median", "median over rounds"),
        Column("low", "speed.low", "first quartile"),
        Column("high", "speed.high", "third quartile"),
        Column("speed_up", "speed_up", "median over the teacher's median"),
    ),
)


def _measured(found: ShapeFindings) -> str:
    if not found.speeds:
        return "Response times are measured when all trials are done."
    settings = found.speeds[0].task.settings
    rounds, rows = counted(settings.rounds, "round"), counted(settings.rows, "test row")
    forward = "Transformers' own forward" if settings.forward == "transformers" else "kdstudy's forward"
    places = dict.fromkeys((record.run.device, record.threads) for record in found.speeds)
    where = " and ".join(f"{device} with {counted(threads, 'thread')}" for device, threads in places)
    how = f"Samples a second, in brackets the quartiles, over {rounds} of at most {rows}"
    cut = words.listing([f"{length}" for length in dict.fromkeys(record.task.max_length for record in found.speeds)])
    return f"{how} in batches of {settings.batch_size}, cut at {cut} tokens, {forward}, on {where}."


def _speed_rows(found: ShapeFindings) -> Iterator[Row]:
    for model in found.study.models:
        speeds = [found.study.speed(model, task) for task in found.study.tasks]
        spans = [f"{s.median:,.1f} ({s.low:,.1f} to {s.high:,.1f})" if s else words.MISSING for s in speeds]
        yield {"model": model, "cells": spans}


SPEEDS_BY_TASK = Table[ShapeFindings, Row](
    caption=_measured,
    rows=_speed_rows,
    columns=lambda found: [shown("model", "model"), *cell_columns(found.study.tasks)],
)
JUDGEMENTS = Table[ShapeFindings, Row](
    name="shape_judgements",
    description="One row per teacher, factor (or speed) and data set (B, table 3): worthwhile, uncertain or harmful, "
    "by the rule that the page states.",
    rows=lambda found: ({"teacher": found.teacher, "of": judgement} for judgement in found.judgements),
    columns=(
        OF_TEACHER,
        Column("aspect", "of.aspect", "the factor that was reduced: layers, heads or width; or speed"),
        Column("dataset", "of.task", "name of the data set"),
        Column("sign", "of.sign", "worthwhile, uncertain or harmful; missing where nothing was measured"),
        Column("typical", "of.typical", "median of the students' relative losses, or speed-ups"),
        Column("best", "of.best", "least relative loss, or greatest speed-up"),
        Column("students", lambda row: len(row["of"].values), "how many students it rests on"),
    ),
)


def _points(found: ShapeFindings) -> Iterator[Row]:
    fronts = [*found.mean_fronts.values(), *(front for own in found.task_fronts.values() for front in own)]
    return ({"teacher": found.teacher, "front": front, "point": point} for front in fronts for point in front.points)


GAINED = "speed over the teacher's (of several data sets the geometric mean), or number of parameters"
OUTDONE_BY = "models at least as good on both and better on one"
FRONTS = Table[ShapeFindings, Row](
    name="shape_fronts",
    description="One row per teacher, front and model: quality against speed or size, and who outdoes whom; fronts of "
    "single data sets, and of the mean over data sets.",
    rows=_points,
    columns=(
        OF_TEACHER,
        Column("front", "front.task", "the data set; empty for the mean over data sets"),
        Column("by", "front.by", "speed or size"),
        Column("model", "point.model", "teacher, or name of the student"),
        Column("quality", "point.quality", "share of the teacher's score; of several data sets the mean"),
        Column("gained", "point.gained", GAINED),
        Column("on_front", lambda row: not row["point"].dominated_by, "whether no model outdoes it"),
        Column("outdone_by", lambda row: ", ".join(row["point"].dominated_by) or None, OUTDONE_BY),
    ),
)


def _pairs(found: ShapeFindings) -> Iterator[Row]:
    for pair in found.like_for_like:
        kept, faster = pair.quality.differences, pair.speed.differences
        for task in dict.fromkeys((*kept, *faster)):
            own = {"dataset": task, "quality": kept.get(task), "speed": faster.get(task)}
            yield {"teacher": found.teacher, "pair": pair, **own}


PAIRS = Table[ShapeFindings, Row](
    name="shape_pairs",
    description="One row per teacher, pair of a shortened and a narrowed student of like cost, and data set.",
    rows=_pairs,
    columns=(
        OF_TEACHER,
        Column("at", "pair.at", "what both have in common: size or speed"),
        Column("shortened", "pair.quality.first", "the student with fewer layers alone"),
        Column("narrowed", "pair.quality.second", "the student that is narrower alone"),
        Column("cost_ratio", "pair.cost_ratio", "the shortened one's size or speed over the narrowed one's"),
        OF_DATASET,
        Column("quality_difference", "quality", "shortened minus narrowed, shares of the teacher's score"),
        Column("speed_difference", "speed", "shortened minus narrowed, speed-ups; missing where it was not measured"),
    ),
)
