"""One split as token ids: ragged arrays, and the batches that are made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trials.readers.tokenizers import load_tokenizer
from trials.specs import EVALUATION_TOKENS

TOKENIZER = "tokenizer"  # folder


@dataclass(frozen=True)
class TokenizedSplit:
    """One split as ragged token ids.

    Attributes:
        ids: int32 [tokens], all rows one after the other.
        type_ids: int8 [tokens], or None if the tokenizer gives none.
        offsets: int64 [rows + 1]; row r is ``ids[offsets[r]:offsets[r + 1]]``.
        labels: [rows, ...] or [positions], as the task has it.
        pad_id: The padding token.
        label_names: Labels in the order of their numbers.
        positions: Where a row has several outputs: int32 [positions], their tokens' places in their rows.
        position_offsets: int64 [rows + 1], whose they are.
        extra: Arrays that the task needs for scoring.
        texts_file: What else it needs, in JSON.
    """

    ids: np.ndarray
    type_ids: np.ndarray | None
    offsets: np.ndarray
    labels: np.ndarray
    pad_id: int
    label_names: tuple[str, ...] = ()
    positions: np.ndarray | None = None
    position_offsets: Any = None  # an array wherever `positions` is one
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    texts_file: Path | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def texts(self) -> Any:
        """What the task needs for scoring besides arrays."""
        return json.loads(self.texts_file.read_text(encoding="utf-8")) if self.texts_file else None

    @cached_property
    def tokenizer(self) -> Any:
        """Of translation: what makes texts of tokens."""
        assert self.texts_file is not None
        return load_tokenizer(self.texts_file.parent / TOKENIZER)

    def position_values(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The part of values [positions, ...] that belongs to some rows, one row after the other."""
        if self.position_offsets is None:
            return values[rows]
        return values[ragged_index(self.position_offsets, rows)]

    @property
    def lengths(self) -> np.ndarray:
        """int64 [rows], tokens per row."""
        return np.diff(self.offsets)

    def batch(self, rows: np.ndarray, device: torch.device) -> dict[str, torch.Tensor]:
        """Model inputs of some rows, padded to their longest: int64 [rows, length] each."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        mask = np.arange(max(1, lengths.max())) < lengths[:, None]  # bool [rows, length]
        source = ragged_index(self.offsets, rows)
        inputs = {"input_ids": padded(self.ids[source], mask, self.pad_id), "attention_mask": mask.astype(np.int64)}
        if self.type_ids is not None:
            inputs["token_type_ids"] = padded(self.type_ids[source], mask, 0)
        return {name: torch.from_numpy(values).to(device) for name, values in inputs.items()}


def ragged_index(offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where the parts of some rows stand, one row after the other: int64 [parts]."""
    starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def padded(values: np.ndarray, mask: np.ndarray, fill: int) -> np.ndarray:
    """Values row by row into an int64 array of the mask's shape, and `fill` elsewhere."""
    whole = np.full(mask.shape, fill, dtype=np.int64)
    whole[mask] = values
    return whole


def batches_by_length(lengths: np.ndarray, tokens: int = EVALUATION_TOKENS) -> list[np.ndarray]:
    """Rows in batches of at most this many tokens, padding included, longest rows first."""
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = max(1, tokens // max(1, int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches
