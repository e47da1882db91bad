"""Padded batches."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trials.readers import TokenizedSplit


def padded_inputs(split: TokenizedSplit, rows: np.ndarray, device: torch.device) -> dict[str, Tensor]:
    """Some rows of a split, padded to the longest.

    If rows have several outputs, ``places`` int64 [positions] are the indices in the flattened batch of the tokens with
    an output.
    """
    batch = split.batch(rows, device)
    if split.positions is not None:
        length, counts = batch["input_ids"].shape[1], np.diff(split.position_offsets)[rows]
        places = split.position_values(split.positions, rows) + np.repeat(np.arange(len(rows)) * length, counts)
        batch["places"] = torch.from_numpy(places.astype(np.int64)).to(device)
    return batch
