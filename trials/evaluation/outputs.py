"""Evaluation of a network on a split: its outputs, in the split's order, and their scores."""

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

LOGITS = 2**25  # number of logits of an encoder-decoder at a time


@torch.no_grad()
def predict(network: Network, split: TokenizedSplit) -> np.ndarray:
    """Outputs, float32 [positions, width], in the split's order; batches have rows of similar length."""
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
        order: The position of each label of the data in the network's output; None means the same order.
        keep: File for the prediction of each example, for tasks that have such.
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
    """Mean loss over the target tokens of a split, summed batch by batch."""
    network.eval()

    def summed(rows: np.ndarray) -> float:
        targets = as_tensors(task.targets(split, rows), network.model.device)
        return float(task.hard_loss(network(network.inputs(split, rows)), targets)) * len(targets["labels"])

    total = sum(found for _, found in map_batches(summed, batches_by_length(split.lengths, logits_budget(network))))
    return total / int(split.position_offsets[-1])


@torch.no_grad()
def write_hidden_states(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """Write first-token hidden states of all layers, float32 [rows, layers, hidden], to a .npy file, batch by batch."""
    network.eval()
    found: np.ndarray | None = None

    def compute(rows: np.ndarray) -> np.ndarray:
        return network.layer_outputs(network.inputs(split, rows)).states.float().cpu().numpy()

    for rows, states in map_batches(compute, batches_by_length(split.lengths)):
        if found is None:
            shape = (len(split), *states.shape[1:])
            found = allocate_array(folder / "states.npy", np.float32, shape)
        found[rows] = states


@torch.no_grad()
def write_outputs_and_states(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """Write outputs [rows, classes] and first-token hidden states of the last layer [rows, hidden] to .npy files.

    Args:
        network: The network.
        split: The split.
        order: The position of each label of the data in the network's output.
        folder: Folder of the files.
    """
    network.eval()

    def compute(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answer = network.layer_outputs(network.inputs(split, rows))
        return answer.outputs.cpu().numpy()[:, list(order)], answer.states[:, -1].float().cpu().numpy()

    batches, found = zip(*map_batches(compute, batches_by_length(split.lengths)), strict=True)
    back = np.argsort(np.concatenate(batches))
    for name, parts in zip(("outputs", "states"), zip(*found, strict=True), strict=True):
        np.save(folder / f"{name}.npy", np.concatenate(parts)[back])


@torch.no_grad()
def write_decoder_states(network: Seq2SeqNetwork, split: TokenizedSplit, file: Path) -> None:
    """Write the decoder's last hidden state of each target token, float16 [positions, hidden], in the split's order.

    The .npy file is written batch by batch, because it may be larger than memory.
    """
    network.eval()
    found: np.ndarray | None = None

    def compute(rows: np.ndarray) -> np.ndarray:
        return network.states(network.inputs(split, rows)).to(torch.float16).cpu().numpy()

    for rows, states in map_batches(compute, batches_by_length(split.lengths)):
        if found is None:
            shape = (int(split.position_offsets[-1]), states.shape[1])
            found = allocate_array(file, np.float16, shape)
        found[ragged_index(split.position_offsets, rows)] = states


@torch.no_grad()
def write_top_k(network: Seq2SeqNetwork, split: TokenizedSplit, folder: Path, k: int) -> None:
    """Write the `TopK` of each target token, in the split's order: .npy files of tokens and of log-probabilities."""
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
    """Tokens per batch, so that the logits over the vocabulary take a few hundred megabytes at most."""
    return max(1, min(EVALUATION_TOKENS, LOGITS // network.model.config.vocab_size))


def as_tensors(targets: Mapping[str, Any], device: torch.device | None = None) -> dict[str, Tensor]:
    """Arrays as tensors on a device."""
    return {name: torch.from_numpy(np.ascontiguousarray(values)).to(device) for name, values in targets.items()}
