"""The interface of an objective: the batches of some trials, and the loss of each trial's student."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor, nn

from trials.training import Batch, Stage, StageProgress, TermCounts


@dataclass(frozen=True)
class StudentObjective:
    """One student's part of an objective.

    Attributes:
        network: The student, together with any layers that are trained beside it.
        loss: Maps the network's output and a batch's targets to a scalar. For a micro-batch it also takes `TermCounts`.
        progress: The student's position in the stages of its schedule.
        stage_loss: Computes the current stage's loss on the validation split; None where the stage does not need it.
        prepare_stage: Prepares the network for a stage.
    """

    network: nn.Module
    loss: Callable[..., Tensor]
    progress: StageProgress
    stage_loss: Callable[[], float | None] = lambda: None
    prepare_stage: Callable[[Stage], None] = lambda stage: None


class Objective(Protocol):
    """The objective of one trial, or of several trials that train on the same batches.

    Attributes:
        num_examples: Rows of an epoch.
    """

    num_examples: int

    @property
    def students(self) -> Sequence[StudentObjective]:
        """One entry per trial, in the order of the trials."""

    def draw(self, rows: np.ndarray) -> Batch:
        """The inputs and targets of some rows of an epoch, the same for all students."""

    def count(self, rows: np.ndarray) -> TermCounts:
        """How many terms the loss averages over, for some rows of an epoch."""
