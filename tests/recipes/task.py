"""Ratings by stars: one star more or less is right, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from trials.readers import EncodedSplit, Encoder, Examples, Table
from trials.specs import DatasetSpec, Split
from trials.tasks.head import Head
from trials.tasks.task import Scores, Task

if TYPE_CHECKING:
    from trials.readers import TokenizedSplit


class Rating(Task):
    """Outputs are logits [rows, stars]; labels are int64 [rows]."""

    head = Head.SEQUENCE
    metrics = ("within_one",)

    def label_names(self, spec: DatasetSpec, tables: Mapping[Split, Table]) -> tuple[str, ...]:
        """The numbers of stars."""
        return "0", "1", "2", "3"

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> np.ndarray:
        """Stars, int64 [rows]."""
        return np.array(table.values(spec.label), np.int64)

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Whole texts, cut at the encoder's length."""
        return EncodedSplit({**encoder.arrays(examples.texts), "labels": examples.labels})

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` int64 [rows]."""
        return {"labels": split.labels[rows]}

    def score(self, outputs: np.ndarray, split: TokenizedSplit) -> Scores:
        """Share of the rows whose likeliest number of stars is at most one off."""
        return {"within_one": float(np.mean(np.abs(outputs.argmax(axis=1) - split.labels) <= 1))}


TASK = Rating()
