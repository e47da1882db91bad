"""The training loop of teachers and students. It does not know about distillation.

It trains one network, or several networks on the same batches. All randomness depends on the seed and the step alone,
and the state is saved between steps. A run that was killed and resumed therefore ends with exactly the numbers of an
uninterrupted one (on the same kind of CPU).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch

from trials.specs import TrainingRecipe
from trials.training.interruption import Interrupted, interrupt_requested
from trials.training.stacked_runs import StackedRuns
from trials.training.training_run import HIGHEST_SCORE, Batch, Selection, TermCounts, TrainingRun


def train(
    runs: Sequence[TrainingRun],
    draw: Callable[[np.ndarray], Batch],
    *,
    num_examples: int,
    recipe: TrainingRecipe,
    seed: int,
    selections: tuple[Selection, ...] = (HIGHEST_SCORE,),
    on_end: Callable[[TrainingRun], None] = lambda run: None,
    micro_batch: int | None = None,
    count: Callable[[np.ndarray], TermCounts] = lambda rows: TermCounts(*(len(rows),) * 3),
) -> None:
    """Train the networks of some runs in place; afterwards each run holds its result, or the reason of its failure.

    Args:
        runs: The runs. Runs that resume from a checkpoint must be at the same step.
        draw: Maps row numbers [batch] to the inputs and targets of all runs.
        num_examples: Rows to draw from.
        recipe: Training recipe of all runs.
        seed: Seed of batch order and dropout.
        selections: The validations whose weights are kept.
        on_end: Called with each run as soon as it ends.
        micro_batch: Rows per forward and backward, where memory does not hold a whole batch.
        count: Maps row numbers to the number of terms that the losses average over.

    Raises:
        Interrupted: The process was asked to stop; the state is saved.
    """
    # Sizes; the last batch of an epoch may be smaller
    epoch_steps = math.ceil(num_examples / recipe.batch_size)
    total_steps = max(1, round(recipe.epochs * epoch_steps))
    evaluate_every = epoch_steps if recipe.evaluate_every == "epoch" else recipe.evaluate_every

    # Start from scratch or from the checkpoints
    (step,) = {run.start(recipe, selections) for run in runs}
    sizes = [size for size in (micro_batch, *(run.result.micro_batch for run in runs)) if size is not None]
    for run in runs:
        run.result.micro_batch = micro_batch = min(sizes, default=None)
    stacked = StackedRuns(list(runs), captured=micro_batch is None)
    clock = time.perf_counter()

    while step < total_steps and stacked.runs:
        # The batch of this step: a slice of the epoch's permutation
        epoch, position = divmod(step, epoch_steps)
        rows = _permutation(num_examples, seed, epoch)[
            position * recipe.batch_size : (position + 1) * recipe.batch_size
        ]

        # One optimizer step; its dropout depends on seed and step alone
        torch.manual_seed(_step_seed(seed, step))
        rate_factor = learning_rate_factor(step, total_steps, recipe)
        if micro_batch is None:
            stacked.step(draw(rows), rate_factor)
        else:
            stacked.step_in_micro_batches(_micro_batches(rows, micro_batch, draw, count), rate_factor)
        step += 1

        # Validation; runs that have ended are taken out
        if step % evaluate_every == 0 or step == total_steps:
            clock = _share_time(stacked.runs, clock)
            for run in stacked.runs:
                run.validate(step, step / epoch_steps, last=step == total_steps)
            ended = [run for run in stacked.runs if run.ended or step == total_steps]
            for run in ended:
                on_end(run)
            if ended:
                stacked = stacked.without(ended)
            clock = time.perf_counter()

        # The next stage, for schedules with several
        if step % epoch_steps == 0:
            for run in stacked.runs:
                run.end_epoch()

        # The checkpoint, every few minutes and before an interruption
        if interrupt_requested() or any(run.checkpoint.due for run in stacked.runs):
            clock = _share_time(stacked.runs, clock)
            for run in stacked.runs:
                run.save(step)
            clock = time.perf_counter()
            if interrupt_requested() and stacked.runs:
                raise Interrupted


def learning_rate_factor(step: int, total_steps: int, recipe: TrainingRecipe) -> float:
    """Fraction of the peak learning rate at a step: linear warm-up, then linear decay if the recipe has it."""
    warmup_steps = recipe.warmup_fraction * total_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if not recipe.decay:
        return 1.0
    return (total_steps - step) / max(1.0, total_steps - warmup_steps)


def _micro_batches(
    rows: np.ndarray, size: int, draw: Callable[[np.ndarray], Batch], count: Callable[[np.ndarray], TermCounts]
) -> Iterator[tuple[Batch, TermCounts]]:
    """The micro-batches of a batch, each with its share of the terms that the losses average over."""
    whole = count(rows)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield draw(part), count(part).share_of(whole)


def _share_time(runs: Sequence[TrainingRun], since: float) -> float:
    """Add the seconds since a moment to the runs, in equal shares; returns the current moment."""
    now = time.perf_counter()
    for run in runs:
        run.result.train_seconds += (now - since) / len(runs)
    return now


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


@lru_cache(maxsize=1)  # all steps of an epoch share it
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_examples)
