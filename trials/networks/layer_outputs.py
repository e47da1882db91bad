"""The layer outputs of a network, the same for all kinds of networks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

AttentionLayout = tuple[tuple[np.ndarray, int], ...]
"""For each group of rows that attend together: their positions in the batch, int64 [r], and the padded length."""


class LayerOutputs(NamedTuple):
    """A network's outputs for a batch, with hidden states and attention maps of its layers.

    Attributes:
        outputs: float32 [positions, width].
        states: First-token hidden states of all layers, [rows, layers, hidden].
        log_attention: For each group of an `AttentionLayout`, log-probabilities of attention before dropout, float32
            [r, requested layers, heads, length, length]; -inf at padding.
    """

    outputs: Tensor
    states: Tensor
    log_attention: tuple[Tensor, ...]
