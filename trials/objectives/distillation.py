"""Distillation on the training split: human labels, teacher outputs and teacher layers for the same rows (A, B, C)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search_spaces import Configuration, LayerMap
from trials.datasets import TokenizedData
from trials.evaluation import as_tensors
from trials.losses import attention_loss, cosine_loss, hidden_state_loss
from trials.networks import Network
from trials.objectives.layers import ComparedLayers, open_teacher_layers
from trials.objectives.objective import StudentObjective
from trials.specs import TrialSpec
from trials.tasks import Task
from trials.teachers import Teacher
from trials.training import WHOLE_BATCH, Batch, StageProgress, TermCounts, training_stages


class DistillationLoss:
    """The loss of one student in the current stage of its schedule.

    Args:
        task: The task.
        configuration: The configuration, which has the weight of each term.
        pairs: The layer map; () where no layers are compared.
        progress: The student's position in its stages.
    """

    def __init__(self, task: Task, configuration: Configuration, pairs: LayerMap, progress: StageProgress):
        self._task = task
        self._configuration = configuration
        self._pairs = pairs
        self.progress = progress

    @property
    def compared(self) -> set[int]:
        """Positions in the layer map of the pairs that the current stage compares."""
        return {self._pairs.index(pair) for pair in self.progress.stage.pairs}

    def __call__(self, found: Any, targets: Any, share: TermCounts = WHOLE_BATCH) -> Tensor:
        """The loss, a scalar.

        Args:
            found: The student's outputs. Where layers are compared: the outputs and `ComparedLayers`.
            targets: The teacher's outputs, the labels, and either None or the teacher's `ComparedLayers` with the
                positions of their pairs.
            share: The share of a micro-batch in its batch. The losses of all micro-batches add up to the batch's loss.
        """
        teacher_outputs, labels, layer_targets = targets
        if layer_targets is None:
            return share.hard_terms * self._task.kd_loss(found, teacher_outputs, labels, self._configuration)
        outputs, student_layers = found
        teacher_layers, positions = layer_targets
        loss = outputs.new_zeros(())
        if self.progress.stage.soft:  # and hard: C's stages have both or neither
            loss = loss + share.hard_terms * self._task.kd_loss(outputs, teacher_outputs, labels, self._configuration)
        if self.compared:
            chosen = [positions.index(pair) for pair in sorted(self.compared)]
            loss = loss + self._layer_loss(student_layers, teacher_layers, chosen, share.rows)
        return loss

    def _layer_loss(self, student: ComparedLayers, teacher: ComparedLayers, chosen: list[int], share: float) -> Tensor:
        weights = self._configuration
        states = student.states[:, chosen], teacher.states[:, chosen]
        loss = student.states.new_zeros(())
        if weights.hidden_weight:
            loss = loss + weights.hidden_weight * hidden_state_loss(*states)
        if weights.cosine_weight or weights.cosine_threshold:
            cosine = cosine_loss(*states)
            self.progress.cosine_sum += share * cosine.detach()
            loss = loss + weights.cosine_weight * cosine
        if weights.attention_weight:
            maps, others = ([each[:, chosen] for each in side] for side in (student.attention, teacher.attention))
            loss = loss + weights.attention_weight * attention_loss(maps, others, teacher.weights)
        return share * loss


class DistillationObjective:
    """An objective in which human labels and teacher outputs belong to the same rows of the training split.

    Args:
        specs: Trials of one group.
        task: Their task.
        data: The data, tokenized for the students.
        teacher: The teacher.
        students: One student per trial.
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
        translated = teacher.translated_split("train", device) if recipe.sequence_level else None
        self._teacher_outputs = teacher.outputs("train", device, translated, recipe.teacher_top_k)
        self._split = translated or data.splits["train"]
        self._student = students[0]
        self._teacher_layers = layers = open_teacher_layers(specs[0], students[0], teacher, device)
        pairs = () if layers is None else layers.pairs
        progresses = [StageProgress(training_stages(spec.configuration, pairs)) for spec in specs]
        self._losses = [
            DistillationLoss(task, spec.configuration, pairs, progress)
            for spec, progress in zip(specs, progresses, strict=True)
        ]
        self.students: Sequence[StudentObjective] = [
            StudentObjective(student if layers is None else layers.compared_with(student), loss, loss.progress)
            for student, loss in zip(students, self._losses, strict=True)
        ]
        self.num_examples = len(self._split)

    def draw(self, rows: np.ndarray) -> Batch:
        """The students' inputs; the teacher's outputs, the labels, and the teacher's layers as targets."""
        teacher_outputs = self._teacher_outputs.of(self._split, rows, self._device)
        targets = teacher_outputs, as_tensors(self._task.targets(self._split, rows), self._device)
        inputs: Any = self._student.inputs(self._split, rows)
        if self._teacher_layers is None:
            return Batch(inputs, (*targets, None), len(rows))
        positions = compared_pairs(self._losses)
        layers = self._teacher_layers.of(rows, positions, self._student, inputs)
        return Batch((inputs, positions), (*targets, (layers, positions)), len(rows))

    def count(self, rows: np.ndarray) -> TermCounts:
        """The rows, and the terms of the task's losses: hard and soft labels have the same number here."""
        terms = self._task.num_loss_terms(self._split, rows)
        return TermCounts(len(rows), terms, terms)


def compared_pairs(losses: Iterable[DistillationLoss]) -> tuple[int, ...]:
    """Positions in the layer map of the pairs that any of the losses compares."""
    return tuple(sorted(set().union(*(loss.compared for loss in losses))))
