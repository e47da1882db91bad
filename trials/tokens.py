"""Tokenized data: built once per (data, tokenizer, length), memory-mapped by every trial that needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from search_spaces.configuration import digest
from trials.datasets import load_dataset_splits
from trials.encoding import Encoder
from trials.families import Head
from trials.models import load_tokenizer, tokenizer_fingerprint
from trials.spec import EVALUATION_TOKENS, DatasetSpec
from trials.tasks import task_of
from trials.workspace import Workspace

TOKENIZER = "tokenizer"  # folder
CACHE_FORMAT = 3  # raise it when the cache's files change


class InputsChanged(RuntimeError):
    """Data or a model changed under a running study: no record is made, a new launch takes what is there."""


@dataclass(frozen=True)
class TokenizedSplit:
    """One split as ragged token ids.

    Attributes:
        ids: int32 [tokens], all rows one after the other.
        type_ids: int8 [tokens], or None if the tokenizer gives none.
        offsets: int64 [rows + 1]; row r is ``ids[offsets[r]:offsets[r + 1]]``.
        labels: [rows, ...] or [positions], as the task has it.
        pad_id: The padding token.
        label_names: Labels in the order of their numbers.
        positions: Where a row has several outputs: int32 [positions], their tokens' places in their rows.
        position_offsets: int64 [rows + 1], whose they are.
        extra: Arrays that the task needs for scoring.
        texts_file: What else it needs, in JSON.
    """

    ids: np.ndarray
    type_ids: np.ndarray | None
    offsets: np.ndarray
    labels: np.ndarray
    pad_id: int
    label_names: tuple[str, ...] = ()
    positions: np.ndarray | None = None
    position_offsets: Any = None  # an array wherever `positions` is one
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    texts_file: Path | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def texts(self) -> Any:
        """What the task needs for scoring besides arrays."""
        return json.loads(self.texts_file.read_text(encoding="utf-8")) if self.texts_file else None

    @cached_property
    def tokenizer(self) -> Any:
        """Of translation: what makes texts of tokens."""
        assert self.texts_file is not None
        return load_tokenizer(self.texts_file.parent / TOKENIZER)

    def of_positions(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The part of values [positions, ...] that belongs to some rows, one row after the other."""
        if self.position_offsets is None:
            return values[rows]
        return values[ragged_index(self.position_offsets, rows)]

    @property
    def lengths(self) -> np.ndarray:
        """int64 [rows], tokens per row."""
        return np.diff(self.offsets)

    def batch(self, rows: np.ndarray, device: torch.device) -> dict[str, torch.Tensor]:
        """Model inputs of some rows, padded to their longest: int64 [rows, length] each."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        mask = np.arange(max(1, lengths.max())) < lengths[:, None]  # bool [rows, length]
        source = ragged_index(self.offsets, rows)
        inputs = {"input_ids": padded(self.ids[source], mask, self.pad_id), "attention_mask": mask.astype(np.int64)}
        if self.type_ids is not None:
            inputs["token_type_ids"] = padded(self.type_ids[source], mask, 0)
        return {name: torch.from_numpy(values).to(device) for name, values in inputs.items()}


@dataclass(frozen=True)
class TokenizedData:
    """A tokenized data set.

    Attributes:
        key: Content hash of data, tokenizer and length.
        label_names: Labels in the order of their numbers.
        splits: train, validation and test, and the transfer set.
        vocabulary: int32 [used], the token ids that occur: first those that are trained on, then others.
        num_trained: How many of them occur in train or in the transfer set.
        head: What models for it put out.
    """

    key: str
    label_names: tuple[str, ...]
    splits: dict[str, TokenizedSplit] = field(compare=False)  # the key says it all
    vocabulary: np.ndarray = field(compare=False)
    num_trained: int = field(compare=False)
    head: Head = Head.SEQUENCE


def tokenized(
    dataset: DatasetSpec, data_fingerprint: str, model: Path, max_length: int, workspace: Workspace
) -> TokenizedData:
    """The data set for a model's tokenizer, from the cache or made now.

    Raises:
        InputError: The data cannot be read.
        InputsChanged: They are not those that the study was launched with.
    """
    reading = [dataset.task, *dataset.reading]
    key = digest([CACHE_FORMAT, reading, data_fingerprint, tokenizer_fingerprint(model), max_length])[:24]
    folder = workspace.build_once(
        workspace.tokens(key), lambda target: _build(dataset, data_fingerprint, model, max_length, target)
    )
    meta = json.loads((folder / "meta.json").read_text())
    splits = {name: _load(folder, name, meta) for name in meta["arrays"]}
    vocabulary = np.load(folder / "vocabulary.npy")
    head = task_of(dataset).head
    return TokenizedData(key, tuple(meta["label_names"]), splits, vocabulary, meta["num_trained"], head)


def _build(dataset: DatasetSpec, data_fingerprint: str, model: Path, max_length: int, target: Path) -> None:
    loaded, task = load_dataset_splits(dataset), task_of(dataset)
    if loaded.fingerprint != data_fingerprint:
        raise InputsChanged(f"the data of {dataset.name} changed since the study was launched; launch it again")
    tokenizer = load_tokenizer(model, words=task.head is Head.TOKENS)
    arrays: dict[str, list[str]] = {}
    ids = {}
    for name, examples in loaded.splits.items():
        encoded = task.encode(Encoder(tokenizer, max_length), examples, dataset)
        arrays[name] = list(encoded.arrays)
        for part, values in encoded.arrays.items():
            np.save(target / f"{name}.{part}.npy", values)
        (target / f"{name}.json").write_text(json.dumps(encoded.texts), encoding="utf-8")
        ids[name] = np.unique(encoded.arrays["ids"])
    trained = np.unique(np.concatenate([ids[split] for split in ("train", "unlabeled") if split in ids]))
    others = np.setdiff1d(np.concatenate(list(ids.values())), trained)
    np.save(target / "vocabulary.npy", np.concatenate([trained, others]))
    if task.head is Head.SEQ2SEQ:
        tokenizer.save_pretrained(target / TOKENIZER)
    meta = {
        "label_names": loaded.label_names,
        "arrays": arrays,
        "pad_id": tokenizer.pad_token_id or 0,
        "num_trained": len(trained),
    }
    (target / "meta.json").write_text(json.dumps(meta))


def _load(folder: Path, name: str, meta: dict[str, Any]) -> TokenizedSplit:
    arrays = {part: np.load(folder / f"{name}.{part}.npy", mmap_mode="r") for part in meta["arrays"][name]}
    return TokenizedSplit(
        ids=arrays.pop("ids"),
        type_ids=arrays.pop("types", None),
        offsets=arrays.pop("offsets"),
        labels=arrays.pop("labels"),
        pad_id=meta["pad_id"],
        label_names=tuple(meta["label_names"]),
        positions=arrays.pop("positions", None),
        position_offsets=arrays.pop("position_offsets", None),
        extra=arrays,
        texts_file=folder / f"{name}.json",
    )


def ragged_index(offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Where the parts of some rows stand, one row after the other: int64 [parts]."""
    starts, lengths = offsets[rows], offsets[rows + 1] - offsets[rows]
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())


def padded(values: np.ndarray, mask: np.ndarray, fill: int) -> np.ndarray:
    """Values row by row into an int64 array of the mask's shape, and `fill` elsewhere."""
    whole = np.full(mask.shape, fill, dtype=np.int64)
    whole[mask] = values
    return whole


def batches_by_length(lengths: np.ndarray, tokens: int = EVALUATION_TOKENS) -> list[np.ndarray]:
    """Rows in batches of at most this many tokens, padding included, longest rows first."""
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = max(1, tokens // max(1, int(lengths[rows[start]])))
        batches.append(rows[start : start + size])
        start += size
    return batches
