"""The one training loop: teachers and students share it. It reads from top to bottom; it knows no KD.

It trains one network, or several side by side on the same batches. Everything random is a function of the seed and the
step, and the state is saved between steps, so that a run which was killed and goes on ends with the very numbers of one
that was not (on one kind of CPU).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch

from trials.specs import TrainingRecipe
from trials.training.interruption import Left, leave_asked
from trials.training.stacked_runs import Unit
from trials.training.training_run import HIGHEST_SCORE, Batch, Counts, Selection, TrainingRun


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
    count: Callable[[np.ndarray], Counts] = lambda rows: Counts(*(len(rows),) * 3),
) -> None:
    """Train the networks of some runs in place; each run then holds its result, or why it failed.

    Args:
        runs: What differs between the runs; runs that go on from a checkpoint must be at the same step.
        draw: From rows [batch] to the inputs and targets that all runs see.
        num_examples: Rows to draw from.
        recipe: Training recipe of all runs.
        seed: Of the batches and of dropout.
        selections: Which validations' weights to keep.
        on_end: Told of each run as soon as it ends.
        micro_batch: Rows whose gradients are computed at a time, where memory does not hold a batch's.
        count: What the means of the losses of some rows are over.

    Raises:
        Left: The work was asked to leave; its state is saved.
    """
    # Sizes: an epoch's last batch may be smaller
    epoch_steps = math.ceil(num_examples / recipe.batch_size)
    total_steps = max(1, round(recipe.epochs * epoch_steps))
    evaluate_every = epoch_steps if recipe.evaluate_every == "epoch" else recipe.evaluate_every

    # Start anew, or where the checkpoints left off
    (step,) = {run.start(recipe, selections) for run in runs}
    sizes = [size for size in (micro_batch, *(run.result.micro_batch for run in runs)) if size is not None]
    for run in runs:
        run.result.micro_batch = micro_batch = min(sizes, default=None)
    unit = Unit(list(runs), captured=micro_batch is None)
    clock = time.perf_counter()

    while step < total_steps and unit.runs:
        # The batch of this step: a slice of the epoch's permutation
        epoch, position = divmod(step, epoch_steps)
        rows = _permutation(num_examples, seed, epoch)[
            position * recipe.batch_size : (position + 1) * recipe.batch_size
        ]

        # One optimizer step; its dropout depends on seed and step alone
        torch.manual_seed(_step_seed(seed, step))
        if micro_batch is None:
            unit.step(draw(rows), rate_share(step, total_steps, recipe))
        else:
            unit.step_in_parts(_parts(rows, micro_batch, draw, count), rate_share(step, total_steps, recipe))
        step += 1

        # Validation, and what is kept of it; who has ended leaves
        if step % evaluate_every == 0 or step == total_steps:
            clock = _share_time(unit.runs, clock)
            for run in unit.runs:
                run.validate(step, step / epoch_steps, last=step == total_steps)
            ended = [run for run in unit.runs if run.ended or step == total_steps]
            for run in ended:
                on_end(run)
            if ended:
                unit = unit.without(ended)
            clock = time.perf_counter()

        # The next stage of whose schedule has one
        if step % epoch_steps == 0:
            for run in unit.runs:
                run.end_epoch()

        # The state, every few minutes and before it leaves
        if leave_asked() or any(run.checkpoint.due for run in unit.runs):
            clock = _share_time(unit.runs, clock)
            for run in unit.runs:
                run.save(step)
            clock = time.perf_counter()
            if leave_asked() and unit.runs:
                raise Left


def rate_share(step: int, total_steps: int, recipe: TrainingRecipe) -> float:
    """Share of the peak learning rate at a step: rises linearly over the warm-up, then falls linearly, if it does."""
    warmup_steps = recipe.warmup_fraction * total_steps
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if not recipe.decay:
        return 1.0
    return (total_steps - step) / max(1.0, total_steps - warmup_steps)


def _parts(
    rows: np.ndarray, size: int, draw: Callable[[np.ndarray], Batch], count: Callable[[np.ndarray], Counts]
) -> Iterator[tuple[Batch, Counts]]:
    """The parts of a batch one after the other, each with its share of what the means of the losses are over."""
    whole = count(rows)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        yield draw(part), count(part).share_of(whole)


def _share_time(runs: Sequence[TrainingRun], since: float) -> float:
    """Add the seconds since a moment to the runs, in equal shares; returns the present moment."""
    now = time.perf_counter()
    for run in runs:
        run.result.train_seconds += (now - since) / len(runs)
    return now


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


@lru_cache(maxsize=1)  # all steps of an epoch share it
def _permutation(num_examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(num_examples)
