"""Recurrent students (D): embeddings, a bidirectional LSTM, and max-pooling or the last states."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call

from trials.networks.layer_outputs import LayerOutputs
from trials.networks.padded_batches import padded_inputs
from trials.readers import TokenizedSplit
from trials.specs import Precision
from trials.tasks import Head

RECURRENT_WEIGHTS = "weight_hh_l0"
GATES = 4


class RecurrentNetwork(nn.Module):
    """A bidirectional LSTM whose outputs do not depend on padding.

    Both LSTMs read valid positions first and padding last. Rows can therefore be computed together without packed
    sequences, which is twice as fast on a CPU.

    Args:
        config: Its config.json.
        precision: bfloat16 runs the LSTMs under autocast.
    """

    def __init__(self, config: dict[str, Any], precision: Precision = Precision.FP32):
        super().__init__()
        self.config = config
        self._precision = precision
        self._recurrent_dropout = float(config["recurrent_dropout"])
        self._pooling = None if config["head"] == Head.TOKENS else config["pooling"]
        size, hidden = config["embedding_size"], config["hidden_size"]
        self.embedding = nn.Embedding(config["vocab_size"], size)
        self.forwards = nn.LSTM(size, hidden, batch_first=True)
        self.backwards = nn.LSTM(size, hidden, batch_first=True)
        self.dropout = nn.Dropout(config["dropout"])
        self.classifier = nn.Linear(2 * hidden, len(config["id2label"]))

    @classmethod
    def open(cls, folder: Path, precision: Precision) -> Self:
        """Load a network from a student's folder."""
        network = cls(json.loads((folder / "config.json").read_text(encoding="utf-8")), precision)
        network.load_state_dict(load_file(folder / "model.safetensors"))
        return network

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, Tensor]:
        """The network's input for some rows of a split."""
        return padded_inputs(split, rows, self.embedding.weight.device)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Outputs of a batch, float32 [positions, width]."""
        return self.classifier(self.dropout(self._pooled(batch)))

    def layer_outputs(self, batch: dict[str, Tensor], attention: Sequence[int] = ()) -> LayerOutputs:
        """Outputs, and z of D (eq. 1) as the hidden states of a single layer, [rows, 1, 2 * units]."""
        assert not attention
        assert self._pooling is not None
        pooled = self.dropout(self._pooled(batch))
        return LayerOutputs(self.classifier(pooled), pooled[:, None], ())

    def parts_from_top(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Its parts in the order of gradual unfreezing (D, section 5.2)."""
        return (self.classifier,), (self.forwards, self.backwards), (self.embedding,)

    @property
    def hidden_size(self) -> int:
        """Width of its representation of a text."""
        return self.classifier.in_features

    def num_parameters(self) -> int:
        """Parameters of the model."""
        return sum(parameter.numel() for parameter in self.parameters())

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which `open` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(self.config, indent=1), encoding="utf-8")

    def _pooled(self, batch: dict[str, Tensor]) -> Tensor:
        """Maximum over positions or last states [rows, 2 * units]; for words the states at ``places``."""
        mask = batch["attention_mask"].bool()  # [rows, length]
        lengths = mask.sum(1).clamp(min=1)  # [rows]
        embedded = self.dropout(self.embedding(batch["input_ids"]))
        backward_order = _reversed(lengths, mask.shape[1])
        forward = self._run(self.forwards, embedded)
        backward = self._run(self.backwards, _taken(embedded, backward_order))
        if self._pooling == "last":
            last = (lengths - 1)[:, None]
            return torch.cat([_taken(states, last)[:, 0] for states in (forward, backward)], dim=-1)
        states = torch.cat([forward, _taken(backward, backward_order)], dim=-1)  # [rows, length, 2 * units]
        if self._pooling is None:
            return states.flatten(0, 1).index_select(0, batch["places"])
        first = torch.zeros_like(mask)
        first[:, 0] = True  # for a text without tokens
        return states.masked_fill(~(mask | first)[..., None], -torch.inf).amax(1)

    def _run(self, lstm: nn.LSTM, inputs: Tensor) -> Tensor:
        """States [rows, length, units]; in training, columns of each gate's recurrent weights are dropped out.

        This drops the same states at all positions (Gal & Ghahramani, 2016) and in all rows of a batch, so that the
        fused LSTM can be used.
        """
        weights = {}
        if self.training and self._recurrent_dropout:
            whole = getattr(lstm, RECURRENT_WEIGHTS)  # [gates * units, units]
            kept = 1 - self._recurrent_dropout
            mask = torch.bernoulli(torch.full((GATES, 1, lstm.hidden_size), kept, device=whole.device)) / kept
            weights[RECURRENT_WEIGHTS] = (whole.view(GATES, lstm.hidden_size, -1) * mask).view_as(whole)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            states, _ = functional_call(lstm, weights, (inputs,)) if weights else lstm(inputs)
        return states.float()


NETWORK = RecurrentNetwork


def _reversed(lengths: Tensor, size: int) -> Tensor:
    """Indices that reverse each row within its length and keep its padding in place, int64 [rows, size]."""
    steps = torch.arange(size, device=lengths.device)
    return torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)


def _taken(values: Tensor, positions: Tensor) -> Tensor:
    """Values [rows, length, width] at positions [rows, n]."""
    return values.gather(1, positions[..., None].expand(-1, -1, values.shape[-1]))
