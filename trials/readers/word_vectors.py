"""Word vectors from files: GloVe's text format, or .npy with the list of its words. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from search_spaces import fault
from trials.readers.packaged import PACKAGE_PREFIX, file_digest, package_folder

WORD_LISTS = (".txt", ".json", ".parquet")  # of an .npy file: beside it, one word a row


@dataclass(frozen=True)
class WordVectors:
    """Vectors of words.

    Attributes:
        rows: Each word's row.
        values: float32 [words, size].
    """

    rows: dict[str, int]
    values: np.ndarray

    def of(self, word: str) -> np.ndarray | None:
        """The vector of a word, as it is or lower-cased; None if it has none."""
        row = self.rows.get(word, self.rows.get(word.lower()))
        return None if row is None else self.values[row]


def vectors_file(reference: str) -> Path:
    """The file of vectors that a reference means: itself, or the .npy file of a folder or of a package's folder.

    Raises:
        InputError: There is none, or several.
    """
    path = package_folder(reference, key="embeddings") if reference.startswith(PACKAGE_PREFIX) else Path(reference)
    if path.is_file():
        return path
    found = sorted(path.glob("*.npy")) or sorted(path.glob("*.txt"))
    if len(found) != 1:
        message = f"must be a file of word vectors, or a folder with one; found {len(found)}"
        raise fault(path, "embeddings", reference, message)
    return found[0]


def vectors_fingerprint(reference: str) -> str:
    """16 hexadecimal digits of the content of a file of vectors, and of its words.

    Raises:
        InputError: There is none.
    """
    file = vectors_file(reference)
    parts = [file, _words_file(file)] if file.suffix == ".npy" else [file]
    return "".join(file_digest(part).hex()[: 16 // len(parts)] for part in parts)


def load_word_vectors(reference: str) -> WordVectors:
    """All vectors of a file; .npy files are memory-mapped.

    Raises:
        InputError: There is no such file, or it holds no word vectors.
    """
    return _loaded(vectors_file(reference))


def vectors_size(reference: str) -> int:
    """Width of the vectors of a file, from its beginning.

    Raises:
        InputError: There is no such file, or it holds no word vectors.
    """
    file = vectors_file(reference)
    with _said(file):
        if file.suffix == ".npy":
            return int(_npy(file).values.shape[1])
        return next((len(vector) for _, _, vector in _lines(file)), 0)


@contextmanager
def _said(file: Path) -> Iterator[None]:
    """What a reader raises of a file that is something else, as one fault."""
    try:
        yield
    except (ValueError, EOFError, OSError) as error:  # those of unicode, json and arrow are ValueErrors
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fault(file, "embeddings", file.name, f"cannot be read as word vectors: {first}") from None


@lru_cache(maxsize=1)
def _loaded(file: Path) -> WordVectors:
    with _said(file):
        return _read(file)


def _read(file: Path) -> WordVectors:
    if file.suffix == ".npy":
        return _npy(file)
    rows: dict[str, int] = {}
    vectors: list[np.ndarray] = []
    for number, word, vector in _lines(file):
        if vectors and len(vector) != len(vectors[0]):
            message = f"line {number} has {len(vector)} numbers, those above have {len(vectors[0])}"
            raise fault(file, "embeddings", word, message)
        if word not in rows:
            rows[word] = len(vectors)
            vectors.append(vector)
    if not vectors:
        raise fault(file, "embeddings", file.name, "holds no word vectors")
    return WordVectors(rows, np.stack(vectors))


def _lines(file: Path) -> Iterator[tuple[int, str, np.ndarray]]:
    """Number, word and vector of each line; word2vec's first line, which counts them, is left out.

    Words may hold spaces, as some of GloVe's do: the numbers are the last ones, as many as in the line above.
    """
    size = None
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            parts = line.rstrip().split(" ")
            if number == 1 and len(parts) == 2:
                continue
            size = size or len(parts) - 1
            try:
                yield (
                    number,
                    " ".join(parts[:-size]) or parts[0],
                    np.array(parts[max(1, len(parts) - size) :], np.float32),
                )
            except ValueError:
                raise fault(file, "embeddings", parts[0], f"line {number} must be a word and numbers") from None


def _npy(file: Path) -> WordVectors:
    values = np.load(file, mmap_mode="r", allow_pickle=False)
    words = _word_list(_words_file(file))
    if values.ndim != 2 or len(words) != len(values):
        message = f"must be [words, size]; its shape is {list(values.shape)}, and there are {len(words)} words"
        raise fault(file, "embeddings", file.name, message)
    return WordVectors({word: row for row, word in reversed(list(enumerate(words)))}, values)


def _words_file(file: Path) -> Path:
    found = [other for other in sorted(file.parent.iterdir()) if other.suffix in WORD_LISTS]
    if len(found) != 1:
        message = f"needs one list of its words beside it ({', '.join(WORD_LISTS)}); found {len(found)}"
        raise fault(file, "embeddings", file.name, message)
    return found[0]


def _word_list(file: Path) -> list[str]:
    if file.suffix == ".txt":
        return file.read_text(encoding="utf-8").splitlines()
    if file.suffix == ".json":
        import json

        return [str(word) for word in json.loads(file.read_text(encoding="utf-8"))]
    import pyarrow.parquet
    import pyarrow.types

    table = pyarrow.parquet.read_table(file)
    texts = [name for name in table.column_names if pyarrow.types.is_string(table.schema.field(name).type)]
    if len(texts) != 1:
        raise fault(
            file, "embeddings", file.name, f"must have one column of words; it has {', '.join(texts) or 'none'}"
        )
    return table.column(texts[0]).to_pylist()
