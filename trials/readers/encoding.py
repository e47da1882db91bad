"""Texts to token ids: a tokenizer's answers as ragged arrays. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

ROWS_AT_A_TIME = 4096  # the tokenizer's own lists take ten times the memory


@dataclass(frozen=True)
class EncodedSplit:
    """A split as arrays.

    Attributes:
        arrays: By name: ``ids`` int32 [tokens] of all rows one after the other and ``offsets`` int64 [rows + 1]; where
            the tokenizer gives them ``types`` int8 [tokens]; ``labels``, [rows, ...] or [positions]; where a row has
            several output positions ``positions`` int32 [positions], each token's place in its row, and
            ``position_offsets`` int64 [rows + 1]; and what the task needs for scoring.
        texts: What scoring needs besides, as JSON values.
    """

    arrays: dict[str, np.ndarray]
    texts: Any = None


@dataclass(frozen=True)
class Encoder:
    """A tokenizer and how long its answers may be.

    Attributes:
        tokenizer: Of Transformers.
        max_length: Longest row in tokens.
    """

    tokenizer: Any
    max_length: int

    def chunks(
        self, texts: Sequence[Any], pairs: Sequence[str] | None = None, *, targets: bool = False, **options: Any
    ) -> Iterator[tuple[int, Any]]:
        """The tokenizer's answers, some thousand rows at a time, each with the number of its first row.

        Args:
            texts: The texts.
            pairs: Their partners.
            targets: Whether they are what a decoder is to say, which some tokenizers end otherwise.
            options: Further ones of the tokenizer.
        """
        for start in range(0, len(texts), ROWS_AT_A_TIME):
            chunk = slice(start, start + ROWS_AT_A_TIME)
            partners = None if pairs is None else list(pairs[chunk])
            settings = {"truncation": True, "max_length": self.max_length, **options}
            if targets:
                yield start, self.tokenizer(text_target=list(texts[chunk]), **settings)
            else:
                yield start, self.tokenizer(list(texts[chunk]), partners, **settings)

    def arrays(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """``ids``, ``offsets`` and, where the tokenizer gives them, ``types`` of whole texts."""
        parts = ArrayBuilder()
        for _, answer in self.chunks(texts, pairs):
            parts.add_tokens(answer)
        return parts.arrays()


class ArrayBuilder:
    """Builds arrays chunk by chunk."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, values: np.ndarray) -> None:
        """Append values to an array; for ``offsets`` and ``..._offsets``, the lengths of more rows."""
        self._parts.setdefault(name, []).append(values)

    def add_tokens(self, answer: Any) -> None:
        """Append rows: token ids, token types and lengths of a tokenizer's answer."""
        self.add("offsets", np.array([len(ids) for ids in answer["input_ids"]], dtype=np.int64))
        for name, key, dtype in (("ids", "input_ids", np.int32), ("types", "token_type_ids", np.int8)):
            if key in answer:
                self.add(name, np.fromiter(chain.from_iterable(answer[key]), dtype))

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, with lengths as offsets."""
        whole = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        return {name: offsets(values) if name.endswith("offsets") else values for name, values in whole.items()}


def offsets(lengths: np.ndarray) -> np.ndarray:
    """Where each row starts, and the end: int64 [rows + 1] of lengths [rows]."""
    return np.cumsum([0, *lengths], dtype=np.int64)
