"""Attention on a few test examples, kept of students and their teachers to be looked at (C, figure 5). Torch-free."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trials.storage import write_atomically

EXAMPLES = 3
FEWEST, MOST = 8, 24  # tokens: enough to see something, few enough to be read


@dataclass(frozen=True)
class ExampleAttention:
    """What one model attends to.

    Attributes:
        rows: Positions of the examples in the test split, int64 [examples].
        maps: Of each example the probabilities of all layers, float16 [layers, heads, tokens, tokens].
        tokens: Of each example; () where they were not kept, as of students, which read what their teachers read.
    """

    rows: np.ndarray
    maps: tuple[np.ndarray, ...]
    tokens: tuple[tuple[str, ...], ...] = ()

    def write(self, file: Path) -> None:
        """Keep it, whole or not at all, as arrays without any pickle."""
        arrays: dict[str, Any] = {"rows": self.rows}
        arrays |= {f"map{at}": values.astype(np.float16) for at, values in enumerate(self.maps)}
        arrays |= {f"tokens{at}": np.array(words, dtype=np.str_) for at, words in enumerate(self.tokens)}

        def save(temporary: Path) -> None:
            with temporary.open("wb") as opened:  # of a name NumPy would append to it
                np.savez_compressed(opened, **arrays)

        write_atomically(file, save)

    @classmethod
    def read(cls, file: Path) -> ExampleAttention | None:
        """What `write` kept; None where there is no such file."""
        try:
            with np.load(file, allow_pickle=False) as found:
                rows = found["rows"]
                maps = tuple(found[f"map{at}"] for at in range(len(rows)))
                tokens = tuple(tuple(found[f"tokens{at}"].tolist()) for at in range(len(rows)) if "tokens0" in found)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None
        return cls(rows, maps, tokens)


def example_rows(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """The first examples of moderate length, int64; where there are too few of them, those that are nearest to it.

    Args:
        lengths: Tokens of each row of the split.
    """
    tokens = np.asarray(lengths)
    off = np.maximum(FEWEST - tokens, 0) + np.maximum(tokens - MOST, 0)
    return np.sort(np.argsort(off, kind="stable")[:EXAMPLES])
