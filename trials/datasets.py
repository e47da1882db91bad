"""A data set's texts and labels: checked whole, every fault at once; carved and sampled. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from search_spaces.configuration import digest
from search_spaces.faults import Fault, InputError, fault, nearest
from trials.spec import DatasetSpec, Split, TaskName
from trials.tables import SPLITS, Table, collecting, key_of, read_tables, source_of

UNLABELLED = -1  # what GLUE's test splits hold


@dataclass(frozen=True)
class Examples:
    """One split.

    Attributes:
        texts: The texts [rows].
        text_pairs: Each text's partner [rows]; None where the task has single texts.
        labels: Class numbers, int64 [rows].
    """

    texts: tuple[str, ...]
    text_pairs: tuple[str, ...] | None
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> Self:
        """The given rows, in the given order."""
        pairs = self.text_pairs
        taken = None if pairs is None else tuple(pairs[row] for row in rows)
        return type(self)(tuple(self.texts[row] for row in rows), taken, self.labels[rows])


@dataclass(frozen=True)
class LoadedDataset:
    """A data set in memory.

    Attributes:
        spec: Where it came from.
        label_names: Class names in the order of their numbers.
        splits: train, validation and test, carved and sampled.
        fingerprint: SHA-256 of label names, texts, pairs and labels in order: of the content, not of path or format.
    """

    spec: DatasetSpec
    label_names: tuple[str, ...]
    splits: dict[Split, Examples]
    fingerprint: str


def load_dataset_splits(spec: DatasetSpec) -> LoadedDataset:
    """Read, check, carve and sample a data set.

    Raises:
        InputError: All faults of the data set, each with its file (or hub name), key and value.
    """
    if spec.task is not TaskName.CLASSIFICATION:
        message = f"task {spec.task.value!r} is not supported yet; supported: {TaskName.CLASSIFICATION.value}"
        raise fault(source_of(spec), key_of(spec, "task"), spec.task.value, message)
    faults: list[Fault] = []
    tables = read_tables(spec, faults)
    faults += _column_faults(spec, tables)
    names: tuple[str, ...] = ()
    with collecting(faults):
        names = _label_names(spec, tables)
    splits = {split: _examples(spec, table, names, faults) for split, table in tables.items()}
    if not faults:
        with collecting(faults):
            splits = _sample(spec, _carve(spec, splits))
    faults += _class_faults(spec, splits.get("train"), names)
    if faults:
        raise InputError(faults)
    return LoadedDataset(spec, names, splits, fingerprint(names, splits))


def fingerprint(label_names: Sequence[str], splits: Mapping[Split, Examples]) -> str:
    """SHA-256, in hexadecimal, of a data set's content."""
    parts = {name: digest([split.texts, split.text_pairs, split.labels.tolist()]) for name, split in splits.items()}
    return digest({"label_names": label_names, "splits": parts})


def stratified_rows(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Which rows of `labels` [rows] stand for all of them: row numbers [min(limit, rows)], ascending.

    Classes get their shares by the method of Sainte-Lague; a smaller sample is part of every larger one.
    """
    priority = np.empty(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        priority[rows[_shuffled(len(rows), seed)]] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(priority, kind="stable")[:limit])


# Checks: tables become examples, or faults.


def _column_faults(spec: DatasetSpec, tables: Mapping[Split, Table]) -> Iterator[Fault]:
    """Columns that splits lack: one fault per column."""
    for key, name in _columns(spec).items():
        lacking = [table for table in tables.values() if name not in table.columns]
        if lacking:
            where = ", ".join(table.where for table in lacking)
            yield Fault(where, key_of(spec, key), name, f"no such column; {nearest(name, lacking[0].columns)}")


def _label_names(spec: DatasetSpec, tables: Mapping[Split, Table]) -> tuple[str, ...]:
    """The study's label names, else the train split's own, else its distinct strings; () where it lacks the column."""
    train = tables.get("train")
    if spec.labels is not None:
        if len(set(spec.labels)) < len(spec.labels):
            raise fault(source_of(spec), key_of(spec, "labels"), list(spec.labels), "a label stands twice")
        return spec.labels
    if train is None or spec.label not in train.columns:
        return ()
    if train.class_names:
        return train.class_names
    values = [value for value in train.values(spec.label) if value is not None]
    if not values:
        key = f"{key_of(spec, 'label')} ({spec.label})"
        raise fault(train.where, key, None, f"all {len(train.values(spec.label))} labels are missing")
    if not all(isinstance(value, str) for value in values):
        message = f"is required, for {spec.label!r} holds no names; they start with {values[0]!r:.40}"
        raise fault(train.where, key_of(spec, "labels"), None, message)
    return tuple(sorted(set(values)))


def _examples(spec: DatasetSpec, table: Table, names: tuple[str, ...], faults: list[Fault]) -> Examples:
    """A split's examples; what is wrong with them joins `faults`. Missing columns are reported elsewhere."""
    columns = {key: name for key, name in _columns(spec).items() if name in table.columns}
    texts: dict[str, tuple[str, ...]] = {}
    labels = np.empty(0, np.int64)
    for key, name in columns.items():
        with collecting(faults):
            if key != "label":
                texts[key] = _strings(table, name, key_of(spec, key))
            elif names:
                labels = _label_numbers(spec, table, names)
    return Examples(texts.get("text", ()), texts.get("text_pair"), labels)


def _strings(table: Table, name: str, key: str) -> tuple[str, ...]:
    values = table.values(name)
    wrong = [row for row, value in enumerate(values) if not isinstance(value, str)]
    if wrong:
        first = f"first in row {wrong[0]}: {values[wrong[0]]!r:.60}"
        raise fault(table.where, key, name, f"{len(wrong)} of {len(values)} texts are missing or no strings, {first}")
    return tuple(values)


def _label_numbers(spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> np.ndarray:
    """Class numbers, int64 [rows], in the order of `names`."""
    values = table.values(spec.label)
    numbers = _known_labels(spec, table, names)
    wrong = [row for row, value in enumerate(values) if isinstance(value, (list, dict)) or value not in numbers]
    if not wrong:
        return np.array([numbers[value] for value in values], np.int64)
    hidden, missing = values.count(UNLABELLED), values.count(None)
    value = values[wrong[0]]
    if hidden:
        value = UNLABELLED
        message = f"the split is unlabelled ({hidden} of {len(values)} rows); take another one, or carve one"
    elif missing:
        value, message = None, f"{missing} of {len(values)} labels are missing"
    elif isinstance(value, str):
        message = f"unknown label in row {wrong[0]}; {nearest(value, names)}"
    else:
        message = f"unknown label in row {wrong[0]}; known: {', '.join(f'{numbers[n]} {n!r}' for n in names)}"
    raise fault(table.where, f"{key_of(spec, 'label')} ({spec.label})", value, message)


def _known_labels(spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> dict[Any, int]:
    """Class numbers by what the table's label column may hold: names, or the source's numbers."""
    known: dict[Any, int] = {name: number for number, name in enumerate(names)}
    held = table.class_names
    if held and not _same_classes(held, names):
        message = f"the source's labels are {', '.join(held)}; the study's are {', '.join(names)}"
        raise fault(table.where, key_of(spec, "labels"), list(names), message)
    if held and set(held) == set(names):
        return known | {number: known[name] for number, name in enumerate(held)}
    if all(name.isdecimal() for name in names):  # such as labels: ["1", "2"] for a column of 1 and 2
        return known | {int(name): number for name, number in known.items()}
    return known | {number: number for number in range(len(names))}


def _same_classes(held: Sequence[str], names: Sequence[str]) -> bool:
    """Equal sets; names that are only numbers ("0", "1") may get real ones."""
    return set(held) == set(names) or list(held) == [str(number) for number in range(len(names))]


def _class_faults(spec: DatasetSpec, train: Examples | None, names: tuple[str, ...]) -> Iterator[Fault]:
    classes = [] if train is None else np.unique(train.labels).tolist()
    if len(classes) == 1:
        message = "the train split holds one class only: there is nothing to learn"
        yield Fault(source_of(spec), key_of(spec, "label"), names[classes[0]], message)


# Carving and sampling.


def _carve(spec: DatasetSpec, splits: dict[Split, Examples]) -> dict[Split, Examples]:
    for split in (split for split in SPLITS if split in spec.carve):
        carve = spec.carve[split]
        key = key_of(spec, f"carve.{split}")
        if carve.source in spec.carve:
            raise fault(source_of(spec), f"{key}.source", carve.source, "is carved itself")
        source = splits[carve.source]
        if carve.rows >= len(source):
            raise fault(source_of(spec), f"{key}.rows", carve.rows, f"{carve.source} has only {len(source)} rows")
        rows = _shuffled(len(source), carve.seed)
        splits |= {split: source.take(np.sort(rows[: carve.rows]))}
        splits |= {carve.source: source.take(np.sort(rows[carve.rows :]))}
    return {split: splits[split] for split in SPLITS}


def _sample(spec: DatasetSpec, splits: dict[Split, Examples]) -> dict[Split, Examples]:
    limits = {split: spec.examples.get(split, len(examples)) for split, examples in splits.items()}
    return {
        split: examples.take(stratified_rows(examples.labels, limits[split], spec.sample_seed))
        for split, examples in splits.items()
    }


def _shuffled(rows: int, seed: int) -> np.ndarray:
    """A permutation of range(rows), from a bit stream that numpy promises to keep as it is."""
    return np.random.PCG64(seed).random_raw(rows).argsort(kind="stable")


def _columns(spec: DatasetSpec) -> dict[str, str]:
    columns = {"text": spec.text, "text_pair": spec.text_pair, "label": spec.label}
    return {key: name for key, name in columns.items() if name is not None}
