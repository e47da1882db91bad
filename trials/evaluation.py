"""A network over a whole split: its outputs, in the split's order, and how they score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trials.networks import Network
from trials.spec import EVALUATION_TOKENS
from trials.tasks import Task
from trials.tokens import TokenizedSplit, ragged_index


@torch.no_grad()
def predict(network: Network, split: TokenizedSplit) -> np.ndarray:
    """Outputs, float32 [positions, width], in the split's order; rows of like length go through the model together."""
    network.eval()
    batches = batches_by_length(split.lengths)
    outputs = np.concatenate([network(network.inputs(split, rows)).cpu().numpy() for rows in batches])
    order = np.concatenate(batches)
    if split.position_offsets is None:
        return outputs[np.argsort(order)]
    found = np.cumsum([0, *np.diff(split.position_offsets)[order]])
    return outputs[ragged_index(found, np.argsort(order))]


def evaluate(task: Task, network: Network, split: TokenizedSplit) -> tuple[dict[str, float], float]:
    """All scores of a network on a split, and its mean loss against the human labels."""
    return scores(task, predict(network, split), split)


def scores(task: Task, outputs: np.ndarray, split: TokenizedSplit) -> tuple[dict[str, float], float]:
    """All scores of outputs, float32 [positions, width], over a split, and their mean loss against the human labels."""
    targets = tensors(task.targets(split, np.arange(len(split))))
    return task.score(outputs, split), float(task.hard_loss(torch.from_numpy(outputs), targets))


def tensors(targets: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Tensor]:
    """Arrays as tensors on a device."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)).to(device) for name, values in targets.items()}


def batches_by_length(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows in batches of at most `EVALUATION_TOKENS` tokens, padding included, longest rows first."""
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = max(1, EVALUATION_TOKENS // int(lengths[rows[start]]))
        batches.append(rows[start : start + size])
        start += size
    return batches
