"""From a study's kept predictions to groups of examples; a file that is not there is named, and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.answer_groups import MOST_SAMPLED, AnsweredTask, GroupFindings, TaskGroups, group_task
from analysis.presentation import listing, task_words
from analysis.results import TripleOutcome
from analysis.results.predictions import read_answers, read_columns, read_labels, read_teacher_answers
from study.search import StudySearch
from trials.evaluation import EXAMPLE_COLUMNS
from trials.specs import TaskName
from trials.storage import Workspace

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
    examples = read_columns(workspace.examples(record.task.data_fingerprint), EXAMPLE_COLUMNS)
    if examples is None:
        return f"{name}: no test examples in predictions/"
    label_names = record.label_names if triple.dataset.task is TaskName.CLASSIFICATION else ()
    labels = read_labels(examples["label"], label_names)
    if labels is None:
        return f"{name}: its examples have other labels than its teacher"
    teacher = read_teacher_answers(record, workspace, len(labels))
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


def _student_answers(
    search: StudySearch, outcome: TripleOutcome, workspace: Workspace, rows: int
) -> NDArray[np.generic] | None:
    """Those of the best configuration, selected on validation, with the study's first seed."""
    if outcome.best is None or not outcome.searched:
        return None
    seed = search.study.config.seeds[0]
    records = search.triples[outcome.triple_id].records(outcome.best.choice.canonical())
    (record_id,) = (record.record_id for record in records if record.spec.seed == seed)
    return read_answers(workspace.predictions(record_id), rows)
