"""Regression of a score on texts or pairs of texts, with the squared error against human labels and teacher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from search_spaces import Configuration, Fault
from trials.readers import EncodedSplit, Encoder, Examples, Table, check_column, dataset_key, label_key, source_name
from trials.specs import DatasetSpec, Split
from trials.tasks.head import Head
from trials.tasks.metrics import correlation_scores
from trials.tasks.task import Scores, Targets, Task, constant_labels_hint

if TYPE_CHECKING:
    from torch import Tensor

    from trials.readers import TokenizedSplit


class Regression(Task):
    """Outputs are scores [rows, 1]; labels are float32 [rows].

    There is no softmax: both terms of the loss are squared errors, and temperatures have no effect.
    """

    head = Head.SEQUENCE
    metrics = ("pearson_spearman", "pearson", "spearman")
    output_names = ("score",)
    softmax = False

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> np.ndarray:
        """float32 [rows]."""
        values = table.values(spec.label)
        scores = [_number(value) for value in values]
        right = [math.isfinite(score) for score in scores]
        check_column(table, label_key(spec), spec.label, "scores are not finite numbers", values, right)
        return np.array(scores, np.float32)

    def check_splits(
        self, spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
    ) -> Iterator[Fault]:
        """Scores must differ; otherwise there is nothing to learn, and no correlation."""
        for name, examples in splits.items():
            if np.ptp(np.asarray(examples.labels)) == 0:
                message = f"all scores of the {name} split are the same: {constant_labels_hint(name)}"
                yield Fault(source_name(spec), dataset_key(spec, "label"), float(examples.labels[0]), message)

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Texts, truncated at the encoder's length."""
        return EncodedSplit({**encoder.arrays(examples.texts, examples.text_pairs), "labels": examples.labels})

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` float32 [rows, 1]."""
        return {"labels": split.labels[rows, None]}

    def hard_loss(self, outputs: Tensor, targets: Targets) -> Tensor:
        """Mean squared error."""
        return (outputs - targets["labels"]).square().mean()

    def soft_loss(self, outputs: Tensor, teacher: Tensor, targets: Targets, configuration: Configuration) -> Tensor:
        """Mean squared error."""
        return (outputs - teacher).square().mean()

    def score(self, outputs: np.ndarray, split: TokenizedSplit) -> Scores:
        """Correlations with the human scores."""
        return correlation_scores(outputs[:, 0], np.array(split.labels))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The scores, float32 [rows]."""
        return outputs[:, 0]


TASK = Regression()


def _number(value: object) -> float:
    """A number, also from text; NaN for anything else."""
    try:
        return float(value) if isinstance(value, Real | str) and not isinstance(value, bool) else math.nan
    except ValueError:
        return math.nan
