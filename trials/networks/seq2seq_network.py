"""A Transformers encoder-decoder as a network, by its own forward; logits only of the tokens that a target has."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trials.models import load_model
from trials.readers import TokenizedSplit, padded
from trials.specs import Precision
from trials.tasks import Head


class Seq2SeqNetwork(nn.Module):
    """An encoder-decoder, teacher-forced: the output at each position is about the next token of the target.

    Args:
        model: The model.
        precision: bfloat16 runs under autocast.
    """

    def __init__(self, model: Any, precision: Precision = Precision.FP32):
        super().__init__()
        self.model = model
        self._precision = precision
        self._places: Tensor | None = None
        self._wanted = slice(None)
        self._states = torch.empty(0)
        self._hook()

    @classmethod
    def open(cls, folder: Path, precision: Precision) -> Self:
        """The model of a Transformers folder."""
        return cls(load_model(folder, Head.SEQ2SEQ), precision)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A network of its own: a hook belongs to the network that it was made for."""
        import copy

        return type(self)(copy.deepcopy(self.model, memo), self._precision)

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, Tensor]:
        """What the network is called with for some rows of a split."""
        device, batch = self.model.device, split.batch(rows, self.model.device)
        batch.pop("token_type_ids", None)
        lengths = np.diff(split.position_offsets)[rows]
        mask = np.arange(lengths.max()) < lengths[:, None]  # bool [rows, target length]
        targets = torch.from_numpy(padded(split.position_values(split.labels, rows), mask, split.pad_id)).to(device)
        batch["decoder_input_ids"] = self.model.prepare_decoder_input_ids_from_labels(labels=targets)
        batch["places"] = torch.from_numpy(np.flatnonzero(mask)).to(device)
        return batch

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of each target token, float32 [positions, vocabulary]; ``places`` are theirs in the padded targets."""
        return self._run(batch, slice(None))[0].float()

    def states(self, batch: dict[str, Tensor]) -> Tensor:
        """What the output head reads to give these logits: the decoder's last hidden states, [positions, hidden]."""
        return self._run(batch, slice(1))[1]

    def _run(self, batch: dict[str, Tensor], wanted: slice) -> tuple[Tensor, Tensor]:
        """Logits of the wanted target tokens, and states of all."""
        inputs = {name: values for name, values in batch.items() if name != "places"}
        self._places, self._wanted = batch["places"], wanted
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            logits = self.model(**inputs, use_cache=False).logits
        states, self._states, self._places = self._states, torch.empty(0), None
        return logits, states

    def output_head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [vocabulary, hidden] and bias [vocabulary] that make logits of states."""
        head, bias = self.model.get_output_embeddings(), getattr(self.model, "final_logits_bias", None)
        return head.weight.detach(), head.bias if bias is None else bias.flatten()

    def num_parameters(self) -> int:
        """Parameters of the model."""
        return self.model.num_parameters()

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which Transformers' `from_pretrained` reads."""
        self.model.save_pretrained(folder)

    def _hook(self) -> None:
        def select(_: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor]:
            """Only the tokens of targets reach the output head; generation sees all."""
            if self._places is None:
                return arguments
            self._states = arguments[0].flatten(0, 1).index_select(0, self._places)
            return (self._states[self._wanted],)

        self.model.get_output_embeddings().register_forward_pre_hook(select)
