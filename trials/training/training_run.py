"""The state of one training run: optimizer, validations, selected weights, and its checkpoint."""

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
from trials.training.schedules import Stage, StageProgress

State = dict[str, Tensor]


class TrialFailed(Exception):
    """Training failed for a reason that a retry would meet again: the trial is recorded as failed."""


@dataclass(frozen=True)
class Batch:
    """The inputs and targets of some rows.

    Attributes:
        inputs: The networks' input.
        targets: What the losses compare the networks' outputs with.
        size: Number of rows.
    """

    inputs: Any
    targets: Any
    size: int


class TermCounts(NamedTuple):
    """How many terms the parts of a loss average over: for a batch as counts, for a micro-batch as shares of its batch.

    Attributes:
        rows: Rows.
        hard_terms: Rows, words or tokens with a human label.
        soft_terms: Rows, words or tokens with teacher outputs.
    """

    rows: float = 1.0
    hard_terms: float = 1.0
    soft_terms: float = 1.0

    def share_of(self, whole: TermCounts) -> TermCounts:
        """These counts as shares of those of the whole batch."""
        return TermCounts(*(own / all_ if all_ else 0.0 for own, all_ in zip(self, whole, strict=True)))


WHOLE_BATCH = TermCounts()


@dataclass(frozen=True)
class Selection:
    """A criterion that selects the validation whose weights are kept.

    Attributes:
        name: Its name.
        key: Maps a validation to the value that is maximised; the first of equals is kept.
    """

    name: str
    key: Callable[[CurvePoint], float]


HIGHEST_SCORE = Selection("highest_score", lambda point: point.validation_score)
LOWEST_LOSS = Selection("lowest_loss", lambda point: -point.validation_loss)
LOWEST_STAGE_LOSS = Selection("stage", lambda point: -(point.stage_loss or 0.0))  # of a stage that ends by its loss


class Validation(NamedTuple):
    """The result of a validation.

    Attributes:
        score: The task's metric.
        loss: Mean loss against the human labels.
        stage_loss: The loss of the current stage; None where it is not needed.
    """

    score: float
    loss: float
    stage_loss: float | None = None


@dataclass
class TrainingResult:
    """The result of a training run.

    Attributes:
        curve: All validations.
        best: Position in `curve` of the selected validation, by the selection's name.
        weights: The weights of the selected validation, by the selection's name.
        train_seconds: Seconds in training steps; runs that are trained together have equal shares.
        examples_seen: Training examples drawn.
        micro_batch: Rows per forward and backward, where memory does not hold a whole batch; else None.
    """

    curve: list[CurvePoint] = field(default_factory=list)
    best: dict[str, int] = field(default_factory=dict)
    weights: dict[str, State] = field(default_factory=dict)
    train_seconds: float = 0.0
    examples_seen: int = 0
    micro_batch: int | None = None


class TrainingRun:
    """A network and the state of its training.

    Args:
        network: The network; `train` changes it in place.
        loss: Maps the network's output and a batch's targets to a scalar. For a micro-batch it also takes `TermCounts`.
        evaluate: Validates the network; may leave it in evaluation mode.
        learning_rate: Peak learning rate.
        checkpoint: The file of its state.
        progress: The position in the stages of its schedule; None means that there is a single stage.
        optimizer: The optimizer's name.
        prepare_stage: Prepares the network for a stage.
        stop_check: Called with all validations after each one; returns why the run should stop early, or None.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[..., Tensor],
        evaluate: Callable[[], Validation],
        learning_rate: float,
        checkpoint: CheckpointFile,
        progress: StageProgress | None = None,
        optimizer: OptimizerName = OptimizerName.ADAMW,
        prepare_stage: Callable[[Stage], None] = lambda stage: None,
        stop_check: Callable[[Sequence[CurvePoint]], str | None] = lambda curve: None,
    ):
        self.network: Any = network
        self.loss = loss
        self.learning_rate = learning_rate
        self.checkpoint = checkpoint
        self.progress = progress or StageProgress()
        self.result = TrainingResult()
        self.failure: TrialFailed | None = None
        self.stopped: str | None = None  # why it was stopped early, in comparison with other trials
        self._evaluate = evaluate
        self._optimizer_name = optimizer
        self._prepare_stage = prepare_stage
        self._stop_check = stop_check

    def start(self, recipe: TrainingRecipe, selections: tuple[Selection, ...]) -> int:
        """Create the optimizer and load the checkpoint, if there is one; returns the step to continue from."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimizer = make_optimizer(self._optimizer_name, parameters, recipe)
        self.device = parameters[0].device
        self.rate = torch.zeros((), device=self.device)  # a tensor, because captured CUDA graphs read it from memory
        self.loss_sum = torch.zeros((), device=self.device)
        self.progress.cosine_sum = torch.zeros((), device=self.device)
        self._patience, self._selections = recipe.early_stopping, selections
        self.network.train()
        step = self._restore()
        self._prepare_stage(self.progress.stage)
        return step

    @property
    def ended(self) -> bool:
        """Whether it failed, was stopped early by comparison, or ran out of patience in its last stage."""
        judged = self.failure is not None or self.stopped is not None
        return judged or (self.progress.last and self._out_of_patience())

    def _out_of_patience(self) -> bool:
        """Whether the last `patience` validations, all of them in the current stage, brought no better score."""
        curve, best = self.result.curve, self._best_score()
        if self._patience is None or not curve:
            return False
        in_stage = sum(point.stage == curve[-1].stage for point in curve)
        return min(len(curve) - 1 - best, in_stage) >= self._patience

    def _best_score(self) -> int:
        """The first validation with the highest score, among stages that train the classifier."""
        stages, curve = self.progress.stages, self.result.curve
        counted = [index for index, point in enumerate(curve) if stages[(point.stage or 1) - 1].trains_classifier]
        return max(counted, key=lambda index: curve[index].validation_score, default=len(curve) - 1)

    def set_rate(self, factor: float) -> None:
        """Set the learning rate to a fraction of its peak."""
        self.rate.fill_(self.learning_rate * factor)

    def validate(self, step: int, epoch: float, *, last: bool = False) -> None:
        """Add a validation to the curve, and keep the weights for each selection for which it is the best so far.

        A run that ends here anyway still reports its score, so that other trials are compared with it.
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
        for selection in self._current_selections():
            best = self.result.best.get(selection.name)
            if best is None or selection.key(point) > selection.key(self.result.curve[best]):
                self.result.best[selection.name] = len(self.result.curve) - 1
                kept = {name: value.cpu().clone() for name, value in weights_of(self.network).items()}
                self.result.weights[selection.name] = kept
        self.network.train()
        self.loss_sum.zero_()
        reason = self._stop_check(self.result.curve)
        self.stopped = None if last or self.ended else reason

    def end_epoch(self) -> None:
        """Move on to the next stage if this one is over; a stage that ends by its loss passes on its best weights."""
        if not self.progress.end_epoch(converged=self._converged()):
            return
        if LOWEST_STAGE_LOSS.name in self.result.weights:
            set_weights(self.network, self.result.weights.pop(LOWEST_STAGE_LOSS.name))
            del self.result.best[LOWEST_STAGE_LOSS.name]
        self._prepare_stage(self.progress.stage)

    def _current_selections(self) -> Iterator[Selection]:
        """The run's selections while the classifier is trained, and the lowest loss of a stage that ends by it."""
        stage = self.progress.stage
        if stage.trains_classifier:
            yield from self._selections
        if stage.converges:
            yield LOWEST_STAGE_LOSS

    def _converged(self) -> bool:
        """Whether the last `patience` validations brought no lower stage loss."""
        best = self.result.best.get(LOWEST_STAGE_LOSS.name)
        return best is not None and self._patience is not None and len(self.result.curve) - 1 - best >= self._patience

    def save(self, step: int) -> None:
        """Write the checkpoint."""
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
        if "progress" in values:  # missing in checkpoints of versions without stages
            self.progress.cosine_sum.copy_(parts["loss"]["cosine_sum"])
            self.progress.load_state(values["progress"])
        self.result = TrainingResult(
            curve=[CurvePoint.model_validate(point) for point in values["curve"]],
            best=values["best"],
            weights={part.partition(":")[2]: kept for part, kept in parts.items() if part.startswith("kept:")},
            train_seconds=values["train_seconds"],
            examples_seen=values["examples_seen"],
            micro_batch=values.get("micro_batch"),  # missing in older checkpoints
        )
        return values["step"]


def weights_of(network: nn.Module) -> State:
    """A network's parameters and buffers by name; tied ones once, under their first name."""
    state, names = network.state_dict(), _first_names(network)
    return {name: state[name] for name in dict.fromkeys(names.values())}


def set_weights(network: nn.Module, weights: State) -> None:
    """Load weights that `weights_of` returned."""
    network.load_state_dict({name: weights[first] for name, first in _first_names(network).items()})


def _first_names(network: nn.Module) -> dict[str, str]:
    """For each name in a network's state, the first name of the same tensor."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in network.state_dict(keep_vars=True).items()}


def _finite(value: float, what: str, step: int) -> float:
    if not math.isfinite(value):
        raise TrialFailed(f"the {what} is {value} at step {step}")
    return value
