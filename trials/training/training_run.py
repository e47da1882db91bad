"""One network in training: its optimizer, its validations, what is kept of them, and its state on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from search_spaces import Optimizer as OptimizerName
from trials.specs import CurvePoint, TrainingRecipe
from trials.training.checkpoints import CheckpointFile
from trials.training.optimizers import make_optimizer
from trials.training.schedules import Progress, Stage

State = dict[str, Tensor]


class TrialFailed(Exception):
    """Training failed for a reason that would come again: recorded, not retried."""


@dataclass(frozen=True)
class Batch:
    """What some rows of the data give.

    Attributes:
        inputs: What networks are called with.
        targets: What losses compare their outputs with.
        size: Number of rows.
    """

    inputs: Any
    targets: Any
    size: int


class Counts(NamedTuple):
    """How much of what the means of a loss are over, of some rows; or which share a part of them has of all.

    Attributes:
        rows: Rows.
        labels, taught: What has a label, and what the teacher speaks about: rows, words or tokens.
    """

    rows: float = 1.0
    labels: float = 1.0
    taught: float = 1.0

    def share_of(self, whole: Counts) -> Counts:
        """The shares of a part of some rows."""
        return Counts(*(own / all_ if all_ else 0.0 for own, all_ in zip(self, whole, strict=True)))


WHOLE = Counts()


@dataclass(frozen=True)
class Selection:
    """Which validation's weights to keep.

    Attributes:
        name: Its name.
        key: What of a curve point is to be greatest; the first of equals is kept.
    """

    name: str
    key: Callable[[CurvePoint], float]


HIGHEST_SCORE = Selection("highest_score", lambda point: point.validation_score)
LOWEST_LOSS = Selection("lowest_loss", lambda point: -point.validation_loss)
OF_STAGE = Selection("stage", lambda point: -(point.stage_loss or 0.0))  # in a stage that converges


class Validation(NamedTuple):
    """What a validation finds.

    Attributes:
        score: The task's metric.
        loss: Mean loss against the human labels.
        stage_loss: The present stage's own loss; None where it does not count.
    """

    score: float
    loss: float
    stage_loss: float | None = None


@dataclass
class TrainingResult:
    """What training ends with.

    Attributes:
        curve: All validations.
        best: Per selection name, the position in `curve` that it selected.
        weights: Per selection name, the weights at that point.
        train_seconds: Seconds in training steps; of runs side by side each has an equal share.
        examples_seen: Training examples drawn.
        micro_batch: Rows at a time, where memory does not hold a batch; None where it does.
    """

    curve: list[CurvePoint] = field(default_factory=list)
    best: dict[str, int] = field(default_factory=dict)
    weights: dict[str, State] = field(default_factory=dict)
    train_seconds: float = 0.0
    examples_seen: int = 0
    micro_batch: int | None = None


class TrainingRun:
    """One network in training.

    Args:
        network: The network; `train` changes it in place.
        loss: From the network's output and a batch's targets to a scalar; of a part of a batch given its `Counts`, too.
        evaluate: Validates the network as it is; may leave it in evaluation mode.
        learning_rate: Peak learning rate.
        checkpoint: Where its state is kept.
        progress: Where in its stages it is; None means that there is one.
        optimizer: What it is trained by.
        enter: Prepares the network for a stage.
        judge: Told all validations after each; says why the run should stop early, or nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        evaluate: Callable[[], Validation],
        learning_rate: float,
        checkpoint: CheckpointFile,
        progress: Progress | None = None,
        optimizer: OptimizerName = OptimizerName.ADAMW,
        enter: Callable[[Stage], None] = lambda stage: None,
        judge: Callable[[Sequence[CurvePoint]], str | None] = lambda curve: None,
    ):
        self.network: Any = network
        self.loss = loss
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self.progress = progress or Progress()
        self.result = TrainingResult()
        self.failure: TrialFailed | None = None
        self.stopped: str | None = None  # why, if others were better
        self._evaluate = evaluate
        self._optimizer_name = optimizer
        self._enter = enter
        self._judge = judge

    def start(self, recipe: TrainingRecipe, selections: tuple[Selection, ...]) -> int:
        """Make the optimizer and take up the checkpoint, if there is one; returns the step to go on with."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(self._optimizer_name, parameters, recipe)
        self.device = parameters[0].device
        self.rate = torch.zeros((), device=self.device)  # a captured step reads it from where it is
        self.loss_sum = torch.zeros((), device=self.device)
        self.progress.cosine_sum = torch.zeros((), device=self.device)
        self._patience, self._selections = recipe.early_stopping, selections
        self.network.train()
        step = self._restore()
        self._enter(self.progress.stage)
        return step

    @property
    def ended(self) -> bool:
        """Whether it failed, was stopped or stopped early by itself; before its last stage it does not."""
        judged = self.failure is not None or self.stopped is not None
        return judged or (self.progress.last and self._stopped_early())

    def _stopped_early(self) -> bool:
        """Whether the last `patience` validations, all of the last stage, brought no better score that counts."""
        curve, best = self.result.curve, self._best_score()
        if self._patience is None or not curve:
            return False
        in_stage = sum(point.stage == curve[-1].stage for point in curve)
        return min(len(curve) - 1 - best, in_stage) >= self._patience

    def _best_score(self) -> int:
        """The first validation with the highest score, of those of stages in which scores mean something."""
        stages, curve = self.progress.stages, self.result.curve
        counted = [index for index, point in enumerate(curve) if stages[(point.stage or 1) - 1].classifies]
        return max(counted, key=lambda index: curve[index].validation_score, default=len(curve) - 1)

    def set_rate(self, share: float) -> None:
        """Set the learning rate to a share of its peak."""
        self.rate.fill_(self.learning_rate * share)

    def validate(self, step: int, epoch: float, *, last: bool = False) -> None:
        """Add a point to the curve and keep the weights for each selection that it is the best of.

        Who ends here anyway is judged only so that others know its score.
        """
        steps_since = step - (self.result.curve[-1].step if self.result.curve else 0)
        try:
            train_loss = _finite(float(self.loss_sum) / steps_since, "training loss", step)
            score, loss, stage_loss = self._evaluate()
            point = CurvePoint(
                step=step,
                epoch=epoch,
                train_loss=train_loss,
                validation_score=_finite(score, "validation score", step),
                validation_loss=_finite(loss, "validation loss", step),
                stage=self.progress.position + 1 if len(self.progress.stages) > 1 else None,
                stage_loss=None if stage_loss is None else _finite(stage_loss, "stage's loss", step),
            )
        except TrialFailed as failure:
            self.failure = failure
            return
        self.result.curve.append(point)
        for selection in self._present_selections():
            best = self.result.best.get(selection.name)
            if best is None or selection.key(point) > selection.key(self.result.curve[best]):
                self.result.best[selection.name] = len(self.result.curve) - 1
                kept = {name: value.cpu().clone() for name, value in weights_of(self.network).items()}
                self.result.weights[selection.name] = kept
        self.network.train()
        self.loss_sum.zero_()
        reason = self._judge(self.result.curve)
        self.stopped = None if last or self.ended else reason

    def end_epoch(self) -> None:
        """Go on to the next stage if this one is over; from the best weights of one that converged."""
        if not self.progress.end_epoch(converged=self._converged()):
            return
        if OF_STAGE.name in self.result.weights:
            set_weights(self.network, self.result.weights.pop(OF_STAGE.name))
            del self.result.best[OF_STAGE.name]
        self._enter(self.progress.stage)

    def _present_selections(self) -> Iterator[Selection]:
        """Those of the trial, where scores mean something, and the stage's own."""
        stage = self.progress.stage
        if stage.classifies:
            yield from self._selections
        if stage.converges:
            yield OF_STAGE

    def _converged(self) -> bool:
        """Whether the stage's last `patience` validations brought no lower loss of its own."""
        best = self.result.best.get(OF_STAGE.name)
        return best is not None and self._patience is not None and len(self.result.curve) - 1 - best >= self._patience

    def save(self, step: int) -> None:
        """Replace the checkpoint by the present state."""
        tensors = {f"model/{name}": value for name, value in weights_of(self.network).items()}
        for name, weights in self.result.weights.items():
            tensors |= {f"kept:{name}/{key}": value for key, value in weights.items()}
        tensors |= {f"optimizer/{name}": value for name, value in self.optimizer.state().items()}
        tensors |= {"loss/sum": self.loss_sum, "loss/cosine_sum": self.progress.cosine_sum}
        values = {
            "step": step,
            "progress": self.progress.state(),
            "curve": [point.model_dump() for point in self.result.curve],
            "best": self.result.best,
            "train_seconds": self.result.train_seconds,
            "examples_seen": self.result.examples_seen,
            "micro_batch": self.result.micro_batch,
        }
        self.checkpoint.save(tensors, values)

    def _restore(self) -> int:
        saved = self.checkpoint.load()
        if saved is None:
            return 0
        tensors, values = saved
        parts: dict[str, State] = {}
        for name, value in tensors.items():
            part, _, key = name.partition("/")
            parts.setdefault(part, {})[key] = value
        set_weights(self.network, parts["model"])
        self.optimizer.load_state(parts["optimizer"])
        self.loss_sum.copy_(parts["loss"]["sum"])
        if "progress" in values:  # states of before there were stages have none
            self.progress.cosine_sum.copy_(parts["loss"]["cosine_sum"])
            self.progress.load_state(values["progress"])
        self.result = TrainingResult(
            curve=[CurvePoint.model_validate(point) for point in values["curve"]],
            best=values["best"],
            weights={part.partition(":")[2]: kept for part, kept in parts.items() if part.startswith("kept:")},
            train_seconds=values["train_seconds"],
            examples_seen=values["examples_seen"],
            micro_batch=values.get("micro_batch"),  # older states have none
        )
        return values["step"]


def weights_of(network: nn.Module) -> State:
    """A network's parameters and buffers by name; those that are tied bear one name only."""
    state, names = network.state_dict(), _first_names(network)
    return {name: state[name] for name in dict.fromkeys(names.values())}


def set_weights(network: nn.Module, weights: State) -> None:
    """Let a network have these weights, as `weights_of` names them."""
    network.load_state_dict({name: weights[first] for name, first in _first_names(network).items()})


def _first_names(network: nn.Module) -> dict[str, str]:
    """Each name in a network's state with the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in network.state_dict(keep_vars=True).items()}


def _finite(value: float, what: str, step: int) -> float:
    if not math.isfinite(value):
        raise TrialFailed(f"the {what} is {value} at step {step}")
    return value
