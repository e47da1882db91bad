"""How far a teacher's likeliest class is ahead of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trials.evaluation import predict
from trials.readers import TokenizedSplit


def write_margins(network: Any, split: TokenizedSplit, order: Sequence[int], folder: Path) -> None:
    """The difference of the two highest logits, float32 [rows], into ``margins.npy``."""
    highest = np.sort(predict(network, split), axis=1)
    np.save(folder / "margins.npy", highest[:, -1] - highest[:, -2])
