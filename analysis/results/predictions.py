"""What a teacher and its students answered to the test examples, as far as their files were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.results.outcomes import TripleOutcome
from study.search import StudySearch
from trials.evaluation import EXAMPLE_COLUMNS, PREDICTION_COLUMN, PROBABILITIES_COLUMN
from trials.specs import TeacherRecord, TrialRecord
from trials.storage import Workspace


@dataclass(frozen=True)
class Answered:
    """What a teacher answered to the test examples of one data set of classes, and where its students' answers are.

    Attributes:
        labels, teacher: Class numbers, one per example.
        sure: The probability that the teacher gives each of its answers; None where none were kept.
        label_names: Names of the classes.
        texts, text_pairs: One per example; empty texts where examples are single ones.
        workspace: The study's directory.
    """

    labels: NDArray[np.int64]
    teacher: NDArray[np.int64]
    sure: NDArray[np.float64] | None
    label_names: tuple[str, ...]
    texts: Sequence[str]
    text_pairs: Sequence[str]
    workspace: Workspace

    def of_trial(self, record: TrialRecord) -> NDArray[np.int64] | None:
        """One answer per example of a trial's student; None where its file is not there."""
        found = read_answers(self.workspace.predictions(record.record_id), len(self.labels))
        return None if found is None else found.astype(np.int64)

    def sure_of_trial(self, record: TrialRecord) -> NDArray[np.float64] | None:
        """The probability that a trial's student gives each of its answers; None where none were kept."""
        return _sureness(self.workspace.predictions(record.record_id), len(self.labels))


def answered(search: StudySearch, outcome: TripleOutcome, workspace: Workspace) -> Answered | None:
    """The examples of a triple's data set, if they are classes and what the teacher answered was kept."""
    record = search.teacher_record(outcome.triple.teacher, outcome.triple.dataset)
    if record is None or not record.status.has_scores:
        return None
    examples = read_columns(workspace.examples(record.task.data_fingerprint), EXAMPLE_COLUMNS)
    labels = None if examples is None else read_labels(examples["label"], record.label_names)
    teacher = None if labels is None else read_teacher_answers(record, workspace, len(labels))
    if examples is None or labels is None or teacher is None:
        return None
    texts, pairs = ([text or "" for text in examples[side]] for side in ("text", "text_pair"))
    return Answered(
        labels=labels.astype(np.int64),
        teacher=teacher.astype(np.int64),
        sure=_sureness(_teacher_file(record, workspace), len(labels)),
        label_names=record.label_names,
        texts=texts,
        text_pairs=pairs,
        workspace=workspace,
    )


def read_teacher_answers(record: TeacherRecord, workspace: Workspace, rows: int) -> NDArray[np.generic] | None:
    """One answer per example of a teacher; None where its file is not there, or is of other examples."""
    return read_answers(_teacher_file(record, workspace), rows)


def _teacher_file(record: TeacherRecord, workspace: Workspace) -> Path:
    """Answers of the checkpoint whose test score is reported."""
    return workspace.predictions(f"{record.record_id}-{record.selected('highest_score').fingerprint}")


def read_answers(file: Path, rows: int) -> NDArray[np.generic] | None:
    """One answer per example; None where the file is not there, or is of other examples."""
    found = read_columns(file, (PREDICTION_COLUMN,))
    return np.asarray(found[PREDICTION_COLUMN]) if found and len(found[PREDICTION_COLUMN]) == rows else None


def _sureness(file: Path, rows: int) -> NDArray[np.float64] | None:
    """The probability of each answer; None where none were kept, as of scores and by earlier versions."""
    found = read_columns(file, (PROBABILITIES_COLUMN,))
    return np.max(found[PROBABILITIES_COLUMN], axis=1) if found and len(found[PROBABILITIES_COLUMN]) == rows else None


def read_labels(values: Sequence[Any], label_names: tuple[str, ...]) -> NDArray[np.generic] | None:
    """Labels as models answer: class numbers, or scores."""
    if not label_names:
        return np.asarray(values, dtype=np.float64)
    numbers = {name: number for number, name in enumerate(label_names)}
    return np.array([numbers[value] for value in values]) if set(values) <= numbers.keys() else None


def read_columns(file: Path, names: Sequence[str]) -> dict[str, list[Any]] | None:
    """Some columns of a parquet file; None where it is not there or is no such file."""
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_table(file, columns=list(names)).to_pydict()
    except (OSError, pyarrow.ArrowException):
        return None
    return found if found.keys() >= set(names) else None
