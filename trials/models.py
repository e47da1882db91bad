"""Pretrained models as local folders: found, fingerprinted, loaded. Safetensors only; no remote code."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces.faults import fault
from trials.embedded import verify_embedded_model

WEIGHTS = "*.safetensors"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.*",
    "merges.txt",
    "*.model",
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


@lru_cache
def model_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's configuration, tokenizer and weights."""
    found = {path for pattern in ("config.json", WEIGHTS, *TOKENIZER_FILES) for path in folder.glob(pattern)}
    total = hashlib.sha256()
    for path in sorted(found):
        total.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:16]


@lru_cache
def tokenizer_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's tokenizer files."""
    total = hashlib.sha256()
    for path in sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)}):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer.

    Raises:
        InputError: The folder has none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise fault(folder, "model", str(folder), f"has no usable tokenizer: {_first_line(error)}") from None


def _from_hub(reference: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    patterns = ["config.json", WEIGHTS, "*.safetensors.index.json", *TOKENIZER_FILES]
    try:
        return Path(snapshot_download(reference, revision=revision, allow_patterns=patterns))
    except Exception as error:  # the hub's client raises a dozen kinds, all meaning: not to be had
        message = f"is no local folder, and the hub did not give it: {_first_line(error)}"
        raise fault("models", "model", reference, message) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
