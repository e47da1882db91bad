"""What each trial learns from: one line for each way of learning."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trials.datasets import TokenizedData
from trials.networks import Network
from trials.objectives.shared_rows import Lesson, SharedLesson
from trials.specs import TrialSpec
from trials.tasks import Task
from trials.teachers import Teacher


def lesson_of(
    specs: Sequence[TrialSpec],
    task: Task,
    data: TokenizedData,
    teacher: Teacher,
    students: Sequence[Network],
    device: torch.device,
) -> Lesson:
    """The lesson of some trials of one group; see `SharedLesson`."""
    if not specs[0].learns_as_in_d:
        return SharedLesson(specs, task, data, teacher, students, device)
    from trials.objectives.transfer import TransferLesson

    (spec,), (student,) = specs, students
    return TransferLesson(spec, task, data, teacher, student, device)
