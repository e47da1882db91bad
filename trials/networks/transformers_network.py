"""Any Transformers encoder with a head as a network, on padded batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trials.models import ATTENTION_DROPOUTS, load_model
from trials.networks.layer_outputs import AttentionLayout, LayerOutputs
from trials.networks.padded_batches import padded_inputs
from trials.readers import TokenizedSplit
from trials.specs import Precision
from trials.tasks import Head


class TransformersNetwork(nn.Module):
    """A Transformers encoder with one of the heads of `Head`.

    Args:
        model: The model.
        precision: bfloat16 runs under autocast.
    """

    def __init__(self, model: Any, precision: Precision = Precision.FP32):
        super().__init__()
        self.model = model
        self._precision = precision

    @classmethod
    def open(cls, folder: Path, precision: Precision, head: Head = Head.SEQUENCE, *, attention: bool = False) -> Self:
        """Load a network from a Transformers folder.

        Args:
            folder: The folder.
            precision: Type of activations.
            head: The output layer.
            attention: Whether attention maps will be requested. Attention dropout is disabled then, because
                Transformers returns the maps after dropout.
        """
        if not attention:
            return cls(load_model(folder, head), precision)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        without = {name: 0.0 for name in ATTENTION_DROPOUTS if name in config}
        return cls(load_model(folder, head, attn_implementation="eager", **without), precision)

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, Tensor]:
        """The network's input for some rows of a split."""
        return padded_inputs(split, rows, self.model.device)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Outputs of a batch, float32 [positions, width]; ``places`` int64 [positions] selects their tokens."""
        return self._outputs(batch, self._run(batch))

    def layer_outputs(self, batch: dict[str, Tensor], attention: Sequence[int] = ()) -> LayerOutputs:
        """Outputs, hidden states of all layers, and attention maps of the layers in `attention`.

        Raises:
            RuntimeError: Attention maps are requested, but the network was not opened with ``attention=True``.
        """
        if attention and self.model.config._attn_implementation != "eager":
            raise RuntimeError("attention maps need eager attention: open the network with attention=True")
        found = self._run(batch, output_hidden_states=True, output_attentions=bool(attention))
        states = torch.stack([states[:, 0] for states in found.hidden_states[1:]], dim=1)
        maps = [found.attentions[layer].float() for layer in sorted(set(attention))]  # [rows, A, L, L] each
        return LayerOutputs(self._outputs(batch, found), states, _logarithms(maps))

    def show_attention(self) -> None:
        """Make attention maps available from now on, in evaluation mode only, because of dropout."""
        self.model.set_attn_implementation("eager")

    def attention_layout(self, batch: dict[str, Tensor]) -> AttentionLayout:
        """One group of all rows, padded to the longest."""
        rows, length = batch["input_ids"].shape
        return ((np.arange(rows), length),)

    @property
    def hidden_size(self) -> int:
        """Width of its layers."""
        return int(self.model.config.hidden_size)

    @property
    def num_layers(self) -> int:
        """Its depth."""
        return int(self.model.config.num_hidden_layers)

    @property
    def num_heads(self) -> int:
        """Attention heads of a layer."""
        return int(self.model.config.num_attention_heads)

    def _run(self, batch: dict[str, Tensor], **options: bool) -> Any:
        inputs = {name: values for name, values in batch.items() if name != "places"}
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            return self.model(**inputs, **options)

    @staticmethod
    def _outputs(batch: dict[str, Tensor], found: Any) -> Tensor:
        if "start_logits" in found:
            outputs = torch.stack([found.start_logits, found.end_logits], dim=-1)  # [rows, length, 2]
        else:
            outputs = found.logits  # [rows, classes], or of words [rows, length, classes]
        if "places" in batch:
            outputs = outputs.flatten(0, 1).index_select(0, batch["places"])
        return outputs.float()

    def num_parameters(self) -> int:
        """Parameters of the model."""
        return self.model.num_parameters()

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which Transformers' `from_pretrained` reads."""
        self.model.save_pretrained(folder)


def _logarithms(maps: list[Tensor]) -> tuple[Tensor, ...]:
    """Logarithms of attention maps [rows, A, L, L] of some layers, as one group; zeros are clamped."""
    return (torch.stack(maps, dim=1).clamp(min=torch.finfo(torch.float32).tiny).log(),) if maps else ()
