"""Classification of texts or pairs of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from search_spaces import Fault, fault, nearest
from trials.readers import (
    UNLABELLED,
    EncodedSplit,
    Encoder,
    Examples,
    Table,
    dataset_key,
    find_label_names,
    label_key,
    label_numbers,
    source_name,
)
from trials.specs import DatasetSpec, Split
from trials.tasks.head import Head
from trials.tasks.metrics import CLASSIFICATION_METRICS, classification_scores
from trials.tasks.task import Scores, Task

if TYPE_CHECKING:
    from trials.readers import TokenizedSplit


class Classification(Task):
    """Outputs are logits [rows, classes]; labels are int64 [rows]."""

    head = Head.SEQUENCE
    metrics = tuple(CLASSIFICATION_METRICS)

    def label_names(self, spec: DatasetSpec, tables: Mapping[Split, Table]) -> tuple[str, ...]:
        """The names in the study file, else those in the train split's metadata, else its distinct strings."""
        train = tables.get("train")
        if train is None or spec.label not in train.columns:
            return spec.labels or ()
        values = [value for value in train.values(spec.label) if value is not None]
        if not values and spec.labels is None:
            raise fault(train.where, label_key(spec), None, f"all {len(train)} labels are missing")
        return find_label_names(spec, tables, values)

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> np.ndarray:
        """Class numbers, int64 [rows], in the order of `names`."""
        values = table.values(spec.label)
        numbers = label_numbers(spec, table, names)
        wrong = [row for row, value in enumerate(values) if isinstance(value, (list, dict)) or value not in numbers]
        if not wrong:
            return np.array([numbers[value] for value in values], np.int64)
        hidden, missing = values.count(UNLABELLED), values.count(None)
        value = values[wrong[0]]
        if hidden:
            value = UNLABELLED
            message = f"{hidden} of {len(values)} rows are unlabelled; use another split, or carve one"
        elif missing:
            value, message = None, f"{missing} of {len(values)} labels are missing"
        elif isinstance(value, str):
            message = f"unknown label in row {wrong[0]}; {nearest(value, names)}"
        else:
            message = f"unknown label in row {wrong[0]}; known: {', '.join(f'{numbers[n]} {n!r}' for n in names)}"
        raise fault(table.where, label_key(spec), value, message)

    def strata(self, examples: Examples) -> np.ndarray:
        """The classes."""
        return np.asarray(examples.labels)

    def check_splits(
        self, spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
    ) -> Iterator[Fault]:
        """Training needs at least two classes."""
        classes = np.unique(self.strata(splits["train"])).tolist()
        if len(classes) == 1:
            message = "the train split has only one class: there is nothing to learn"
            yield Fault(source_name(spec), dataset_key(spec, "label"), names[classes[0]], message)

    def check_metric(self, spec: DatasetSpec, names: tuple[str, ...]) -> None:
        """``f1`` is that of the second of two classes."""
        super().check_metric(spec, names)
        if spec.metric in ("f1", "accuracy_f1") and len(names) != 2:
            message = f"is for two classes, but the data have {len(names)}: use f1_macro"
            raise fault("study file", dataset_key(spec, "metric"), spec.metric, message)

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Texts, truncated at the encoder's length."""
        return EncodedSplit({**encoder.arrays(examples.texts, examples.text_pairs), "labels": examples.labels})

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` int64 [rows]."""
        return {"labels": split.labels[rows]}

    def score(self, outputs: np.ndarray, split: TokenizedSplit) -> Scores:
        """All scores that the number of classes allows."""
        return classification_scores(outputs, np.array(split.labels))

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """The most likely classes, int32 [rows]."""
        return outputs.argmax(axis=1).astype(np.int32)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The softmax of the logits, at temperature 1."""
        from scipy.special import softmax

        return softmax(outputs.astype(np.float32), axis=1)

    def trivial_baseline_score(
        self, metric: str, train: TokenizedSplit, test: TokenizedSplit, names: tuple[str, ...]
    ) -> float:
        """The score of always predicting the most frequent training label."""
        most = np.bincount(train.labels, minlength=len(names)).argmax()
        outputs = np.zeros((len(test), len(names)), dtype=np.float32)
        outputs[:, most] = 1
        return self.score(outputs, test)[metric]


TASK = Classification()
