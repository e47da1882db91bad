"""The one training loop: teachers and students share it. It reads from top to bottom; it knows no KD.

Everything random is a function of the seed and the step, and the state is saved between steps, so that a run
which was killed and goes on ends with the very numbers of one that was not (on one kind of CPU).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trials.checkpoints import CheckpointFile
from trials.record import CurvePoint
from trials.spec import TrainingRecipe

Evaluate = Callable[[nn.Module], tuple[float, float]]  # model -> (validation score, validation loss)
Objective = Callable[[nn.Module, np.ndarray], Tensor]  # model, rows [batch] -> scalar loss
State = dict[str, Tensor]


class TrialFailed(Exception):
    """Training failed for a reason that would come again: recorded, not retried."""


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


@dataclass
class TrainingResult:
    """What training ends with.

    Attributes:
        curve: All validations.
        best: Per selection name, the position in `curve` that it selected.
        weights: Per selection name, the weights at that point.
        train_seconds: Seconds in training steps.
        examples_seen: Training examples drawn.
    """

    curve: list[CurvePoint] = field(default_factory=list)
    best: dict[str, int] = field(default_factory=dict)
    weights: dict[str, State] = field(default_factory=dict)
    train_seconds: float = 0.0
    examples_seen: int = 0


def train(
    model: nn.Module,
    objective: Objective,
    evaluate: Evaluate,
    *,
    num_examples: int,
    recipe: TrainingRecipe,
    learning_rate: float,
    seed: int,
    selections: tuple[Selection, ...] = (HIGHEST_SCORE,),
    checkpoint: CheckpointFile,
) -> TrainingResult:
    """Train `model` in place.

    Raises:
        TrialFailed: The loss or a validation is NaN or infinite.
    """
    # Sizes: an epoch's last batch may be smaller
    epoch_steps = math.ceil(num_examples / recipe.batch_size)
    total_steps = max(1, round(recipe.epochs * epoch_steps))
    evaluate_every = epoch_steps if recipe.evaluate_every == "epoch" else recipe.evaluate_every

    # Start anew, or where the checkpoint left off
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(_decay_groups(model, recipe.weight_decay), lr=learning_rate, fused=True)
    result, step, loss_sum = _restored(checkpoint, model, optimizer)
    model.train()
    started = time.perf_counter()

    while step < total_steps and not _stopped_early(result.curve, recipe.early_stopping):
        # The batch of this step: a slice of the epoch's permutation
        epoch, position = divmod(step, epoch_steps)
        rows = _permutation(num_examples, seed, epoch)[
            position * recipe.batch_size : (position + 1) * recipe.batch_size
        ]

        # One optimizer step; its dropout depends on seed and step alone
        torch.manual_seed(_step_seed(seed, step))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * warmup_decay(step, total_steps, recipe.warmup_fraction)
        loss = objective(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        loss_sum += loss.detach()
        step += 1
        result.examples_seen += len(rows)

        # Validation, and what is kept of it
        if step % evaluate_every == 0 or step == total_steps:
            steps_since = step - (result.curve[-1].step if result.curve else 0)
            train_loss = _finite(float(loss_sum) / steps_since, "training loss", step)
            result.train_seconds += time.perf_counter() - started
            score, validation_loss = evaluate(model)
            point = CurvePoint(
                step=step,
                epoch=step / epoch_steps,
                train_loss=train_loss,
                validation_score=_finite(score, "validation score", step),
                validation_loss=_finite(validation_loss, "validation loss", step),
            )
            _keep(result, point, model, selections)
            model.train()
            loss_sum = torch.zeros_like(loss_sum)
            started = time.perf_counter()

        # The state, every few minutes
        if checkpoint.due and step < total_steps:
            result.train_seconds += time.perf_counter() - started
            _save(checkpoint, model, optimizer, result, step, loss_sum)
            started = time.perf_counter()
    return result


def warmup_decay(step: int, total_steps: int, warmup_fraction: float) -> float:
    """Share of the peak learning rate at a step: rises linearly over the warm-up, then falls linearly to 0."""
    warmup_steps = warmup_fraction * total_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return (total_steps - step) / max(1.0, total_steps - warmup_steps)


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_examples)


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and embeddings, none on biases and norms."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _stopped_early(curve: list[CurvePoint], patience: int | None) -> bool:
    """Whether the last `patience` validations brought no better score."""
    if patience is None or not curve:
        return False
    scores = [point.validation_score for point in curve]
    return len(scores) - 1 - scores.index(max(scores)) >= patience


def _finite(value: float, what: str, step: int) -> float:
    if not math.isfinite(value):
        raise TrialFailed(f"the {what} is {value} at step {step}")
    return value


def _keep(result: TrainingResult, point: CurvePoint, model: nn.Module, selections: tuple[Selection, ...]) -> None:
    """Add a point to the curve; copy the weights for each selection that it is the best of."""
    result.curve.append(point)
    for selection in selections:
        best = result.best.get(selection.name)
        if best is None or selection.key(point) > selection.key(result.curve[best]):
            result.best[selection.name] = len(result.curve) - 1
            result.weights[selection.name] = {n: v.detach().cpu().clone() for n, v in model.state_dict().items()}


def _save(
    checkpoint: CheckpointFile,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    result: TrainingResult,
    step: int,
    loss_sum: Tensor,
) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for name, weights in result.weights.items():
        tensors |= {f"kept:{name}/{key}": value for key, value in weights.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer:{index}/{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors["loss/sum"] = loss_sum
    values = {
        "step": step,
        "curve": [point.model_dump() for point in result.curve],
        "best": result.best,
        "train_seconds": result.train_seconds,
        "examples_seen": result.examples_seen,
    }
    checkpoint.save(tensors, values)


def _restored(
    checkpoint: CheckpointFile, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[TrainingResult, int, Tensor]:
    """Result so far, step and loss sum: of the checkpoint if there is one, else of a fresh start."""
    device = next(model.parameters()).device
    saved = checkpoint.load()
    if saved is None:
        return TrainingResult(), 0, torch.zeros((), device=device)
    tensors, values = saved
    parts: dict[str, State] = {}
    for name, value in tensors.items():
        part, _, key = name.partition("/")
        parts.setdefault(part, {})[key] = value
    model.load_state_dict(parts["model"])
    state = optimizer.state_dict()
    state["state"] = {
        int(name.partition(":")[2]): part for name, part in parts.items() if name.startswith("optimizer:")
    }
    optimizer.load_state_dict(state)
    result = TrainingResult(
        curve=[CurvePoint.model_validate(point) for point in values["curve"]],
        best=values["best"],
        weights={part.partition(":")[2]: kept for part, kept in parts.items() if part.startswith("kept:")},
        train_seconds=values["train_seconds"],
        examples_seen=values["examples_seen"],
    )
    return result, values["step"], parts["loss"]["sum"].to(device)
