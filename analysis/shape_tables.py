"""The tables of shapes and of groups of examples: what each is, its columns, its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from analysis.fronts import TEACHER, Front
from analysis.group_wording import GROUPS
from analysis.old_findings import Findings
from analysis.shapes import Speed

Rows = Iterable[dict[str, Any]]

_TEACHER = {"teacher": "name of the teacher"}
_DATASET = {"dataset": "name of the data set"}
_GROUP = {"group": "who is right: " + "; ".join(GROUPS.values())}
OF_GROUPS = ("example_groups", "example_texts", "examples")  # tables that need the study's directory

DESCRIPTIONS = {
    "shape_scores": "One row per teacher, model and data set (B, tables 1, 4 and 5, figure 1): test scores, of "
    "students those of their best configuration, and what they lose.",
    "shape_speeds": "One row per teacher, model and data set (B, table 2): samples a second, median and quartiles over "
    "rounds; none in a study that measures no response times.",
    "shape_judgements": "One row per teacher, factor (or speed) and data set (B, table 3): worthwhile, uncertain or "
    "harmful, by the rule that the page states.",
    "shape_fronts": "One row per teacher, front and model: quality against speed or size, and who outdoes whom; fronts "
    "of single data sets, and of the mean over data sets.",
    "shape_pairs": "One row per teacher, pair of a shortened and a narrowed student of like cost, and data set.",
    "example_groups": "One row per teacher, data set and group: test examples by who answers them rightly.",
    "example_texts": "One row per teacher, data set, measure of the texts and group.",
    "examples": "One row per sampled test example and model: the examples that the page shows.",
}
COLUMNS: dict[str, dict[str, str]] = {
    "shape_scores": {
        **_TEACHER,
        "model": "teacher, or name of the student",
        "less": "what the student has less of than the teacher: layers, heads, width",
        "parameters": "number of parameters",
        **_DATASET,
        "task": "the data set's task",
        "metric": "what is scored",
        "training_rows": "training examples",
        "test": "test score",
        "relative_loss": "(teacher - student) / teacher; missing where a score is, or the teacher's is not above 0",
    },
    "shape_speeds": {
        **_TEACHER,
        "model": "teacher, or name of the student",
        **_DATASET,
        "samples_per_second": "median over rounds",
        "low": "first quartile",
        "high": "third quartile",
        "speed_up": "median over the teacher's median",
    },
    "shape_judgements": {
        **_TEACHER,
        "aspect": "the factor that was reduced: layers, heads or width; or speed",
        **_DATASET,
        "sign": "worthwhile, uncertain or harmful; missing where nothing was measured",
        "typical": "median of the students' relative losses, or speed-ups",
        "best": "least relative loss, or greatest speed-up",
        "students": "how many students it rests on",
    },
    "shape_fronts": {
        **_TEACHER,
        "front": "the data set; empty for the mean over data sets",
        "by": "speed or size",
        "model": "teacher, or name of the student",
        "quality": "share of the teacher's score; of several data sets the mean",
        "gained": "speed over the teacher's (of several data sets the geometric mean), or number of parameters",
        "on_front": "whether no model outdoes it",
        "outdone_by": "models at least as good on both and better on one",
    },
    "shape_pairs": {
        **_TEACHER,
        "at": "what both have in common: size or speed",
        "shortened": "the student with fewer layers alone",
        "narrowed": "the student that is narrower alone",
        "cost_ratio": "the shortened one's size or speed over the narrowed one's",
        **_DATASET,
        "quality_difference": "shortened minus narrowed, shares of the teacher's score",
        "speed_difference": "shortened minus narrowed, speed-ups; missing where it was not measured",
    },
    "example_groups": {
        **_TEACHER,
        **_DATASET,
        **_GROUP,
        "examples": "test examples in it",
        "share": "their share of all",
        "students": "students whose answers count",
        "tolerance": "of scores: how far off the label a right one may be",
    },
    "example_texts": {
        **_TEACHER,
        **_DATASET,
        "measure": "words (of both texts), or overlap (Jaccard's index of two texts' words)",
        **_GROUP,
        "examples": "test examples measured",
        "low": "first quartile",
        "median": "median",
        "high": "third quartile",
        "p_value": "Kruskal-Wallis over the groups; the same in all rows of a measure",
    },
    "examples": {
        **_TEACHER,
        **_DATASET,
        "row": "position in the test split, from 0",
        **_GROUP,
        "text": "the text, whole",
        "text_pair": "the second text",
        "label": "the right answer",
        "model": "teacher, or name of the student",
        "answer": "what it answered",
        "right": "whether that is right",
    },
}


def shape_tables(findings: Findings) -> list[str]:
    """Names of the tables that a study has."""
    named = COLUMNS if findings.groups else [name for name in COLUMNS if name not in OF_GROUPS]
    return list(named) if findings.shapes else []


def _score_rows(findings: Findings) -> Rows:
    datasets = {dataset.name: dataset for dataset in findings.study.config.datasets}
    for teacher, found in findings.shapes.items():
        study = found.study
        models: list[tuple[str, str | None, int]] = [(TEACHER, None, study.teacher_parameters)]
        models += [(s.name, ", ".join(sorted(s.factors)) or None, s.num_parameters) for s in study.students]
        for model, less, parameters in models:
            for task in study.tasks:
                student = model != TEACHER
                yield {
                    "teacher": teacher,
                    "model": model,
                    "less": less,
                    "parameters": parameters or None,
                    "dataset": task,
                    "task": str(datasets[task].task),
                    "metric": datasets[task].metric,
                    "training_rows": study.training_rows.get(task),
                    "test": study.student_scores.get((model, task)) if student else study.teacher_scores.get(task),
                    "relative_loss": found.losses.at(model, task) if student else None,
                }


def _speed_rows(findings: Findings) -> Rows:
    for teacher, found in findings.shapes.items():
        for task, speed in found.study.teacher_speeds.items():
            yield {"teacher": teacher, "model": TEACHER, "dataset": task, **_speed(speed), "speed_up": 1.0}
        for (student, task), speed in found.study.student_speeds.items():
            own = {"teacher": teacher, "model": student, "dataset": task, **_speed(speed)}
            yield {**own, "speed_up": found.speed_ups.at(student, task)}


def _judgement_rows(findings: Findings) -> Rows:
    for teacher, found in findings.shapes.items():
        for judgement in found.judgements:
            yield {
                "teacher": teacher,
                "aspect": str(judgement.aspect),
                "dataset": judgement.task,
                "sign": str(judgement.sign) if judgement.sign else None,
                "typical": judgement.typical,
                "best": judgement.best,
                "students": len(judgement.values),
            }


def _front_rows(findings: Findings) -> Rows:
    for teacher, found in findings.shapes.items():
        fronts = [*found.mean_fronts.values(), *(front for own in found.task_fronts.values() for front in own)]
        for front in fronts:
            yield from ({"teacher": teacher, **row} for row in _points(front))


def _points(front: Front) -> Iterator[dict[str, Any]]:
    for point in front.points:
        yield {
            "front": front.task,
            "by": str(front.by),
            "model": point.model,
            "quality": point.quality,
            "gained": point.gained,
            "on_front": not point.dominated_by,
            "outdone_by": ", ".join(point.dominated_by) or None,
        }


def _pair_rows(findings: Findings) -> Rows:
    for teacher, found in findings.shapes.items():
        for pair in found.like_for_like:
            names = {"shortened": pair.quality.first, "narrowed": pair.quality.second}
            for task in dict.fromkeys((*pair.quality.differences, *pair.speed.differences)):
                yield {
                    "teacher": teacher,
                    "at": str(pair.at),
                    **names,
                    "cost_ratio": pair.cost_ratio,
                    "dataset": task,
                    "quality_difference": pair.quality.differences.get(task),
                    "speed_difference": pair.speed.differences.get(task),
                }


def _group_rows(findings: Findings) -> Rows:
    for teacher, found in findings.groups.items():
        for task in found.tasks:
            for group, number in task.counts.items():
                yield {
                    "teacher": teacher,
                    "dataset": task.dataset,
                    "group": GROUPS[group],
                    "examples": number,
                    "share": task.share(group),
                    "students": ", ".join(task.students),
                    "tolerance": task.tolerance,
                }


def _text_rows(findings: Findings) -> Rows:
    for teacher, found in findings.groups.items():
        for task in found.tasks:
            for comparison in task.comparisons:
                for group, spread in comparison.spreads.items():
                    yield {
                        "teacher": teacher,
                        "dataset": task.dataset,
                        "measure": str(comparison.measure),
                        "group": GROUPS[group],
                        "examples": spread.count,
                        "low": spread.low,
                        "median": spread.median,
                        "high": spread.high,
                        "p_value": comparison.p_value,
                    }


def _example_rows(findings: Findings) -> Rows:
    for teacher, found in findings.groups.items():
        for example in (example for task in found.tasks for example in task.sample):
            own = {"teacher": teacher, "dataset": example.dataset, "row": example.row, "group": GROUPS[example.group]}
            texts = {"text": example.text, "text_pair": example.text_pair, "label": example.label}
            for model, answer in example.answers.items():
                yield {**own, **texts, "model": model, "answer": answer.words, "right": answer.right}


def _speed(speed: Speed) -> dict[str, float]:
    return {"samples_per_second": speed.median, "low": speed.low, "high": speed.high}


ROWS: dict[str, Callable[[Findings], Rows]] = {
    "shape_scores": _score_rows,
    "shape_speeds": _speed_rows,
    "shape_judgements": _judgement_rows,
    "shape_fronts": _front_rows,
    "shape_pairs": _pair_rows,
    "example_groups": _group_rows,
    "example_texts": _text_rows,
    "examples": _example_rows,
}
