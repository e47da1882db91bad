"""Learning as in D: people's labels on one batch, what the teacher says on another, drawn side by side (eq. 8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_spaces import Configuration, Distance
from trials.datasets import TokenizedData, rows_per_class
from trials.evaluation import tensors
from trials.losses import log_odds_loss, representation_loss
from trials.networks import Network, RecurrentNetwork, Seq2SeqNetwork
from trials.objectives.shared_rows import Learner
from trials.readers import TokenizedSplit, batches_by_length, shuffled
from trials.specs import TrialSpec
from trials.tasks import Head, Task
from trials.teachers import Teacher
from trials.training import WHOLE, Batch, Counts, Progress, Stage, stages_of


class Said(NamedTuple):
    """What a student says of two batches; None where nobody asks.

    Attributes:
        labelled: Outputs for labelled rows [rows, classes].
        soft: What is compared with the teacher's outputs, for transfer rows [rows, classes].
        representation: Of those rows, as wide as the teacher's [rows, width].
    """

    labelled: Tensor | None
    soft: Tensor | None
    representation: Tensor | None


class TransferStudent(nn.Module):
    """A student with what is trained beside it: a regression of log-odds, and a projection of its representation.

    Both are trained, clipped and saved with the student, and are no part of it (D, sections 4.1 and 4.2).

    Args:
        student: The student.
        seed: Of their weights.
        classes: Width of the regression; None means none.
        width: Of the teacher's representation; None means no projection.
    """

    def __init__(self, student: Network, seed: int, *, classes: int | None, width: int | None):
        super().__init__()
        self.student: Any = student
        torch.manual_seed(seed)
        own: Any = student.hidden_size
        self.regression = None if classes is None else nn.Linear(own, classes)
        self.projection = None if width is None else nn.Linear(own, width)

    def forward(self, inputs: tuple[Any, Any]) -> Said:
        """What it says of a labelled and of a transfer batch; either may be None."""
        labelled, transfer = inputs
        outputs = None if labelled is None else self.student(labelled)
        if transfer is None:
            return Said(outputs, None, None)
        if self.regression is None and self.projection is None:
            return Said(outputs, self.student(transfer), None)
        found = self.student.with_internals(transfer)
        said = found.states[:, -1].float()  # z, [rows, hidden]
        soft = found.outputs if self.regression is None else self.regression(said)
        return Said(outputs, soft, None if self.projection is None else F.gelu(self.projection(said)))

    def enter(self, stage: Stage) -> None:
        """Let those parts learn that the stage thaws; what is trained beside the student always does."""
        if stage.thawed is None:
            self.requires_grad_(True)
            return
        assert isinstance(self.student, RecurrentNetwork)  # the launch refuses others
        self.student.requires_grad_(False)
        for part in self.student.from_the_top()[: stage.thawed]:
            for module in part:
                module.requires_grad_(True)


class TransferLesson:
    """Data and teacher of one trial, as a student of D's sees them.

    An epoch is a pass over the larger of labelled and transfer rows; the other ones come again and again. Where the
    data have no transfer set the teacher speaks about the labelled rows.

    Args:
        spec: The trial.
        task: Its task.
        data: The data as the student reads them.
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
        assert not isinstance(student, Seq2SeqNetwork)  # the launch refuses it
        configuration, self._task = spec.configuration, task
        parts = len(student.from_the_top()) if isinstance(student, RecurrentNetwork) else 1
        self._configuration, self._progress = configuration, Progress(stages_of(configuration, parts=parts))
        self._data, self._teacher, self._student, self._device = data, teacher, student, device
        self._known: dict[str, tuple[Any, np.ndarray | None]] = {}
        self._from = "unlabeled" if spec.triple.dataset.has_transfer_set else "train"
        self._labelled = _labelled_rows(data.splits["train"], configuration, spec.seed)
        self._transfer = _transfer_rows(data.splits[self._from], configuration, spec.seed)
        states = self._spoken(self._from)[1] if configuration.representation_weight else None
        width = None if states is None else states.shape[1]
        regression = configuration.distance is Distance.LOGITS
        classes = len(data.label_names) if regression else None
        self._network = TransferStudent(student, spec.seed, classes=classes, width=width).to(device)
        self.learners: Sequence[Learner] = [
            Learner(self._network, self.loss, self._progress, self.stage_loss, self._network.enter)
        ]
        self.num_examples = max(len(self._labelled), len(self._transfer))

    def draw(self, rows: np.ndarray) -> Batch:
        """The labelled and the transfer batch of some of an epoch's rows."""
        labelled, transfer = (own[rows % len(own)] for own in (self._labelled, self._transfer))
        return self._batch("train", labelled, self._from, transfer)

    def count(self, rows: np.ndarray) -> Counts:
        """Transfer rows, and what the task's losses of either batch are means over."""
        labelled, transfer = (own[rows % len(own)] for own in (self._labelled, self._transfer))
        terms = self._task.num_terms
        splits = self._data.splits
        return Counts(len(rows), terms(splits["train"], labelled), terms(splits[self._from], transfer))

    def loss(self, found: Said, targets: Any, share: Counts = WHOLE) -> Tensor:
        """The weighted terms of the present stage (D, eq. 8), a scalar; of a part of a batch its share."""
        weights, stage = self._configuration, self._progress.stage
        labels, taught, representation = targets
        terms = []
        if found.labelled is not None:
            terms.append(share.labels * weights.hard_label_weight * self._task.hard_loss(found.labelled, labels))
        if taught is not None and stage.soft and weights.soft_label_weight:
            terms.append(share.taught * weights.soft_label_weight * self._soft_loss(found.soft, taught))
        if representation is not None and found.representation is not None:
            spoken = representation_loss(found.representation, representation)
            terms.append(share.rows * weights.representation_weight * spoken)
        return torch.stack(terms).sum()

    @torch.no_grad()
    def stage_loss(self) -> float | None:
        """The loss of a stage that converges, on the validation split; None of other stages."""
        if not self._progress.stage.converges:
            return None
        self._network.eval()
        split, total = self._data.splits["validation"], 0.0
        for rows in batches_by_length(split.lengths):
            batch = self._batch("validation", rows, "validation", rows)
            total += float(self.loss(self._network(batch.inputs), batch.targets)) * len(rows)
        return total / len(split)

    def _spoken(self, split: str) -> tuple[Any, np.ndarray | None]:
        """The teacher's outputs over a split, and its representations of texts."""
        if split not in self._known:
            if self._task.head is Head.SEQUENCE:
                self._known[split] = self._teacher.spoken(split, self._device)
            else:
                self._known[split] = self._teacher.outputs(split, self._device), None
        return self._known[split]

    def _soft_loss(self, outputs: Any, taught: Tensor) -> Tensor:
        if self._network.regression is not None:
            return log_odds_loss(outputs, taught)
        return self._task.soft_loss(outputs, taught, {}, self._configuration)

    def _batch(self, split: str, labelled: np.ndarray, taught_split: str, transfer: np.ndarray) -> Batch:
        """The rows that the present stage asks for, and what is said of them."""
        weights, stage = self._configuration, self._progress.stage
        hard = stage.hard and weights.hard_label_weight > 0
        soft = stage.soft and weights.soft_label_weight > 0
        inputs: list[Any] = [None, None]
        targets: list[Any] = [None, None, None]
        if hard:
            data = self._data.splits[split]
            inputs[0] = self._student.inputs(data, labelled)
            targets[0] = tensors(self._task.targets(data, labelled), self._device)
        if soft or stage.representation:
            data = self._data.splits[taught_split]
            inputs[1] = self._student.inputs(data, transfer)
            outputs, states = self._spoken(taught_split)
            if soft:
                targets[1] = outputs.of(data, transfer, self._device)
            if stage.representation and states is not None:
                targets[2] = torch.from_numpy(states[transfer]).to(self._device)
        size = len(labelled) * hard + len(transfer) * (soft or stage.representation)
        return Batch(tuple(inputs), tuple(targets), size)


def _labelled_rows(split: TokenizedSplit, configuration: Configuration, seed: int) -> np.ndarray:
    """Rows of train whose labels the student sees."""
    if not configuration.labelled_per_class:
        return np.arange(len(split))
    return rows_per_class(np.asarray(split.labels), configuration.labelled_per_class, seed)


def _transfer_rows(split: TokenizedSplit, configuration: Configuration, seed: int) -> np.ndarray:
    """Rows that the teacher speaks about; a smaller draw is part of every larger one."""
    if not configuration.transfer_rows:
        return np.arange(len(split))
    return np.sort(shuffled(len(split), seed)[: configuration.transfer_rows])
