"""What networks say of their layers, however they compute them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

AttentionLayout = tuple[tuple[np.ndarray, int], ...]
"""Of each group of rows that attend together: which of the batch's rows, int64 [r], and their length with padding."""


class LayerOutputs(NamedTuple):
    """Outputs of a batch's rows, and the insides that belong to them.

    Attributes:
        outputs: float32 [positions, width].
        states: What each layer says of rows' first tokens: [rows, layers, hidden].
        log_attention: Of each group of a `AttentionLayout`: logarithms of the attention before dropout, float32
            [r, layers asked for, heads, length, length]; -inf at padding.
    """

    outputs: Tensor
    states: Tensor
    log_attention: tuple[Tensor, ...]
