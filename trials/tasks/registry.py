"""Tasks, by name: one file each, and one line here."""

from __future__ import annotations

from search_spaces import fault
from trials.readers import key_of
from trials.specs import DatasetSpec, TaskName
from trials.tasks.classification import Classification
from trials.tasks.question_answering import QuestionAnswering
from trials.tasks.regression import Regression
from trials.tasks.task import Task
from trials.tasks.token_classification import TokenClassification
from trials.tasks.translation import Translation

TASKS: dict[TaskName, Task] = {
    TaskName.CLASSIFICATION: Classification(),
    TaskName.REGRESSION: Regression(),
    TaskName.TOKEN_CLASSIFICATION: TokenClassification(),
    TaskName.QUESTION_ANSWERING: QuestionAnswering(),
    TaskName.TRANSLATION: Translation(),
}


def task_of(dataset: DatasetSpec) -> Task:
    """The task of a data set.

    Raises:
        InputError: It is not supported.
    """
    if dataset.task not in TASKS:
        message = f"is not supported yet; supported: {', '.join(TASKS)}"
        raise fault("study file", key_of(dataset, "task"), dataset.task.value, message)
    return TASKS[dataset.task]
