"""Tokenized data: built once per data set, tokenizer and length, and memory-mapped by all trials that need it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces import digest
from trials.datasets.loading import load_dataset_splits
from trials.readers import TOKENIZER, Encoder, TokenizedSplit, load_tokenizer, tokenizer_fingerprint
from trials.specs import DatasetSpec
from trials.storage import Workspace
from trials.tasks import Head, task_of

CACHE_FORMAT = 3  # increase it when the files of the cache change


class InputsChanged(RuntimeError):
    """Data or a model changed while the study was running. There is no record; launch the study again."""


@dataclass(frozen=True)
class TokenizedData:
    """A tokenized data set.

    Attributes:
        key: Content hash of data, tokenizer and length.
        label_names: Labels in the order of their numbers.
        splits: train, validation and test, and the transfer set.
        vocabulary: int32 [used], the token ids that occur: first those of train and transfer set, then the others.
        num_trained: How many of them occur in train or in the transfer set.
        head: The output layer of models for the task.
    """

    key: str
    label_names: tuple[str, ...]
    splits: dict[str, TokenizedSplit] = field(compare=False)  # the key identifies the content
    vocabulary: np.ndarray = field(compare=False)
    num_trained: int = field(compare=False)
    head: Head = Head.SEQUENCE


def load_tokenized(
    dataset: DatasetSpec, data_fingerprint: str, model: Path, max_length: int, workspace: Workspace
) -> TokenizedData:
    """A data set for a model's tokenizer, from the cache or tokenized now.

    Raises:
        InputError: The data cannot be read.
        InputsChanged: The data changed since the study was launched.
    """
    reading = [dataset.task, *dataset.encoding_options]
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
