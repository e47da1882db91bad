"""Pretrained models as local folders: found, fingerprinted, loaded. Safetensors only; no remote code."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces.faults import fault
from trials.embedded import file_digest, verify_embedded_model
from trials.families import Head

WEIGHTS = "*.safetensors"
INDEX = "*.safetensors.index.json"  # of weights in several files
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


@lru_cache
def model_folder(reference: str, revision: str | None = None) -> Path:
    """The local folder of a model: a folder, ``package:...``, or a hub name (downloaded or from the hub's cache).

    Raises:
        InputError: There is no such model, or it has no safetensors weights.
    """
    if reference.startswith("package:"):
        folder = verify_embedded_model(reference)
    elif Path(reference).is_dir():
        folder = Path(reference)
    else:
        folder = _from_hub(reference, revision)
    if not (folder / "config.json").is_file():
        raise fault(folder, "model", reference, "has no config.json")
    if not any(folder.glob(WEIGHTS)):
        raise fault(folder, "model", reference, "has no .safetensors weights (pickled weights are not loaded)")
    return folder


def model_files(folder: Path) -> list[Path]:
    """A model folder's configuration, weights and tokenizer."""
    return sorted({*tokenizer_files(folder), *folder.glob("config.json"), *folder.glob(WEIGHTS), *folder.glob(INDEX)})


def tokenizer_files(folder: Path) -> list[Path]:
    """A model folder's tokenizer files."""
    return sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)})


def copy_files(files: Iterable[Path], target: Path) -> None:
    """Copy some files into a folder."""
    for path in files:
        shutil.copyfile(path, target / path.name)


def model_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's configuration, tokenizer and weights."""
    return _fingerprint(model_files(folder))


def models_fingerprint(folders: Iterable[Path]) -> str:
    """The fingerprints of several folders, as one text."""
    return "+".join(model_fingerprint(folder) for folder in folders)


def tokenizer_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's tokenizer files."""
    return _fingerprint(tokenizer_files(folder))


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
        raise fault(folder, "model", str(folder), f"has no usable tokenizer: {_first_line(error)}") from None


def load_model(folder: Path, head: Head, **options: Any) -> Any:
    """The Transformers model in a folder, in float32.

    Args:
        folder: Its folder.
        head: What stands on its encoder.
        options: Further ones of ``from_pretrained``, which may ask it for more than the model.
    """
    import torch
    import transformers

    settings = {"local_files_only": True, "trust_remote_code": False, "use_safetensors": True}
    return getattr(transformers, head).from_pretrained(folder, dtype=torch.float32, **settings, **options)


def _from_hub(reference: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["config.json", WEIGHTS, INDEX, *TOKENIZER_FILES]
    try:
        return Path(snapshot_download(reference, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises a dozen kinds, all meaning: not to be had
        message = f"is no local folder, and the hub did not give it: {_first_line(error)}"
        raise fault("models", "model", reference, message) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__


def _fingerprint(files: Iterable[Path]) -> str:
    """16 hexadecimal digits of the files' names and contents."""
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + file_digest(path))
    return total.hexdigest()[:16]
