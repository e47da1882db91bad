"""Parquet files of test examples, and of a model's predictions for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trials.datasets import load_dataset_splits
from trials.specs import DatasetSpec
from trials.storage import Workspace, write_atomically

PREDICTION_COLUMN, PROBABILITIES_COLUMN = "prediction", "probabilities"
EXAMPLE_COLUMNS = ("text", "text_pair", "label")


def write_predictions(file: Path, answers: np.ndarray | None, probabilities: np.ndarray | None) -> None:
    """Write the predictions for test examples, in the data's order; nothing if the task has none.

    Args:
        file: The file.
        answers: Class numbers or scores, [rows].
        probabilities: Class probabilities, [rows, classes]; None for scores.
    """
    if answers is not None:
        classes = {} if probabilities is None else {PROBABILITIES_COLUMN: list(probabilities)}
        _write(file, {PREDICTION_COLUMN: answers, **classes})


def write_examples(dataset: DatasetSpec, data_fingerprint: str, workspace: Workspace) -> None:
    """Write texts and labels (class names or scores) of the test split, once per data set."""
    file = workspace.examples(data_fingerprint)
    if not file.is_file():
        _write(file, _example_columns(dataset))
    workspace.share(file)


def _example_columns(dataset: DatasetSpec) -> dict[str, Any]:
    loaded = load_dataset_splits(dataset)
    test = loaded.splits["test"]
    labels = np.asarray(test.labels)
    named = [loaded.label_names[label] for label in labels] if labels.dtype.kind == "i" else labels
    pairs = test.text_pairs or [None] * len(test)
    return dict(zip(EXAMPLE_COLUMNS, (list(test.texts), list(pairs), named), strict=True))


def _write(file: Path, columns: dict[str, Any]) -> None:
    """A parquet file."""
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table(columns)
    write_atomically(file, lambda temporary: pyarrow.parquet.write_table(table, temporary, compression="zstd"))
