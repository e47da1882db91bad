"""Tokenizers in model folders: found, fingerprinted, loaded. No remote code."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from search_spaces import fault
from trials.readers.packaged import file_digest

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.*",
    "merges.txt",
    "added_tokens.json",
    "bpe.codes",
    "*.model",
    "*.spm",
)


def tokenizer_files(folder: Path) -> list[Path]:
    """A model folder's tokenizer files."""
    return sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)})


def copy_files(files: Iterable[Path], target: Path) -> None:
    """Copy some files into a folder."""
    for path in files:
        shutil.copyfile(path, target / path.name)


def tokenizer_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's tokenizer files."""
    return files_fingerprint(tokenizer_files(folder))


def load_tokenizer(folder: Path, *, words: bool = False) -> Any:
    """The folder's tokenizer.

    Args:
        folder: The model's folder.
        words: Whether it will be given words, not texts; byte-level ones then see the space before each.

    Raises:
        InputError: The folder has none.
    """
    from transformers import AutoTokenizer

    options = {"add_prefix_space": True} if words else {}
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # a broken tokenizer.json raises whatever its parser meets
        raise fault(folder, "model", str(folder), f"has no usable tokenizer: {first_error_line(error)}") from None


def first_error_line(error: Exception) -> str:
    """The first line of an error's message, 200 characters at most; its type where there is none."""
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def files_fingerprint(files: Iterable[Path]) -> str:
    """16 hexadecimal digits of the files' names and contents."""
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + file_digest(path))
    return total.hexdigest()[:16]
