"""A Transformers encoder-decoder as a network; logits are computed for the tokens of targets only, not for padding."""

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
    """An encoder-decoder with teacher forcing: the output at each position predicts the next token of the target.

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
        """Load a network from a Transformers folder."""
        return cls(load_model(folder, Head.SEQ2SEQ), precision)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy with a hook of its own."""
        import copy

        return type(self)(copy.deepcopy(self.model, memo), self._precision)

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, Tensor]:
        """The network's input for some rows of a split."""
        device, batch = self.model.device, split.batch(rows, self.model.device)
        batch.pop("token_type_ids", None)
        lengths = np.diff(split.position_offsets)[rows]
        mask = np.arange(lengths.max()) < lengths[:, None]  # bool [rows, target length]
        targets = torch.from_numpy(padded(split.position_values(split.labels, rows), mask, split.pad_id)).to(device)
        batch["decoder_input_ids"] = self.model.prepare_decoder_input_ids_from_labels(labels=targets)
        batch["places"] = torch.from_numpy(np.flatnonzero(mask)).to(device)
        return batch

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of target tokens, float32 [positions, vocabulary]; ``places`` are their indices in padded targets."""
        return self._run(batch, slice(None))[0].float()

    def states(self, batch: dict[str, Tensor]) -> Tensor:
        """The decoder's last hidden states, [positions, hidden], from which the output head computes the logits."""
        return self._run(batch, slice(1))[1]

    def _run(self, batch: dict[str, Tensor], wanted: slice) -> tuple[Tensor, Tensor]:
        """Logits of the requested target tokens, and the states of all target tokens."""
        inputs = {name: values for name, values in batch.items() if name != "places"}
        self._places, self._wanted = batch["places"], wanted
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            logits = self.model(**inputs, use_cache=False).logits
        states, self._states, self._places = self._states, torch.empty(0), None
        return logits, states

    def output_head(self) -> tuple[Tensor, Tensor | None]:
        """Weight [vocabulary, hidden] and bias [vocabulary] of the output head."""
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
            """Pass only the tokens of targets to the output head; during generation pass all."""
            if self._places is None:
                return arguments
            self._states = arguments[0].flatten(0, 1).index_select(0, self._places)
            return (self._states[self._wanted],)

        self.model.get_output_embeddings().register_forward_pre_hook(select)
