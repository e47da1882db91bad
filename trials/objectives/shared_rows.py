"""What trials learn from: which rows are drawn, what teacher and people say of them, and what that makes of a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trials.datasets import TokenizedData
from trials.evaluation import tensors
from trials.networks import Network
from trials.objectives.layers import Objective, observed, wanted_by
from trials.specs import TrialSpec
from trials.tasks import Task
from trials.teachers import Teacher
from trials.training import Batch, Counts, Progress, Stage, stages_of


@dataclass(frozen=True)
class Learner:
    """One student in a lesson.

    Attributes:
        network: The student, with what is trained beside it.
        loss: From the network's output and a batch's targets to a scalar; of a part of a batch given its `Counts`, too.
        progress: Where in its stages it is.
        stage_loss: The present stage's own loss on the validation split; None where it does not count.
        enter: Prepares the network for a stage.
    """

    network: nn.Module
    loss: Callable[..., Tensor]
    progress: Progress
    stage_loss: Callable[[], float | None] = lambda: None
    enter: Callable[[Stage], None] = lambda stage: None


class Lesson(Protocol):
    """The lesson of some trials side by side.

    Attributes:
        num_examples: Rows of an epoch.
    """

    num_examples: int

    @property
    def learners(self) -> Sequence[Learner]:
        """Their students, in the trials' order."""

    def draw(self, rows: np.ndarray) -> Batch:
        """What some of an epoch's rows give, for all learners."""

    def count(self, rows: np.ndarray) -> Counts:
        """What the means of the losses of some of an epoch's rows are over."""


class SharedLesson:
    """People and teacher speak about the same rows of train; the teacher's layers may be compared, too (A, B, C).

    Args:
        specs: Trials of one group.
        task: Their task.
        data: The data as the students read them.
        teacher: The teacher.
        students: Their students.
        device: Where to compute.
    """

    def __init__(
        self,
        specs: Sequence[TrialSpec],
        task: Task,
        data: TokenizedData,
        teacher: Teacher,
        students: Sequence[Network],
        device: torch.device,
    ):
        recipe, self._task, self._device = specs[0].training, task, device
        translated = teacher.translated("train", device) if recipe.sequence_level else None
        self._outputs = teacher.outputs("train", device, translated, recipe.teacher_top_k)
        self._split = translated or data.splits["train"]
        self._student = students[0]
        self._observation = observation = observed(specs[0], students[0], teacher, device)
        pairs = () if observation is None else observation.pairs
        progresses = [Progress(stages_of(spec.configuration, pairs)) for spec in specs]
        self._objectives = [
            Objective(task, spec.configuration, pairs, progress)
            for spec, progress in zip(specs, progresses, strict=True)
        ]
        self.learners: Sequence[Learner] = [
            Learner(student if observation is None else observation.of(student), objective, objective.progress)
            for student, objective in zip(students, self._objectives, strict=True)
        ]
        self.num_examples = len(self._split)

    def draw(self, rows: np.ndarray) -> Batch:
        """Inputs; and the teacher's outputs, the labels, and what the teacher's layers say."""
        taught = self._outputs.of(self._split, rows, self._device)
        labels = taught, tensors(self._task.targets(self._split, rows), self._device)
        inputs: Any = self._student.inputs(self._split, rows)
        if self._observation is None:
            return Batch(inputs, (*labels, None), len(rows))
        wanted = wanted_by(self._objectives)
        said = self._observation.of_teacher(rows, wanted, self._student, inputs)
        return Batch((inputs, wanted), (*labels, (said, wanted)), len(rows))

    def count(self, rows: np.ndarray) -> Counts:
        """Rows; of labels and the teacher's outputs those of the task's losses."""
        terms = self._task.num_terms(self._split, rows)
        return Counts(len(rows), terms, terms)
