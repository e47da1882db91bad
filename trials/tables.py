"""The splits of a data set as tables, from files, the hub or a package. Torch-free.

Files are read without the `datasets` library, so that a trial's worker need not load it.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from search_spaces.configuration import digest
from search_spaces.faults import Fault, InputError, fault, nearest
from trials.embedded import embedded_files, files_digest, load_embedded
from trials.spec import DatasetSpec, Split

SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class Table:
    """One split as its source holds it.

    Attributes:
        where: File, or source and split.
        columns: Lists, or lazy arrow or `datasets` columns, by name.
        class_names: Names of the classes, where the source says what its label numbers mean.
    """

    where: str
    columns: Mapping[str, Any]
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def values(self, name: str) -> list[Any]:
        """A column as a list."""
        column = self.columns[name]
        return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def folder_splits(folder: Path) -> dict[str, Any]:
    """The splits that a local folder holds by name: files, or the data sets of a folder saved by `datasets`.

    Raises:
        InputError: There is no such folder, it cannot be read, or two of its files are the same split.
    """
    if not folder.is_dir():
        raise fault(folder, "path", None, "no such folder")
    if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return _saved_splits(folder)
    files: dict[str, Any] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix in READERS and files.setdefault(file.stem, file) is not file:
            raise fault(folder, "path", file.name, f"there is also {files[file.stem].name}; keep one of the two")
    return files


def source_digest(spec: DatasetSpec) -> str | None:
    """SHA-256 over the files that a data set is read from; None if they are not at hand, or the hub's."""
    if spec.path is None and spec.embedded is None:
        return None
    try:
        folder, files = embedded_files(spec.embedded) if spec.embedded else _folder_files(Path(spec.path or ""))
        return digest([[file.relative_to(folder).as_posix() for file in files], files_digest(folder, files)])
    except (OSError, InputError):  # reading the data will say it
        return None


def _folder_files(folder: Path) -> tuple[Path, list[Path]]:
    return folder, sorted(file for file in folder.rglob("*") if file.is_file())


def _saved_splits(folder: Path) -> dict[str, Any]:
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise fault(folder, "path", None, f"cannot be read: {' '.join(str(error).split())}") from error
    return dict(saved) if isinstance(saved, DatasetDict) else {"train": saved}


def _hub_splits(spec: DatasetSpec) -> Mapping[str, Any]:
    import datasets

    try:
        return datasets.load_dataset(spec.hub, spec.config, revision=spec.revision)
    except Exception as error:  # the client raises dozens of types; all mean that the data are not to be had
        message = f"cannot be loaded: {' '.join(str(error).split())} (a local copy can be given as `path`)"
        raise fault(source_of(spec), key_of(spec, "hub"), spec.hub, message) from error


def _held_splits(spec: DatasetSpec) -> Mapping[str, Any]:
    """What the source holds: split name -> file, columns, or `datasets.Dataset`."""
    if spec.embedded is not None:
        return load_embedded(spec.embedded, key=key_of(spec, "embedded"))
    if spec.path is None:
        return _hub_splits(spec)
    try:
        return folder_splits(Path(spec.path))
    except InputError as error:
        raise InputError(Fault(f.where, key_of(spec, f.key), f.value, f.message) for f in error.faults) from None


def read_tables(spec: DatasetSpec, faults: list[Fault]) -> dict[Split, Table]:
    """The splits that are not carved; one that cannot be read leaves a fault instead."""
    tables: dict[Split, Table] = {}
    with collecting(faults):
        held = _held_splits(spec)
        for split in SPLITS:
            if split not in spec.carve:
                with collecting(faults):
                    tables[split] = _read_split(spec, held, split)
    return tables


def _read_split(spec: DatasetSpec, held: Mapping[str, Any], split: Split) -> Table:
    name, key = spec.splits.get(split, split), key_of(spec, f"splits.{split}")
    if name not in held:
        wanted = f" (a file {name}{'|'.join(READERS)})" if spec.path else ""
        raise fault(source_of(spec), key, name, f"no such split{wanted}; {nearest(name, held)}")
    table = read_table(held[name], f"{source_of(spec)}, split {name}", spec.label, key)
    if len(table) == 0:
        raise fault(table.where, key, name, "the split is empty")
    return table


def read_table(held: Any, where: str, label: str, key: str) -> Table:
    """One of `folder_splits` as a table; `label` names the column whose class names are wanted.

    Raises:
        InputError: The file cannot be read.
    """
    if isinstance(held, dict):
        return Table(where, held)
    if not isinstance(held, Path):  # a datasets.Dataset
        feature = held.features.get(label)
        names = getattr(getattr(feature, "feature", feature), "names", None)  # of a list's elements
        return Table(where, {name: held[name] for name in held.column_names}, tuple(names) if names else None)
    try:
        return READERS[held.suffix](held, label)
    except (OSError, ValueError, csv.Error) as error:  # the errors of arrow, json and unicode are ValueErrors
        raise fault(held, key, held.stem, f"cannot be read: {' '.join(str(error).split())}") from error


def _read_parquet(file: Path, label: str) -> Table:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(file)
    features = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    feature = features.get(label, {})
    names = feature.get("feature", feature).get("names")  # of a list's elements
    return Table(str(file), dict(zip(table.column_names, table.columns, strict=True)), tuple(names) if names else None)


def _read_csv(file: Path, label: str) -> Table:
    """An empty cell is a missing value; labels that all look like integers are integers."""
    csv.field_size_limit(sys.maxsize)  # a text may be longer than 128 kB
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header, *rows = [row for row in csv.reader(lines, strict=True) if row] or [[]]
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"row {number} has {len(row)} cells, the header has {len(header)}")
    columns: dict[str, list[Any]] = {name: [row[i] or None for row in rows] for i, name in enumerate(header)}
    labels = columns.get(label, ["not a number"])
    if all(value is None or value.removeprefix("-").isdecimal() for value in labels):
        columns[label] = [None if value is None else int(value) for value in labels]
    return Table(str(file), columns)


def _read_json(file: Path, label: str) -> Table:
    """One object per line, or one list of objects."""
    text = file.read_text(encoding="utf-8-sig")
    lines = (line for line in text.split("\n") if line.strip())
    rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in lines]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every row must be an object, {column: value}")
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(str(file), {name: [row.get(name) for row in rows] for name in names})


READERS = {".parquet": _read_parquet, ".csv": _read_csv, ".json": _read_json, ".jsonl": _read_json}


def source_of(spec: DatasetSpec) -> str:
    """Where a data set comes from, for messages."""
    return spec.path or spec.embedded or f"{spec.hub}{f' ({spec.config})' if spec.config else ''}"


def key_of(spec: DatasetSpec, part: str) -> str:
    """A data set's key in the study file, for messages."""
    return f"datasets.{spec.name}.{part}"


@contextmanager
def collecting(faults: list[Fault]) -> Iterator[None]:
    """Faults raised inside join the list."""
    try:
        yield
    except InputError as error:
        faults.extend(error.faults)
