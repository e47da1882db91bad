"""Texts and labels of a data set: read, checked (reporting all faults at once), carved and sampled. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces import Fault, InputError, counted, digest, fault, nearest
from trials.datasets.transfer_sets import unlabelled, with_transfer_set
from trials.readers import (
    SPLITS,
    Examples,
    Table,
    collect_faults,
    dataset_key,
    read_tables,
    seeded_permutation,
    source_name,
)
from trials.specs import DatasetSpec, Split
from trials.tasks import task_of


@dataclass(frozen=True)
class LoadedDataset:
    """A data set in memory.

    Attributes:
        spec: Its specification.
        label_names: Names of the labels in the order of their numbers, or names of the outputs if there are no labels.
        splits: train, validation and test, carved and sampled; and ``unlabeled``, if there is a transfer set.
        fingerprint: SHA-256 of label names, texts, pairs and labels in order; independent of path and file format.
    """

    spec: DatasetSpec
    label_names: tuple[str, ...]
    splits: dict[Split, Examples]
    fingerprint: str


def load_dataset_splits(spec: DatasetSpec) -> LoadedDataset:
    """Read, check, carve and sample a data set, and build its transfer set.

    Raises:
        InputError: The data set has faults; all are reported, with file (or hub name), key and value.
    """
    task, faults = task_of(spec), list[Fault]()
    tables = read_tables(spec, faults)
    faults += _column_faults(spec, tables)
    names: tuple[str, ...] = ()
    with collect_faults(faults):
        names = task.label_names(spec, tables)
    splits = {split: _examples(spec, split, table, names, faults) for split, table in tables.items()}
    if not faults:
        with collect_faults(faults):
            splits = _sample(spec, with_transfer_set(spec, _carve(spec, splits), names))
            faults += task.check_splits(spec, splits, names)
    if faults:
        raise InputError(faults)
    return LoadedDataset(spec, names, splits, fingerprint(names, splits))


def _examples(spec: DatasetSpec, split: Split, table: Table, names: tuple[str, ...], faults: list[Fault]) -> Examples:
    """A split's examples; labels of the transfer set are not read."""
    examples = task_of(spec).examples(spec, table, () if split == "unlabeled" else names, faults)
    return unlabelled(examples) if split == "unlabeled" else examples


def fingerprint(label_names: Sequence[str], splits: Mapping[Split, Examples]) -> str:
    """SHA-256, in hexadecimal, of a data set's content."""
    parts = {name: digest(split.content) for name, split in splits.items()}
    return digest({"label_names": label_names, "splits": parts})


def stratified_rows(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """A stratified sample of rows with `labels` [rows]: row numbers [min(limit, rows)], ascending.

    Classes are represented proportionally (Sainte-Lague method); a smaller sample is part of every larger one.
    """
    priority = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        priority[rows[seeded_permutation(len(rows), seed)]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(priority, kind="stable")[:limit])


def _column_faults(spec: DatasetSpec, tables: Mapping[Split, Table]) -> Iterator[Fault]:
    """Missing columns, one fault per column."""
    for key, name in _columns(spec).items():
        needing = [table for split, table in tables.items() if key != "label" or split != "unlabeled"]
        lacking = [table for table in needing if name not in table.columns]
        if lacking:
            where = ", ".join(table.where for table in lacking)
            yield Fault(where, dataset_key(spec, key), name, f"no such column; {nearest(name, lacking[0].columns)}")


# Carving and sampling.


def _carve(spec: DatasetSpec, splits: dict[Split, Examples]) -> dict[Split, Examples]:
    for split in (split for split in SPLITS if split in spec.carve):
        carve = spec.carve[split]
        key = dataset_key(spec, f"carve.{split}")
        if carve.source in spec.carve:
            raise fault(source_name(spec), f"{key}.source", carve.source, "is carved itself: carve from another split")
        source = splits[carve.source]
        if carve.rows >= len(source):
            raise fault(
                source_name(spec), f"{key}.rows", carve.rows, f"{carve.source} has only {counted(len(source), 'row')}"
            )
        rows = seeded_permutation(len(source), carve.seed)
        splits |= {split: source.take(np.sort(rows[: carve.rows]))}
        splits |= {carve.source: source.take(np.sort(rows[carve.rows :]))}
    return {split: splits[split] for split in (*SPLITS, "unlabeled") if split in splits}


def _sample(spec: DatasetSpec, splits: dict[Split, Examples]) -> dict[Split, Examples]:
    limits = {split: spec.examples.get(split, len(examples)) for split, examples in splits.items()}
    return {
        split: examples.take(stratified_rows(_strata(spec, split, examples), limits[split], spec.sample_seed))
        for split, examples in splits.items()
    }


def _strata(spec: DatasetSpec, split: Split, examples: Examples) -> np.ndarray:
    return np.zeros(len(examples), np.int64) if split == "unlabeled" else task_of(spec).strata(examples)


def _columns(spec: DatasetSpec) -> dict[str, str]:
    columns = {"text": spec.text, "text_pair": spec.text_pair, "label": spec.label}
    return {key: name for key, name in columns.items() if name is not None}
