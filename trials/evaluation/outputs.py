"""A network over a whole split: its outputs, in the split's order, and how they score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trials.evaluation.beam_search import translate
from trials.evaluation.prediction_files import write_predictions
from trials.losses import top_k_of
from trials.networks import Network, Seq2SeqNetwork
from trials.readers import TokenizedSplit, batches_by_length, ragged_index
from trials.specs import EVALUATION_TOKENS
from trials.storage import allocate_array
from trials.tasks import Task
from trials.training import map_batches

LOGITS = 2**25  # of an encoder-decoder at a time, in evaluation


@torch.no_grad()
def predict(network: Network, split: TokenizedSplit) -> np.ndarray:
    """Outputs, float32 [positions, width], in the split's order; rows of like length go through the model together."""
    network.eval()
    found_of = map_batches(
        lambda rows: network(network.inputs(split, rows)).cpu().numpy(), batches_by_length(split.lengths)
    )
    batches, found_outputs = zip(*found_of, strict=True)
    outputs, order = np.concatenate(found_outputs), np.concatenate(batches)
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
        return task.score(translate(network, split), split), teacher_forced_loss(task, network, split)
    outputs = predict(network, split)
    outputs = outputs if order is None else outputs[:, list(order)]
    if keep is not None:
        write_predictions(keep, task.predictions(outputs), task.probabilities(outputs))
    targets = as_tensors(task.targets(split, np.arange(len(split))))
    return task.score(outputs, split), float(task.hard_loss(torch.from_numpy(outputs), targets))


@torch.no_grad()
def teacher_forced_loss(task: Task, network: Seq2SeqNetwork, split: TokenizedSplit) -> float:
    """Mean loss over a split's target tokens; their logits are too many to keep."""
    network.eval()

    def summed(rows: np.ndarray) -> float:
        targets = as_tensors(task.targets(split, rows), network.model.device)
        return float(task.hard_loss(network(network.inputs(split, rows)), targets)) * len(targets["labels"])

    total = sum(found for _, found in map_batches(summed, batches_by_length(split.lengths, logits_budget(network))))
    return total / int(split.position_offsets[-1])


@torch.no_grad()
def write_hidden_states(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """States of rows' first tokens after each layer, float32 [rows, layers, hidden], into a .npy file by batches."""
    network.eval()
    found: np.ndarray | None = None

    def said(rows: np.ndarray) -> np.ndarray:
        return network.layer_outputs(network.inputs(split, rows)).states.float().cpu().numpy()

    for rows, states in map_batches(said, batches_by_length(split.lengths)):
        if found is None:
            shape = (len(split), *states.shape[1:])
            found = allocate_array(folder / "states.npy", np.float32, shape)
        found[rows] = states


@torch.no_grad()
def write_outputs_and_states(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """Outputs [rows, classes], ordered, and the last layer's states of first tokens [rows, hidden]: .npy files."""
    network.eval()

    def said(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = network.layer_outputs(network.inputs(split, rows))
        return answer.outputs.cpu().numpy()[:, list(order)], answer.states[:, -1].float().cpu().numpy()

    batches, found = zip(*map_batches(said, batches_by_length(split.lengths)), strict=True)
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

    def said(rows: np.ndarray) -> np.ndarray:
        return network.states(network.inputs(split, rows)).to(torch.float16).cpu().numpy()

    for rows, states in map_batches(said, batches_by_length(split.lengths)):
        if found is None:
            shape = (int(split.position_offsets[-1]), states.shape[1])
            found = allocate_array(file, np.float16, shape)
        found[ragged_index(split.position_offsets, rows)] = states


@torch.no_grad()
def write_top_k(network: Seq2SeqNetwork, split: TokenizedSplit, folder: Path, k: int) -> None:
    """A `TopK` of each target token, in the split's order: a .npy file of tokens, one of log-probabilities."""
    network.eval()
    positions = int(split.position_offsets[-1])
    shape = (positions, min(k, network.model.config.vocab_size - 1))
    kinds = {"tokens": np.uint32, "log_probabilities": np.float16}
    files = {name: allocate_array(folder / f"{name}.npy", kind, shape) for name, kind in kinds.items()}

    def likeliest(rows: np.ndarray) -> dict[str, np.ndarray]:
        found = top_k_of(network(network.inputs(split, rows)), k)._asdict()
        return {name: values.cpu().numpy().astype(kinds[name]) for name, values in found.items()}

    for rows, found in map_batches(likeliest, batches_by_length(split.lengths, logits_budget(network))):
        for name, values in found.items():
            files[name][ragged_index(split.position_offsets, rows)] = values


def logits_budget(network: Seq2SeqNetwork) -> int:
    """Tokens per batch whose logits over the vocabulary take some hundred megabytes."""
    return max(1, min(EVALUATION_TOKENS, LOGITS // network.model.config.vocab_size))


def as_tensors(targets: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Tensor]:
    """Arrays as tensors on a device."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)).to(device) for name, values in targets.items()}
