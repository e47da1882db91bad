"""Pretrained models: find, fingerprint and load their folders. Safetensors only; no remote code."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from search_spaces import fault
from trials.readers import TOKENIZER_FILES, files_fingerprint, first_error_line, tokenizer_files, verify_packaged_model
from trials.tasks import Head

WEIGHTS = "*.safetensors"
INDEX = "*.safetensors.index.json"  # for weights in several files


@lru_cache
def model_folder(reference: str, revision: str | None = None) -> Path:
    """The local folder of a model: a folder, ``package:...``, or a hub name (downloaded or from the cache).

    Raises:
        InputError: There is no such model, or it has no safetensors weights.
    """
    if reference.startswith("package:"):
        folder = verify_packaged_model(reference)
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


def model_fingerprint(folder: Path) -> str:
    """16 hexadecimal digits: hash of a model folder's configuration, tokenizer and weights."""
    return files_fingerprint(model_files(folder))


def models_fingerprint(folders: Iterable[Path]) -> str:
    """The fingerprints of several folders, as one text."""
    return "+".join(model_fingerprint(folder) for folder in folders)


def load_model(folder: Path, head: Head, **options: Any) -> Any:
    """The Transformers model in a folder, in float32.

    Args:
        folder: Its folder.
        head: Its output layer.
        options: Further options of ``from_pretrained``; some of them change the returned value.
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
    except Exception as error:  # the hub's client raises many kinds of errors
        message = f"is not a local folder, and downloading it from the hub failed: {first_error_line(error)}"
        raise fault("models", "model", reference, message) from None
