"""Distillation with a transfer set (D, eq. 8): each step has a batch with human labels and one with teacher outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import Configuration
from trials.datasets import TokenizedData, rows_per_class
from trials.evaluation import as_tensors
from trials.losses import log_odds_loss, representation_loss
from trials.networks import Network, RecurrentNetwork, Seq2SeqNetwork
from trials.objectives.objective import StudentObjective
from trials.readers import TokenizedSplit, batches_by_length, seeded_permutation
from trials.specs import TrialSpec
from trials.tasks import Head, Task
from trials.teachers import Teacher
from trials.training import WHOLE_BATCH, Batch, Stage, StageProgress, TermCounts, training_stages


class TransferOutputs(NamedTuple):
    """A student's outputs for a labelled and a transfer batch; None where the current stage has no use for them.

    Attributes:
        labelled: Logits of the labelled rows, [rows, classes].
        soft: Predictions of the teacher's outputs for the transfer rows, [rows, classes].
        representation: Representations of the transfer rows, projected to the teacher's width, [rows, width].
    """

    labelled: Tensor | None
    soft: Tensor | None
    representation: Tensor | None


class TransferStudent(nn.Module):
    """A student with a regression of the teacher's log-odds and a projection to the teacher's width.

    Both are trained, clipped and saved with the student, but are no part of it (D, sections 4.1 and 4.2).

    Args:
        student: The student.
        seed: Seed of the weights of regression and projection.
        classes: Width of the regression; None means no regression.
        width: Width of the teacher's representation; None means no projection.
    """

    def __init__(self, student: Network, seed: int, *, classes: int | None, width: int | None):
        super().__init__()
        self.student: Any = student
        torch.manual_seed(seed)
        own: Any = student.hidden_size
        self.regression = None if classes is None else nn.Linear(own, classes)
        self.projection = None if width is None else nn.Linear(own, width)

    def forward(self, inputs: tuple[Any, Any]) -> TransferOutputs:
        """Outputs for a labelled and a transfer batch; either batch may be None."""
        labelled, transfer = inputs
        outputs = None if labelled is None else self.student(labelled)
        if transfer is None:
            return TransferOutputs(outputs, None, None)
        if self.regression is None and self.projection is None:
            return TransferOutputs(outputs, self.student(transfer), None)
        found = self.student.layer_outputs(transfer)
        representation = found.states[:, -1].float()  # z, [rows, hidden]
        soft = found.outputs if self.regression is None else self.regression(representation)
        projected = None if self.projection is None else F.gelu(self.projection(representation))
        return TransferOutputs(outputs, soft, projected)

    def prepare_stage(self, stage: Stage) -> None:
        """Freeze and unfreeze parts of the student as the stage asks; regression and projection are never frozen."""
        if stage.unfrozen_parts is None:
            self.requires_grad_(True)
            return
        assert isinstance(self.student, RecurrentNetwork)  # a launch refuses other students
        self.student.requires_grad_(False)
        for part in self.student.parts_from_top()[: stage.unfrozen_parts]:
            for module in part:
                module.requires_grad_(True)


class TransferObjective:
    """An objective with human labels on one set of rows and teacher outputs on another, the transfer set.

    An epoch is a pass over the larger of the two sets; the smaller one is repeated. Without a transfer set the labelled
    rows have the teacher outputs.

    Args:
        spec: The trial.
        task: Its task.
        data: The data, tokenized for the student.
        teacher: The teacher.
        student: The student.
        device: Where to compute.
    """

    def __init__(
        self,
        spec: TrialSpec,
        task: Task,
        data: TokenizedData,
        teacher: Teacher,
        student: Network,
        device: torch.device,
    ):
        assert not isinstance(student, Seq2SeqNetwork)  # a launch refuses it
        configuration, self._task = spec.configuration, task
        parts = len(student.parts_from_top()) if isinstance(student, RecurrentNetwork) else 1
        self._configuration, self._progress = configuration, StageProgress(training_stages(configuration, parts=parts))
        self._data, self._teacher, self._student, self._device = data, teacher, student, device
        self._teacher_outputs: dict[str, tuple[Any, np.ndarray | None]] = {}  # by split
        self._from = "unlabeled" if spec.triple.dataset.has_transfer_set else "train"
        self._labelled = _labelled_rows(data.splits["train"], configuration, spec.seed)
        self._transfer = _transfer_rows(data.splits[self._from], configuration, spec.seed)
        states = self._of_teacher(self._from)[1] if configuration.representation_weight else None
        width = None if states is None else states.shape[1]
        regression = configuration.distance.by_regression
        classes = len(data.label_names) if regression else None
        self._network = TransferStudent(student, spec.seed, classes=classes, width=width).to(device)
        self.students: Sequence[StudentObjective] = [
            StudentObjective(self._network, self.loss, self._progress, self.stage_loss, self._network.prepare_stage)
        ]
        self.num_examples = max(len(self._labelled), len(self._transfer))

    def draw(self, rows: np.ndarray) -> Batch:
        """The labelled and the transfer batch of some rows of an epoch."""
        labelled, transfer = (own[rows % len(own)] for own in (self._labelled, self._transfer))
        return self._batch("train", labelled, self._from, transfer)

    def count(self, rows: np.ndarray) -> TermCounts:
        """The transfer rows, and the terms of the task's losses for each of the two batches."""
        labelled, transfer = (own[rows % len(own)] for own in (self._labelled, self._transfer))
        terms = self._task.num_loss_terms
        splits = self._data.splits
        return TermCounts(len(rows), terms(splits["train"], labelled), terms(splits[self._from], transfer))

    def loss(self, found: TransferOutputs, targets: Any, share: TermCounts = WHOLE_BATCH) -> Tensor:
        """The weighted terms of the current stage (D, eq. 8), a scalar; a micro-batch contributes its share."""
        weights, stage = self._configuration, self._progress.stage
        labels, teacher_outputs, representation = targets
        terms = []
        if found.labelled is not None:
            terms.append(share.hard_terms * weights.hard_label_weight * self._task.hard_loss(found.labelled, labels))
        if teacher_outputs is not None and stage.soft and weights.soft_label_weight:
            soft = self._soft_loss(found.soft, teacher_outputs)
            terms.append(share.soft_terms * weights.soft_label_weight * soft)
        if representation is not None and found.representation is not None:
            distance = representation_loss(found.representation, representation)
            terms.append(share.rows * weights.representation_weight * distance)
        return torch.stack(terms).sum()

    @torch.no_grad()
    def stage_loss(self) -> float | None:
        """The loss on the validation split, where it decides when the current stage ends; else None."""
        if not self._progress.stage.converges:
            return None
        self._network.eval()
        split, total = self._data.splits["validation"], 0.0
        for rows in batches_by_length(split.lengths):
            batch = self._batch("validation", rows, "validation", rows)
            total += float(self.loss(self._network(batch.inputs), batch.targets)) * len(rows)
        return total / len(split)

    def _of_teacher(self, split: str) -> tuple[Any, np.ndarray | None]:
        """The teacher's outputs for a split, and its representations where the task is about whole texts."""
        if split not in self._teacher_outputs:
            if self._task.head is Head.SEQUENCE:
                self._teacher_outputs[split] = self._teacher.outputs_and_states(split, self._device)
            else:
                self._teacher_outputs[split] = self._teacher.outputs(split, self._device), None
        return self._teacher_outputs[split]

    def _soft_loss(self, outputs: Any, teacher_outputs: Tensor) -> Tensor:
        if self._network.regression is not None:
            return log_odds_loss(outputs, teacher_outputs)
        return self._task.soft_loss(outputs, teacher_outputs, {}, self._configuration)

    def _batch(self, split: str, labelled: np.ndarray, transfer_split: str, transfer: np.ndarray) -> Batch:
        """Inputs and targets for the terms of the current stage; None for the others."""
        weights, stage = self._configuration, self._progress.stage
        hard = stage.hard and weights.hard_label_weight > 0
        soft = stage.soft and weights.soft_label_weight > 0
        inputs: list[Any] = [None, None]
        targets: list[Any] = [None, None, None]
        if hard:
            data = self._data.splits[split]
            inputs[0] = self._student.inputs(data, labelled)
            targets[0] = as_tensors(self._task.targets(data, labelled), self._device)
        if soft or stage.representation:
            data = self._data.splits[transfer_split]
            inputs[1] = self._student.inputs(data, transfer)
            outputs, states = self._of_teacher(transfer_split)
            if soft:
                targets[1] = outputs.of(data, transfer, self._device)
            if stage.representation and states is not None:
                targets[2] = torch.from_numpy(states[transfer]).to(self._device)
        size = len(labelled) * hard + len(transfer) * (soft or stage.representation)
        return Batch(tuple(inputs), tuple(targets), size)


def _labelled_rows(split: TokenizedSplit, configuration: Configuration, seed: int) -> np.ndarray:
    """Rows of the training split whose labels the student trains on."""
    if not configuration.labelled_per_class:
        return np.arange(len(split))
    return rows_per_class(np.asarray(split.labels), configuration.labelled_per_class, seed)


def _transfer_rows(split: TokenizedSplit, configuration: Configuration, seed: int) -> np.ndarray:
    """Rows of the transfer set that the student trains on; a smaller draw is part of every larger one."""
    if not configuration.transfer_rows:
        return np.arange(len(split))
    return np.sort(seeded_permutation(len(split), seed)[: configuration.transfer_rows])
