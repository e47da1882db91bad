"""Attention maps of students and teachers for a few test examples, to be drawn (C, figure 5). Torch-free."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trials.storage import write_atomically

EXAMPLES = 3
FEWEST, MOST = 8, 24  # tokens: enough to show a pattern, few enough to read


@dataclass(frozen=True)
class ExampleAttention:
    """Attention maps of one model.

    Attributes:
        rows: Positions of the examples in the test split, int64 [examples].
        maps: Probabilities of all layers, float16 [layers, heads, tokens, tokens] per example.
        tokens: Tokens of each example; () for students, which read the same tokens as their teachers.
    """

    rows: np.ndarray
    maps: tuple[np.ndarray, ...]
    tokens: tuple[tuple[str, ...], ...] = ()

    def write(self, file: Path) -> None:
        """Write an .npz file atomically, without pickle."""
        arrays: dict[str, Any] = {"rows": self.rows}
        arrays |= {f"map{at}": values.astype(np.float16) for at, values in enumerate(self.maps)}
        arrays |= {f"tokens{at}": np.array(words, dtype=np.str_) for at, words in enumerate(self.tokens)}

        def save(temporary: Path) -> None:
            with temporary.open("wb") as opened:  # given a name, NumPy would append .npz
                np.savez_compressed(opened, **arrays)

        write_atomically(file, save)

    @classmethod
    def read(cls, file: Path) -> ExampleAttention | None:
        """The contents of a file; None if it is missing or unreadable."""
        try:
            with np.load(file, allow_pickle=False) as found:
                rows = found["rows"]
                maps = tuple(found[f"map{at}"] for at in range(len(rows)))
                tokens = tuple(tuple(found[f"tokens{at}"].tolist()) for at in range(len(rows)) if "tokens0" in found)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return None
        return cls(rows, maps, tokens)


def example_rows(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """The first examples of moderate length, int64; if there are too few, those closest to it in length.

    Args:
        lengths: Number of tokens of each row of the split.
    """
    tokens = np.asarray(lengths)
    off = np.maximum(FEWEST - tokens, 0) + np.maximum(tokens - MOST, 0)
    return np.sort(np.argsort(off, kind="stable")[:EXAMPLES])
