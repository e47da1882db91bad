"""From a study's kept predictions to groups of examples; a file that is not there is named, and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.answer_groups import MOST_SAMPLED, AnsweredTask, GroupFindings, TaskGroups, group_task
from analysis.outcomes import TripleOutcome
from analysis.wording import listing, task_words
from study.search import StudySearch
from trials.predictions import EXAMPLE_COLUMNS, PREDICTION, PROBABILITIES
from trials.record import TeacherRecord, TrialRecord
from trials.spec import TaskName
from trials.workspace import Workspace

WITH_PREDICTIONS = (TaskName.CLASSIFICATION, TaskName.REGRESSION)


def group_findings(
    search: StudySearch, outcomes: Iterable[TripleOutcome], teachers: Iterable[str], folder: Path
) -> dict[str, GroupFindings]:
    """The groups of some teachers' data sets, by teacher; teachers without a data set of such a task are left out.

    Args:
        search: The study's state.
        outcomes: All triples' outcomes.
        teachers: Names of the teachers.
        folder: The study's directory.
    """
    outcomes, workspace = tuple(outcomes), Workspace(folder)
    own = {name: [outcome for outcome in outcomes if outcome.triple.teacher.name == name] for name in teachers}
    found = {name: _of_teacher(search, triples, workspace) for name, triples in own.items()}
    return {name: groups for name, groups in found.items() if groups is not None}


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
        found = _answers(self.workspace.predictions(record.record_id), len(self.labels))
        return None if found is None else found.astype(np.int64)

    def sure_of_trial(self, record: TrialRecord) -> NDArray[np.float64] | None:
        """The probability that a trial's student gives each of its answers; None where none were kept."""
        return _sureness(self.workspace.predictions(record.record_id), len(self.labels))


def answered(search: StudySearch, outcome: TripleOutcome, workspace: Workspace) -> Answered | None:
    """The examples of a triple's data set, if they are classes and what the teacher answered was kept."""
    record = search.teacher_record(outcome.triple.teacher, outcome.triple.dataset)
    if record is None or not record.status.has_scores:
        return None
    examples = _columns(workspace.examples(record.task.data_fingerprint), EXAMPLE_COLUMNS)
    labels = None if examples is None else _labels(examples["label"], record.label_names)
    teacher = None if labels is None else _teacher_answers(record, workspace, len(labels))
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


def _of_teacher(search: StudySearch, outcomes: Sequence[TripleOutcome], workspace: Workspace) -> GroupFindings | None:
    datasets = dict.fromkeys(outcome.triple.dataset.name for outcome in outcomes)
    pairs = [[outcome for outcome in outcomes if outcome.triple.dataset.name == name] for name in datasets]
    kept = [own for own in pairs if own[0].task in WITH_PREDICTIONS]
    if not kept:
        return None
    found = [_of_dataset(search, own, workspace, max(1, MOST_SAMPLED // len(kept))) for own in kept]
    other = [f"{own[0].triple.dataset.name} ({task_words(own[0].task)})" for own in pairs if own not in kept]
    missing = [reason for reason in found if isinstance(reason, str)]
    missing += [f"{listing(other)}: answers are kept of classification and regression only"] if other else []
    return GroupFindings(tuple(groups for groups in found if isinstance(groups, TaskGroups)), tuple(missing))


def _of_dataset(
    search: StudySearch, outcomes: Sequence[TripleOutcome], workspace: Workspace, num_sampled: int
) -> TaskGroups | str:
    """The groups of one data set, or why there are none."""
    triple = outcomes[0].triple
    name, record = triple.dataset.name, search.teacher_record(triple.teacher, triple.dataset)
    if record is None or not record.status.has_scores:
        return f"{name}: no teacher yet"
    examples = _columns(workspace.examples(record.task.data_fingerprint), EXAMPLE_COLUMNS)
    if examples is None:
        return f"{name}: no test examples in predictions/"
    label_names = record.label_names if triple.dataset.task is TaskName.CLASSIFICATION else ()
    labels = _labels(examples["label"], label_names)
    if labels is None:
        return f"{name}: its examples have other labels than its teacher"
    teacher = _teacher_answers(record, workspace, len(labels))
    if teacher is None:
        return f"{name}: no predictions of the teacher"
    answers = {o.triple.student.name: _student_answers(search, o, workspace, len(labels)) for o in outcomes}
    known = {student: own for student, own in answers.items() if own is not None}
    if not known:
        return f"{name}: no predictions of a student whose search has ended"
    pairs = examples["text_pair"]
    task = AnsweredTask(
        dataset=name,
        texts=[text or "" for text in examples["text"]],
        text_pairs=[text or "" for text in pairs] if any(text is not None for text in pairs) else None,
        labels=labels,
        teacher=teacher,
        students=known,
        label_names=label_names,
    )
    return group_task(task, [student for student in answers if student not in known], num_sampled)


def _teacher_answers(record: TeacherRecord, workspace: Workspace, rows: int) -> NDArray[np.generic] | None:
    return _answers(_teacher_file(record, workspace), rows)


def _teacher_file(record: TeacherRecord, workspace: Workspace) -> Path:
    """Answers of the checkpoint whose test score is reported."""
    return workspace.predictions(f"{record.record_id}-{record.selected('highest_score').fingerprint}")


def _student_answers(
    search: StudySearch, outcome: TripleOutcome, workspace: Workspace, rows: int
) -> NDArray[np.generic] | None:
    """Those of the best configuration, selected on validation, with the study's first seed."""
    if outcome.best is None or not outcome.searched:
        return None
    seed = search.study.config.seeds[0]
    records = search.triples[outcome.triple_id].records(outcome.best.choice.canonical())
    (record_id,) = (record.record_id for record in records if record.spec.seed == seed)
    return _answers(workspace.predictions(record_id), rows)


def _answers(file: Path, rows: int) -> NDArray[np.generic] | None:
    """One answer per example; None where the file is not there, or is of other examples."""
    found = _columns(file, (PREDICTION,))
    return np.asarray(found[PREDICTION]) if found and len(found[PREDICTION]) == rows else None


def _sureness(file: Path, rows: int) -> NDArray[np.float64] | None:
    """The probability of each answer; None where none were kept, as of scores and by earlier versions."""
    found = _columns(file, (PROBABILITIES,))
    return np.max(found[PROBABILITIES], axis=1) if found and len(found[PROBABILITIES]) == rows else None


def _labels(values: Sequence[Any], label_names: tuple[str, ...]) -> NDArray[np.generic] | None:
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
