"""The objective of each trial."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trials.datasets import TokenizedData
from trials.networks import Network
from trials.objectives.distillation import DistillationObjective
from trials.objectives.objective import Objective
from trials.specs import TrialSpec
from trials.tasks import Task
from trials.teachers import Teacher


def make_objective(
    specs: Sequence[TrialSpec],
    task: Task,
    data: TokenizedData,
    teacher: Teacher,
    students: Sequence[Network],
    device: torch.device,
) -> Objective:
    """The objective of some trials of one group.

    Args:
        specs: The trials; a trial that needs `TransferObjective` comes alone.
        task: Their task.
        data: The data, tokenized for the students.
        teacher: The teacher.
        students: One student per trial.
        device: Where to compute.
    """
    if not specs[0].uses_transfer_objective:
        return DistillationObjective(specs, task, data, teacher, students, device)
    from trials.objectives.transfer import TransferObjective

    (spec,), (student,) = specs, students
    return TransferObjective(spec, task, data, teacher, student, device)
