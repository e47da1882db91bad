"""Any Transformers classifier as a network, by its own forward over padded rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from trials.spec import Precision
from trials.tokens import TokenizedSplit


class PlainNetwork(nn.Module):
    """A Transformers model for sequence classification.

    Args:
        model: The model.
        precision: bfloat16 runs under autocast.
    """

    def __init__(self, model: Any, precision: Precision = Precision.FP32):
        super().__init__()
        self.model = model
        self._precision = precision

    @classmethod
    def open(cls, folder: Path, precision: Precision) -> Self:
        """The classifier of a Transformers folder."""
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        return cls(model, precision)

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, Tensor]:
        """What the network is called with for some rows of a split."""
        return split.batch(rows, self.model.device)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits of a batch's rows, float32 [rows, classes]."""
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            return self.model(**batch).logits.float()

    def num_parameters(self) -> int:
        """Parameters of the model."""
        return self.model.num_parameters()

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which Transformers' `from_pretrained` reads."""
        self.model.save_pretrained(folder)
