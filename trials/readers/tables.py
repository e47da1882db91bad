"""The splits of a data set as tables, from files, the hub or a package. Torch-free.

Files are read without the `datasets` library, whose import takes seconds that a worker need not wait. CSV and JSON are
read by Python's own strict parsers: pyarrow's take a quote that is never closed for a long text, and a date for a time.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, TextIO

from search_spaces import Fault, InputError, digest, fault, nearest
from trials.readers.packaged import files_digest, load_packaged, packaged_files
from trials.specs import DatasetSpec, HubPart, Split

SPLITS: tuple[Split, ...] = ("train", "validation", "test")  # what every data set has
CONVERTED = "refs/convert/parquet"  # the revision that holds the hub's own conversion of a data set


@dataclass(frozen=True)
class Table:
    """One split of a data set, before it is checked.

    Attributes:
        where: File, or source and split.
        columns: Lists or arrow columns, by name.
        class_names: Names of the classes, where the source says what its label numbers mean.
    """

    where: str
    columns: Mapping[str, Any]
    class_names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def values(self, name: str, field: str | None = None) -> list[Any]:
        """A column as a list; with `field`, that field of each mapping in the column."""
        column = self.columns[name]
        if isinstance(column, list):
            return column if field is None else [_field(value, field) for value in column]
        if field is not None:
            from pyarrow.compute import struct_field

            column = struct_field(column, field)
        return column.to_pylist()

    def fields(self, name: str) -> tuple[str, ...]:
        """The fields of a column of mappings; () for any other column."""
        column = self.columns[name]
        if isinstance(column, list):
            return tuple(column[0]) if column and isinstance(column[0], dict) else ()
        return tuple(field.name for field in column.type.fields) if hasattr(column.type, "fields") else ()


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


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
        name, ending = _name_and_ending(file)
        if ending in READERS and files.setdefault(name, file) is not file:
            raise fault(folder, "path", file.name, f"there is also {files[name].name}; keep one of the two")
    return files


def source_digest(spec: DatasetSpec) -> str | None:
    """SHA-256 over the files that a data set is read from; None if they are not at hand, or the hub's."""
    if spec.path is None and spec.embedded is None:
        return None
    try:
        folder, files = packaged_files(spec.embedded) if spec.embedded else _folder_files(Path(spec.path or ""))
        return digest([[file.relative_to(folder).as_posix() for file in files], files_digest(folder, files)])
    except (OSError, InputError):  # reading the data will say it
        return None


def _folder_files(folder: Path) -> tuple[Path, list[Path]]:
    walked = os.walk(folder, followlinks=True)
    return folder, sorted(Path(parent, name) for parent, _, names in walked for name in names)


def _saved_splits(folder: Path) -> dict[str, Any]:
    from datasets import DatasetDict, load_from_disk

    try:
        saved = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise fault(folder, "path", None, f"cannot be read: {' '.join(str(error).split())}") from error
    return dict(saved) if isinstance(saved, DatasetDict) else {"train": saved}


def _hub_splits(spec: DatasetSpec, part: HubPart, key: str) -> Mapping[str, Any]:
    import datasets

    # The hub's conversion of data sets that are scripts holds a configuration as a folder
    folder = part.revision == CONVERTED and part.config is not None
    names = (part.hub,) if folder else (part.hub, part.config)
    options = {"revision": part.revision} | ({"data_dir": part.config} if folder else {})
    try:
        return datasets.load_dataset(*names, **options)
    except Exception as error:  # the client raises dozens of types; all mean that the data are not to be had
        message = f"cannot be loaded: {' '.join(str(error).split())} (a local copy can be given as `path`)"
        raise fault(_hub_name(part), dataset_key(spec, key), part.hub, message) from error


def _held_splits(spec: DatasetSpec, part: HubPart, key: str) -> Mapping[str, Any]:
    """The splits of a source: name -> file, columns, or `datasets.Dataset`."""
    if spec.embedded is not None:
        return load_packaged(spec.embedded, key=dataset_key(spec, "embedded"))
    if spec.path is None:
        return _hub_splits(spec, part, key)
    try:
        return folder_splits(Path(spec.path))
    except InputError as error:
        raise InputError(Fault(f.where, dataset_key(spec, f.key), f.value, f.message) for f in error.faults) from None


def read_tables(spec: DatasetSpec, faults: list[Fault]) -> dict[Split, Table]:
    """Read the splits that are not carved, and the transfer set; a split that cannot be read adds a fault instead."""
    wanted = (*SPLITS, *(("unlabeled",) if "unlabeled" in spec.splits else ()))
    splits = {split: _parts(spec, split) for split in wanted if split not in spec.carve}
    sources: dict[HubPart, str] = {}
    for parts in splits.values():
        for key, part in parts.items():
            sources.setdefault(_source(part), key if spec.parts else "hub")
    held: dict[HubPart, Mapping[str, Any]] = {}
    tables: dict[Split, Table] = {}
    for source, key in sources.items():  # each is opened once
        with collect_faults(faults):
            held[source] = _held_splits(spec, source, key)
    for split, parts in splits.items():
        if all(_source(part) in held for part in parts.values()):
            with collect_faults(faults):
                read = [_read_split(spec, held[_source(part)], part, key) for key, part in parts.items()]
                tables[split] = _chosen(spec, split, _joined(spec, split, read))
    return tables


def _parts(spec: DatasetSpec, split: Split) -> dict[str, HubPart]:
    """The parts of a split, by their keys in the study file."""
    keys = [f"parts.{split}[{index}]" for index in range(len(spec.parts.get(split, ())))] or [f"splits.{split}"]
    return dict(zip(keys, spec.hub_parts(split), strict=True))


def _source(part: HubPart) -> HubPart:
    """The source of a part: all of it but its split."""
    return part.model_copy(update={"split": None})


def _read_split(spec: DatasetSpec, held: Mapping[str, Any], part: HubPart, key: str) -> Table:
    """A split, or a part of one."""
    name, key = str(part.split), dataset_key(spec, key)
    source = _hub_name(part) if spec.hub else source_name(spec)
    if name not in held:
        wanted = f" (a file {name}{'|'.join((*BINARY_READERS, *TEXT_READERS))})" if spec.path else ""
        raise fault(source, key, name, f"no such split{wanted}; {nearest(name, held)}")
    table = read_table(held[name], f"{source}, split {name}", spec.label, key)
    if len(table) == 0:
        raise fault(table.where, key, name, "the split is empty")
    return table


def _joined(spec: DatasetSpec, split: Split, tables: Sequence[Table]) -> Table:
    """Tables one below the other, with the columns that all of them have."""
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables[1:]:
        if table.class_names != first.class_names:
            message = f"its labels are {_class_list(table)}; those of {first.where} are {_class_list(first)}"
            raise fault(table.where, dataset_key(spec, f"parts.{split}"), None, message)
    names = [name for name in first.columns if all(name in table.columns for table in tables)]
    columns = {name: _stacked([table.columns[name] for table in tables]) for name in names}
    return Table(f"{first.where}, and {len(tables) - 1} more", columns, first.class_names)


def _stacked(columns: Sequence[Any]) -> Any:
    """Columns one after the other: arrow's if all of them are, of one type."""
    if any(isinstance(column, list) for column in columns) or len({column.type for column in columns}) > 1:
        return [value for column in columns for value in (column if isinstance(column, list) else column.to_pylist())]
    import pyarrow

    return pyarrow.chunked_array([chunk for column in columns for chunk in column.chunks])


def _class_list(table: Table) -> str:
    return ", ".join(table.class_names or ("not named",))


def _chosen(spec: DatasetSpec, split: Split, table: Table) -> Table:
    """The rows that `only` and `skip_empty` leave."""
    chosen = [True] * len(table)
    for column, value in spec.only.items():
        key = dataset_key(spec, f"only.{column}")
        if column not in table.columns:
            raise fault(table.where, key, value, f"no such column; {nearest(column, table.columns)}")
        values = table.values(column)
        if value not in values:
            raise fault(table.where, key, value, f"no row holds it; {nearest(str(value), {str(v) for v in values})}")
        chosen = [was and held == value for was, held in zip(chosen, values, strict=True)]
    if spec.skip_empty:
        texts = (name for name in (spec.text, spec.text_pair, spec.label) if name is not None and name in table.columns)
        for name in dict.fromkeys(texts):
            for field in table.fields(name) or (None,):
                values = table.values(name, field)
                chosen = [was and not _is_empty(value, field) for was, value in zip(chosen, values, strict=True)]
    if all(chosen):
        return table
    if not any(chosen):
        raise fault(table.where, dataset_key(spec, f"splits.{split}"), None, "no row is left")
    return replace(table, columns={name: _kept(column, chosen) for name, column in table.columns.items()})


def _is_empty(value: Any, field: str | None) -> bool:
    """Whether a text is blank, or a list holds no words; of a mapping only texts count."""
    return not value.strip() if isinstance(value, str) else field is None and value == []


def _kept(column: Any, chosen: list[bool]) -> Any:
    return list(compress(column, chosen)) if isinstance(column, list) else column.filter(chosen)


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
        return _arrow_table(where, held.with_format("arrow")[:], names)
    name, ending = _name_and_ending(held)
    try:
        return READERS[ending](held, label)
    except UNREADABLE as error:
        raise fault(held, key, name, f"cannot be read: {' '.join(str(error).split())}") from error


def _name_and_ending(file: Path) -> tuple[str, str]:
    """``train`` and ``.csv.gz`` of ``train.csv.gz``."""
    plain = file.with_suffix("") if file.suffix in DECOMPRESSORS else file
    return plain.stem, file.name.removeprefix(plain.stem)


def _read_parquet(file: Path, label: str) -> Table:
    import pyarrow.parquet

    return _labelled_table(file, pyarrow.parquet.read_table(file), label)


def _read_arrow(file: Path, label: str) -> Table:
    """Arrow's file format, which is also Feather's, or its stream format, which `datasets` writes."""
    import pyarrow.ipc

    source = pyarrow.memory_map(str(file))
    try:
        table = pyarrow.ipc.open_file(source).read_all()
    except pyarrow.ArrowInvalid:
        source.seek(0)
        table = pyarrow.ipc.open_stream(source).read_all()
    return _labelled_table(file, table, label)


def _labelled_table(file: Path, table: Any, label: str) -> Table:
    """A table with the class names that `datasets` has put into its schema."""
    features = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    feature = features.get(label, {})
    return _arrow_table(str(file), table, feature.get("feature", feature).get("names"))  # of a list's elements


def _arrow_table(where: str, table: Any, class_names: Sequence[str] | None) -> Table:
    columns = dict(zip(table.column_names, table.columns, strict=True))
    return Table(where, columns, tuple(class_names) if class_names else None)


def _open_text(file: Path, newline: str | None = None) -> TextIO:
    """A text file, decompressed; a byte order mark is skipped."""
    opened: TextIO = DECOMPRESSORS.get(file.suffix, open)(file, "rt", encoding="utf-8-sig", newline=newline)
    return opened


def _read_csv(file: Path, label: str, delimiter: str = ",") -> Table:
    """An empty cell is a missing value; labels that all look like integers are integers."""
    csv.field_size_limit(sys.maxsize)  # a text may be longer than 128 kB
    with _open_text(file, newline="") as lines:
        header, *rows = [row for row in csv.reader(lines, strict=True, delimiter=delimiter) if row] or [[]]
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
    with _open_text(file) as opened:
        text = opened.read()
    lines = (line for line in text.split("\n") if line.strip())
    rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in lines]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("every row must be an object, {column: value}")
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(str(file), {name: [row.get(name) for row in rows] for name in names})


DECOMPRESSORS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
BINARY_READERS = {".parquet": _read_parquet, ".arrow": _read_arrow, ".feather": _read_arrow}
TEXT_READERS: dict[str, Callable[[Path, str], Table]] = {
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, delimiter="\t"),
    ".json": _read_json,
    ".jsonl": _read_json,
}
READERS = BINARY_READERS | {
    ending + packed: reader for ending, reader in TEXT_READERS.items() for packed in ("", *DECOMPRESSORS)
}
# The errors of arrow, json and unicode are ValueErrors
UNREADABLE = (OSError, ValueError, csv.Error, EOFError, zlib.error, lzma.LZMAError)


def source_name(spec: DatasetSpec) -> str:
    """Where a data set comes from, for messages."""
    return spec.path or spec.embedded or _hub_name(HubPart(hub=spec.hub, config=spec.config))


def _hub_name(part: HubPart) -> str:
    return f"{part.hub}{f' ({part.config})' if part.config else ''}"


def dataset_key(spec: DatasetSpec, part: str) -> str:
    """A data set's key in the study file, for messages."""
    return f"datasets.{spec.name}.{part}"


@contextmanager
def collect_faults(faults: list[Fault]) -> Iterator[None]:
    """Add the faults that are raised inside to a list."""
    try:
        yield
    except InputError as error:
        faults.extend(error.faults)
