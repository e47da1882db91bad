"""Batches of padded rows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trials.readers import TokenizedSplit


def padded_inputs(split: TokenizedSplit, rows: np.ndarray, device: torch.device) -> dict[str, Tensor]:
    """Some rows of a split, padded to their longest; with ``places`` int64 [positions] where rows have several outputs.

    Places are positions of the tokens that have an output, in the flattened batch.
    """
    batch = split.batch(rows, device)
    if split.positions is not None:
        length, counts = batch["input_ids"].shape[1], np.diff(split.position_offsets)[rows]
        places = split.position_values(split.positions, rows) + np.repeat(np.arange(len(rows)) * length, counts)
        batch["places"] = torch.from_numpy(places.astype(np.int64)).to(device)
    return batch
