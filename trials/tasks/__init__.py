"""Tasks, by name: how a model is made for one, trained on one and scored on one."""

from __future__ import annotations

from search_spaces.faults import fault, nearest
from trials.spec import TaskName
from trials.tasks.classification import Classification

TASKS = {TaskName.CLASSIFICATION: Classification()}


def task_of(name: TaskName) -> Classification:
    """The task of this name.

    Raises:
        InputError: It is not supported.
    """
    if name not in TASKS:
        raise fault("study file", "datasets[].task", str(name), f"is not supported; {nearest(name, TASKS)}")
    return TASKS[name]
