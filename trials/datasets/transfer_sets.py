"""Transfer sets: unlabelled texts for which students learn the teacher's outputs (D, sections 2, 6.1). Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from search_spaces import counted, fault
from trials.readers import UNLABELLED, Examples, dataset_key, seeded_permutation, source_name
from trials.specs import DatasetSpec, Split, TaskName


def with_transfer_set(
    spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
) -> dict[Split, Examples]:
    """The splits with the transfer set: the unlabelled split, followed by training rows that lose their labels.

    Args:
        spec: The data set.
        splits: Its splits as read.
        names: Its labels.

    Raises:
        InputError: The task does not support transfer sets, or train has too few examples of a class.
    """
    if not spec.has_transfer_set:
        return dict(splits)
    if spec.task is not TaskName.CLASSIFICATION:
        key = "labelled" if spec.labelled else "splits.unlabeled"
        raise fault(
            "study file", dataset_key(spec, key), str(spec.task), "transfer sets are supported for classification only"
        )
    if spec.labelled is None:
        return dict(splits)
    kept = labelled_rows(spec, splits, names)
    train = splits["train"]
    others = np.setdiff1d(np.arange(len(train)), kept)
    stripped = unlabelled(train.take(others))
    transfer = _joined(splits["unlabeled"], stripped) if "unlabeled" in splits else stripped
    if len(transfer) == 0:
        raise fault(
            source_name(spec),
            dataset_key(spec, "labelled"),
            len(kept),
            "all rows keep their labels, so that the transfer set is empty: lower it",
        )
    return {**splits, "train": train.take(kept), "unlabeled": transfer}


def labelled_rows(spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]) -> np.ndarray:
    """Rows of the training split that keep their labels, ascending."""
    assert spec.labelled is not None
    labels, wanted = np.asarray(splits["train"].labels), spec.labelled
    if wanted.per_class is not None:
        counts = np.bincount(labels, minlength=len(names))
        if counts.min() < wanted.per_class:
            message = f"train has only {counted(int(counts.min()), 'example')} of {names[int(counts.argmin())]}"
            raise fault(source_name(spec), dataset_key(spec, "labelled.per_class"), wanted.per_class, message)
        return rows_per_class(labels, wanted.per_class, wanted.seed)
    rows = wanted.rows if isinstance(wanted.rows, int) else len(splits["test"])
    if rows > len(labels):
        message = f"train has only {counted(len(labels), 'row')}, but {rows} should keep their labels: lower it"
        raise fault(source_name(spec), dataset_key(spec, "labelled.rows"), wanted.rows, message)
    return balanced_rows(labels, rows, wanted.seed)


def balanced_rows(labels: np.ndarray, rows: int, seed: int) -> np.ndarray:
    """A draw of rows with classes as balanced as possible: row numbers [rows], ascending.

    Rows are drawn from the classes in turn; a smaller draw is part of every larger one.

    Args:
        labels: Classes, int [n].
        rows: Number of rows, at most n.
        seed: Seed of the draw.
    """
    return np.sort(np.lexsort((labels, _turns(labels, seed)))[:rows])


def rows_per_class(labels: np.ndarray, per_class: int, seed: int) -> np.ndarray:
    """A draw of `per_class` rows of each class, or all that it has: row numbers, ascending."""
    return np.flatnonzero(_turns(labels, seed) < per_class)


def _turns(labels: np.ndarray, seed: int) -> np.ndarray:
    """The position of each row in the draws from its class, from 0: int64 [n]."""
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        turns[own[seeded_permutation(len(own), seed)]] = np.arange(len(own))
    return turns


def unlabelled(examples: Examples) -> Examples:
    """The examples without their labels."""
    return replace(examples, labels=np.full(len(examples), UNLABELLED, np.int64))


def _joined(first: Examples, second: Examples) -> Examples:
    pairs = None
    if first.text_pairs is not None and second.text_pairs is not None:
        pairs = (*first.text_pairs, *second.text_pairs)
    return Examples((*first.texts, *second.texts), pairs, np.concatenate([first.labels, second.labels]))
