"""A network over a whole split: its outputs, in the split's order, and how they score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trials.generation import translate
from trials.networks import Network
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.predictions import write_predictions
from trials.spec import EVALUATION_TOKENS
from trials.tasks import Task
from trials.tokens import TokenizedSplit, batches_by_length, ragged_index
from trials.top_k import top_k_of

LOGITS = 2**25  # of an encoder-decoder at a time, in evaluation


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


def evaluate(
    task: Task,
    network: Network,
    split: TokenizedSplit,
    order: Sequence[int] | None = None,
    keep: Path | None = None,
) -> tuple[dict[str, float], float]:
    """All scores of a network on a split, and its mean loss against the human labels.

    Args:
        task: The task.
        network: The network.
        split: The split.
        order: For each label of the data, its position in the network's output; None means they are the same.
        keep: Where the answers to each example are kept, of tasks that have such.
    """
    if isinstance(network, Seq2SeqNetwork):
        return task.score(translate(network, split), split), forced_loss(task, network, split)
    outputs = predict(network, split)
    outputs = outputs if order is None else outputs[:, list(order)]
    if keep is not None:
        write_predictions(keep, task.answers(outputs), task.probabilities(outputs))
    targets = tensors(task.targets(split, np.arange(len(split))))
    return task.score(outputs, split), float(task.hard_loss(torch.from_numpy(outputs), targets))


@torch.no_grad()
def forced_loss(task: Task, network: Seq2SeqNetwork, split: TokenizedSplit) -> float:
    """Mean loss over a split's target tokens; their logits are too many to keep."""
    network.eval()
    total = 0.0
    for rows in batches_by_length(split.lengths, logits_budget(network)):
        targets = tensors(task.targets(split, rows), network.model.device)
        total += float(task.hard_loss(network(network.inputs(split, rows)), targets)) * len(targets["labels"])
    return total / int(split.position_offsets[-1])


@torch.no_grad()
def write_states(network: Any, split: TokenizedSplit, file: Path) -> None:
    """What each layer says of rows' first tokens, float32 [rows, layers, hidden], into a .npy file batch by batch."""
    network.eval()
    found: np.ndarray | None = None
    for rows in batches_by_length(split.lengths):
        states = network.with_internals(network.inputs(split, rows)).states.float().cpu().numpy()
        if found is None:
            shape = (len(split), *states.shape[1:])
            found = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        found[rows] = states


@torch.no_grad()
def write_spoken(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """Outputs [rows, classes], ordered, and the last layer's states of first tokens [rows, hidden]: .npy files."""
    network.eval()
    batches, found = batches_by_length(split.lengths), []
    for rows in batches:
        said = network.with_internals(network.inputs(split, rows))
        found.append((said.outputs.cpu().numpy()[:, list(order)], said.states[:, -1].float().cpu().numpy()))
    back = np.argsort(np.concatenate(batches))
    for name, parts in zip(("outputs", "states"), zip(*found, strict=True), strict=True):
        np.save(folder / f"{name}.npy", np.concatenate(parts)[back])


@torch.no_grad()
def write_decoder_states(network: Seq2SeqNetwork, split: TokenizedSplit, file: Path) -> None:
    """The decoder's last hidden states of each target token, float16 [positions, hidden], in the split's order.

    They go into a .npy file batch by batch: together they may be more than memory holds.
    """
    network.eval()
    found: np.ndarray | None = None
    for rows in batches_by_length(split.lengths):
        states = network.states(network.inputs(split, rows)).to(torch.float16).cpu().numpy()
        if found is None:
            shape = (int(split.position_offsets[-1]), states.shape[1])
            found = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
        found[ragged_index(split.position_offsets, rows)] = states


@torch.no_grad()
def write_top_k(network: Seq2SeqNetwork, split: TokenizedSplit, folder: Path, k: int) -> None:
    """A `TopK` of each target token, in the split's order: a .npy file of tokens, one of log-probabilities."""
    network.eval()
    positions = int(split.position_offsets[-1])
    shape = (positions, min(k, network.model.config.vocab_size - 1))
    kinds = {"tokens": np.uint32, "log_probabilities": np.float16}
    files = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
        for name, kind in kinds.items()
    }
    for rows in batches_by_length(split.lengths, logits_budget(network)):
        found, where = top_k_of(network(network.inputs(split, rows)), k), ragged_index(split.position_offsets, rows)
        for name, values in found._asdict().items():
            files[name][where] = values.cpu().numpy().astype(kinds[name])


def logits_budget(network: Seq2SeqNetwork) -> int:
    """Tokens per batch whose logits over the vocabulary take some hundred megabytes."""
    return max(1, min(EVALUATION_TOKENS, LOGITS // network.model.config.vocab_size))


def tensors(targets: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Tensor]:
    """Arrays as tensors on a device."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)).to(device) for name, values in targets.items()}
