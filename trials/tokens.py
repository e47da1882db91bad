"""Tokenized data: built once per (data, tokenizer, length), memory-mapped by every trial that needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from search_spaces.configuration import digest
from trials.datasets import Examples, load_dataset_splits
from trials.models import load_tokenizer, tokenizer_fingerprint
from trials.spec import DatasetSpec
from trials.workspace import Workspace, build_once

CACHE_FORMAT = 2  # raise it when the cache's files change
ROWS_AT_A_TIME = 4096


class InputsChanged(RuntimeError):
    """Data or a model changed under a running study: no record is made, a new launch takes what is there."""


@dataclass(frozen=True)
class TokenizedSplit:
    """One split as ragged token ids.

    Attributes:
        ids: int32 [tokens], all rows one after the other.
        type_ids: int8 [tokens], or None if the tokenizer gives none.
        offsets: int64 [rows + 1]; row r is ``ids[offsets[r]:offsets[r + 1]]``.
        labels: int64 [rows].
        pad_id: The padding token.
    """

    ids: np.ndarray
    type_ids: np.ndarray | None
    offsets: np.ndarray
    labels: np.ndarray
    pad_id: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """int64 [rows], tokens per row."""
        return np.diff(self.offsets)

    def batch(self, rows: np.ndarray, device: torch.device) -> dict[str, torch.Tensor]:
        """Model inputs of some rows, padded to their longest: int64 [rows, length] each."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        mask = np.arange(lengths.max()) < lengths[:, None]  # bool [rows, length]
        source = np.concatenate([np.arange(self.offsets[row], self.offsets[row + 1]) for row in rows])
        inputs = {"input_ids": _ragged(self.ids[source], mask, self.pad_id), "attention_mask": mask.astype(np.int64)}
        if self.type_ids is not None:
            inputs["token_type_ids"] = _ragged(self.type_ids[source], mask, 0)
        return {name: torch.from_numpy(values).to(device) for name, values in inputs.items()}


@dataclass(frozen=True)
class TokenizedData:
    """A tokenized data set.

    Attributes:
        key: Content hash of data, tokenizer and length.
        label_names: Labels in the order of their numbers.
        splits: train, validation and test.
        vocabulary: int32 [used], the token ids that occur: first those of the training split, then those of others.
        num_trained: How many of them occur in the training split.
    """

    key: str
    label_names: tuple[str, ...]
    splits: dict[str, TokenizedSplit] = field(compare=False)  # the key says it all
    vocabulary: np.ndarray = field(compare=False)
    num_trained: int = field(compare=False)


def tokenized(
    dataset: DatasetSpec, data_fingerprint: str, model: Path, max_length: int, workspace: Workspace
) -> TokenizedData:
    """The data set for a model's tokenizer, from the cache or made now.

    Raises:
        InputError: The data cannot be read.
        InputsChanged: They are not those that the study was launched with.
    """
    key = digest([CACHE_FORMAT, data_fingerprint, tokenizer_fingerprint(model), max_length])[:24]
    folder = build_once(
        workspace.tokens(key), lambda target: _build(dataset, data_fingerprint, model, max_length, target)
    )
    meta = json.loads((folder / "meta.json").read_text())
    splits = {name: _load(folder, name, meta) for name in meta["splits"]}
    vocabulary = np.load(folder / "vocabulary.npy")
    return TokenizedData(key, tuple(meta["label_names"]), splits, vocabulary, meta["num_trained"])


def _build(dataset: DatasetSpec, data_fingerprint: str, model: Path, max_length: int, target: Path) -> None:
    loaded = load_dataset_splits(dataset)
    if loaded.fingerprint != data_fingerprint:
        raise InputsChanged(f"the data of {dataset.name} changed since the study was launched; launch it again")
    tokenizer = load_tokenizer(model)
    types, ids = False, {}
    for name, examples in loaded.splits.items():
        encoded = _encode(tokenizer, examples, max_length)
        np.save(target / f"{name}.offsets.npy", np.cumsum([0, *encoded["lengths"]], dtype=np.int64))
        np.save(target / f"{name}.ids.npy", encoded["input_ids"])
        np.save(target / f"{name}.labels.npy", examples.labels)
        types = "token_type_ids" in encoded
        if types:
            np.save(target / f"{name}.types.npy", encoded["token_type_ids"])
        ids[name] = np.unique(encoded["input_ids"])
    others = np.setdiff1d(np.concatenate(list(ids.values())), ids["train"])
    np.save(target / "vocabulary.npy", np.concatenate([ids["train"], others]))
    meta = {
        "label_names": loaded.label_names,
        "splits": list(loaded.splits),
        "pad_id": tokenizer.pad_token_id or 0,
        "types": types,
        "num_trained": len(ids["train"]),
    }
    (target / "meta.json").write_text(json.dumps(meta))


def _encode(tokenizer: Any, examples: Examples, max_length: int) -> dict[str, np.ndarray]:
    """Lengths [rows], input_ids int32 and (where the tokenizer gives them) token_type_ids int8 [tokens] each.

    A few thousand rows at a time: the tokenizer's own lists take ten times the memory.
    """
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(examples), ROWS_AT_A_TIME):
        chunk = slice(start, start + ROWS_AT_A_TIME)
        pairs = None if examples.text_pairs is None else list(examples.text_pairs[chunk])
        encoded = tokenizer(list(examples.texts[chunk]), pairs, truncation=True, max_length=max_length)
        parts.setdefault("lengths", []).append(np.array([len(ids) for ids in encoded["input_ids"]]))
        for name, dtype in (("input_ids", np.int32), ("token_type_ids", np.int8)):
            if name in encoded:
                parts.setdefault(name, []).append(np.fromiter(chain.from_iterable(encoded[name]), dtype))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _load(folder: Path, name: str, meta: dict) -> TokenizedSplit:
    def array(part: str) -> np.ndarray:
        return np.load(folder / f"{name}.{part}.npy", mmap_mode="r")

    types = array("types") if meta["types"] else None
    return TokenizedSplit(array("ids"), types, array("offsets"), array("labels"), meta["pad_id"])


def _ragged(values: np.ndarray, mask: np.ndarray, fill: int) -> np.ndarray:
    """Values row by row into a padded int64 array of the mask's shape."""
    padded = np.full(mask.shape, fill, dtype=np.int64)
    padded[mask] = values
    return padded
