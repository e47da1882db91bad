"""Examples of a split, and how columns of a table become them. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from search_spaces import fault
from trials.readers.tables import Table, dataset_key, source_name
from trials.specs import DatasetSpec

Labels = Any  # np.ndarray or tuple, by task
UNLABELLED = -1  # what GLUE's test splits hold


@dataclass(frozen=True)
class Examples:
    """One split; the kinds of texts and labels depend on the task.

    Attributes:
        texts: The texts [rows]: strings, or of token classification tuples of words.
        text_pairs: Each text's partner [rows]; None where the task has single texts.
        labels: Class numbers, int64 [rows]; scores, float32 [rows]; or of each row its tags, answers or translation.
    """

    texts: tuple[Any, ...]
    text_pairs: tuple[str, ...] | None
    labels: Labels

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: np.ndarray) -> Self:
        """The given rows, in the given order."""
        pairs, labels = self.text_pairs, self.labels
        return type(self)(
            tuple(self.texts[row] for row in rows),
            None if pairs is None else tuple(pairs[row] for row in rows),
            labels[rows] if isinstance(labels, np.ndarray) else tuple(labels[row] for row in rows),
        )

    @property
    def content(self) -> list[Any]:
        """All of it as JSON values."""
        labels = self.labels.tolist() if isinstance(self.labels, np.ndarray) else self.labels
        return [self.texts, self.text_pairs, labels]


def text_column(table: Table, name: str, key: str) -> tuple[str, ...]:
    """A column of texts.

    Raises:
        InputError: A value is no string.
    """
    values = table.values(name)
    check_column(
        table, key, name, "texts are missing or no strings", values, [isinstance(value, str) for value in values]
    )
    return tuple(values)


def check_column(table: Table, key: str, column: str, what: str, values: Sequence[Any], right: Sequence[bool]) -> None:
    """Raise a fault unless all values of a column are valid.

    Args:
        table: Where it is from.
        key: Its key in the study file.
        column: Its name.
        what: What is wrong with the others, after "3 of 96".
        values: What to show of each row.
        right: Whether each row is right.

    Raises:
        InputError: Some are not; the first one is shown.
    """
    wrong = [row for row, is_right in enumerate(right) if not is_right]
    if wrong:
        first = f"first in row {wrong[0]}: {values[wrong[0]]!r:.60}"
        raise fault(table.where, key, column, f"{len(wrong)} of {len(right)} {what}, {first}")


def label_key(spec: DatasetSpec) -> str:
    """The label column's key, for messages."""
    return f"{dataset_key(spec, 'label')} ({spec.label})"


def label_numbers(spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> Mapping[Any, int]:
    """Class numbers by what the table's label column may hold: names, or the source's numbers.

    Raises:
        InputError: The source names other classes than the study.
    """
    known: dict[Any, int] = {name: number for number, name in enumerate(names)}
    held = table.class_names
    if held and not _same_classes(held, names):
        message = f"the source's labels are {', '.join(held)}; the study's are {', '.join(names)}"
        raise fault(table.where, dataset_key(spec, "labels"), list(names), message)
    if held and set(held) == set(names):
        return known | {number: known[name] for number, name in enumerate(held)}
    if all(name.isdecimal() for name in names):  # such as labels: ["1", "2"] for a column of 1 and 2
        return known | {int(name): number for name, number in known.items()}
    return known | {number: number for number in range(len(names))}


def _same_classes(held: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the sets are equal; names that are only numbers ("0", "1") may be replaced."""
    return set(held) == set(names) or list(held) == [str(number) for number in range(len(names))]


def find_label_names(spec: DatasetSpec, tables: Mapping[Any, Table], values: Sequence[Any]) -> tuple[str, ...]:
    """The label names of the study file, or else those of the train split, or else its distinct strings, sorted.

    Raises:
        InputError: A label occurs twice, or the values are no names.
    """
    if spec.labels is not None:
        if len(set(spec.labels)) < len(spec.labels):
            raise fault(source_name(spec), dataset_key(spec, "labels"), list(spec.labels), "a label stands twice")
        return spec.labels
    if "train" not in tables or not values:
        return ()
    if names := tables["train"].class_names:
        return names
    if not all(isinstance(value, str) for value in values):
        message = f"is required, for {spec.label!r} holds no names; they start with {values[0]!r:.40}"
        raise fault(tables["train"].where, dataset_key(spec, "labels"), None, message)
    return tuple(sorted(set(values)))


def seeded_permutation(rows: int, seed: int) -> np.ndarray:
    """A permutation of range(rows), from a bit stream that numpy promises to keep as it is."""
    return np.random.PCG64(seed).random_raw(rows).argsort(kind="stable")
