"""The exported tables of D's questions: what each is, its columns, its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from analysis.old_findings import Findings
from analysis.results import Difference
from analysis.transfer import Distilled
from analysis.transfer_findings import TransferFindings

Rows = Iterable[dict[str, Any]]

_WHOSE = {
    "teacher": "name of the teacher",
    "student": "name of the student",
    "dataset": "name of the data set",
    "metric": "what is scored",
}
_SEEN = {
    "labelled": "labelled examples that the student sees; at most, where classes have fewer than are asked for",
    "transfer_rows": "rows that the teacher speaks about",
}
_TESTS = {
    "low": "lower end of its 95 % interval: over test examples, or over seeds where answers are not kept",
    "high": "upper end",
    "bootstrap_p": "two-sided p-value by resampling test examples",
    "mcnemar_p": "two-sided exact p-value of McNemar's test, first seed",
    "seeds_p": "two-sided p-value of the t-test paired by seed",
}

DESCRIPTIONS = {
    "distillation": "One row per teacher, student, data set, number of labels and of transfer rows (D, tables 5, 6, 8, "
    "10 and 11): test scores, means over seeds; of each kind the experiment that validates best.",
    "model_sizes": "One row per teacher and student (D, table 7), and per data set where response times are measured.",
    "teacher_certainty": "One row per teacher, data set and teaching checkpoint (D, table 9); none of records from "
    "before it was noted.",
    "schedules": "One row per teacher, student, data set and schedule of soft distillation (D, table 12): of each the "
    "experiment that validates best.",
}
COLUMNS: dict[str, dict[str, str]] = {
    "distillation": {
        **_WHOSE,
        "group": "data sets with one number differ in their labels and transfer rows alone",
        **_SEEN,
        "rnn_test": "the RNN encoder, of labels alone",
        "untaught_test": "the student without distillation",
        "hard_test": "taught by the teacher's likeliest classes",
        "soft_test": "taught by more than those",
        "taught_test": "the better of the two, selected on validation",
        "teacher_test": "the teacher",
        **{f"{kind}_experiment": "its name" for kind in ("untaught", "hard", "soft", "taught")},
        "gain": "taught_test - untaught_test, over the seeds that both have",
        **{f"gain_{name}": meaning for name, meaning in _TESTS.items()},
        "soft_over_hard": "soft_test - hard_test, likewise",
        **{f"soft_over_hard_{name}": meaning for name, meaning in _TESTS.items()},
    },
    "model_sizes": {
        "teacher": _WHOSE["teacher"],
        "student": _WHOSE["student"],
        "teacher_parameters": "the teacher's parameters, mean over data sets",
        "student_parameters": "the student's, likewise",
        "compression": "the first over the second",
        "dataset": "where speed was measured",
        "speed_up": "samples a second of the student over the teacher's, median over rounds",
        "low": "first quartile",
        "high": "third quartile",
    },
    "teacher_certainty": {
        "teacher": _WHOSE["teacher"],
        "dataset": _WHOSE["dataset"],
        "checkpoint": "the teaching checkpoint: highest_score or lowest_loss",
        "over": "the split that it predicted: unlabeled (the transfer set) or train",
        "classes": "number of classes C",
        "variance": "population variance over classes of its probabilities, mean over rows",
        "maximum": "that of one-hot probabilities, (1/C) (1 - 1/C)",
        "share": "variance / maximum",
    },
    "schedules": {
        **_WHOSE,
        **_SEEN,
        "schedule": "joint, or what is learned in stages",
        "experiment": "its name",
        "validation": "validation score, mean over seeds",
        "test": "test score, mean over seeds",
        "over_joint": "test score over joint training's, over the seeds that both have",
        **{f"over_joint_{name}": meaning for name, meaning in _TESTS.items()},
    },
}


def transfer_tables(findings: Findings) -> list[str]:
    """Names of the tables that a study has."""
    found = findings.transfer
    if found is None:
        return []
    has = {"distillation": found.students, "model_sizes": found.sizes, "teacher_certainty": found.certainties}
    return [name for name in ROWS if has.get(name, found.scheduled)]


def _distillation_rows(found: TransferFindings) -> Rows:
    groups: dict[str, int] = {}
    for each in found.students:
        tests = {kind: getattr(each, kind) for kind in ("rnn", "untaught", "hard", "soft", "taught")}
        yield {
            **_whose(each),
            "group": groups.setdefault(each.source, 1 + len(groups)),
            **{f"{kind}_test": own.test if own else None for kind, own in tests.items()},
            "teacher_test": each.triple.teacher_test,
            **{f"{kind}_experiment": own.name if own else None for kind, own in tests.items() if kind != "rnn"},
            **_difference("gain", each.gain),
            **_difference("soft_over_hard", each.soft_over_hard),
        }


def _size_rows(found: TransferFindings) -> Rows:
    for size in found.sizes:
        row = {
            "teacher": size.teacher,
            "student": size.student,
            "teacher_parameters": size.teacher_parameters,
            "student_parameters": size.parameters,
            "compression": size.compression,
        }
        timed = [
            {"dataset": name, "speed_up": speed.median, "low": speed.low, "high": speed.high}
            for name, speed in size.speed_ups.items()
        ]
        yield from ({**row, **own} for own in timed or [{}])


def _certainty_rows(found: TransferFindings) -> Rows:
    for each in found.certainties:
        own = {"variance": each.variance, "maximum": each.maximum, "share": each.share}
        where = {"teacher": each.teacher, "dataset": each.dataset, "checkpoint": each.checkpoint, "over": each.rows}
        yield {**where, "classes": each.classes, **own}


def _schedule_rows(found: TransferFindings) -> Rows:
    for each in found.scheduled:
        for schedule, own in each.schedules.items():
            yield {
                **_whose(each),
                "schedule": str(schedule),
                "experiment": own.name,
                "validation": own.validation,
                "test": own.test,
                **_difference("over_joint", each.over_joint.get(schedule, Difference())),
            }


def _whose(each: Distilled) -> dict[str, Any]:
    names = {"teacher": each.teacher, "student": each.student, "dataset": each.dataset, "metric": each.metric}
    return {**names, "labelled": each.labelled, "transfer_rows": each.transfer}


def _difference(name: str, found: Difference) -> dict[str, Any]:
    low, high = found.interval or (None, None)
    return {
        name: found.mean,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_bootstrap_p": found.by_examples.p_value if found.by_examples else None,
        f"{name}_mcnemar_p": found.mcnemar_p,
        f"{name}_seeds_p": found.by_seeds.p_value if found.by_seeds else None,
    }


ROWS: dict[str, Callable[[TransferFindings], Rows]] = {
    "distillation": _distillation_rows,
    "model_sizes": _size_rows,
    "teacher_certainty": _certainty_rows,
    "schedules": _schedule_rows,
}
