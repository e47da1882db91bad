"""The registry of tasks: each is in the file with its name in `TaskName`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from trials.specs import DatasetSpec, TaskName
from trials.tasks.task import Task


def task_of(dataset: DatasetSpec) -> Task:
    """The task of a data set."""
    return _task(dataset.task)


@cache
def _task(name: TaskName) -> Task:
    task: Task = import_module(f"trials.tasks.{name}").TASK
    return task
