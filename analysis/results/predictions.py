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
from trials.specs import TaskName, TrialRecord
from trials.storage import Workspace

Values = NDArray[Any]  # class numbers, or scores


@dataclass(frozen=True)
class Answered:
    """What a teacher answered to the test examples of one data set, and where its students' answers are."""

    labels: Values  # class numbers, or scores; one per example
    teacher: Values
    # the probability that the teacher gives each of its answers; None where none were kept
    sure: NDArray[np.float64] | None
    label_names: tuple[str, ...]  # names of the classes; empty where answers are scores
    texts: Sequence[str]  # one per example; empty texts where examples are single ones
    text_pairs: Sequence[str]
    workspace: Workspace  # the study's directory

    def of_trial(self, record: TrialRecord) -> Values | None:
        """One answer per example of a trial's student; None where its file is not there."""
        return _answers(self.workspace.predictions(record.record_id), len(self.labels))

    def sure_of_trial(self, record: TrialRecord) -> NDArray[np.float64] | None:
        """The probability that a trial's student gives each of its answers; None where none were kept."""
        return _sureness(self.workspace.predictions(record.record_id), len(self.labels))


def answered(search: StudySearch, outcome: TripleOutcome, workspace: Workspace) -> Answered | None:
    """The examples of a triple's data set, if what the teacher answered was kept."""
    found = answered_or_why_not(search, outcome, workspace)
    return found if isinstance(found, Answered) else None


def answered_or_why_not(search: StudySearch, outcome: TripleOutcome, workspace: Workspace) -> Answered | str:
    """The same, or why there is nothing."""
    record = search.teacher_record(outcome.triple.teacher, outcome.triple.dataset)
    if record is None or not record.status.has_scores:
        return "no teacher yet"
    examples = _columns(workspace.examples(record.task.data_fingerprint), EXAMPLE_COLUMNS)
    if examples is None:
        return "no test examples in predictions/"
    label_names = record.label_names if outcome.task is TaskName.CLASSIFICATION else ()
    labels = _labels(examples["label"], label_names)
    if labels is None:
        return "its examples have other labels than its teacher"
    # of the checkpoint whose test score is reported
    file = workspace.predictions(f"{record.record_id}-{record.selected('highest_score').fingerprint}")
    teacher = _answers(file, len(labels))
    if teacher is None:
        return "no predictions of the teacher"
    texts, pairs = ([text or "" for text in examples[side]] for side in ("text", "text_pair"))
    return Answered(labels, teacher, _sureness(file, len(labels)), label_names, texts, pairs, workspace)


def _answers(file: Path, rows: int) -> Values | None:
    """One answer per example; None where the file is not there, or is of other examples."""
    found = _columns(file, (PREDICTION_COLUMN,))
    return np.asarray(found[PREDICTION_COLUMN]) if found and len(found[PREDICTION_COLUMN]) == rows else None


def _sureness(file: Path, rows: int) -> NDArray[np.float64] | None:
    """The probability of each answer; None where none were kept, as of scores and by earlier versions."""
    found = _columns(file, (PROBABILITIES_COLUMN,))
    return np.max(found[PROBABILITIES_COLUMN], axis=1) if found and len(found[PROBABILITIES_COLUMN]) == rows else None


def _labels(values: Sequence[Any], label_names: tuple[str, ...]) -> Values | None:
    """Labels as models answer: class numbers, or scores."""
    if not label_names:
        return np.asarray(values, dtype=np.float64)
    numbers = {name: number for number, name in enumerate(label_names)}
    return np.array([numbers[value] for value in values]) if set(values) <= numbers.keys() else None


def _columns(file: Path, names: Sequence[str]) -> dict[str, list[Any]] | None:
    """Some columns of a parquet file; None where it is not there or is no such file."""
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_table(file, columns=list(names)).to_pydict()
    except (OSError, pyarrow.ArrowException):
        return None
    return found if found.keys() >= set(names) else None
