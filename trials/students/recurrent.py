"""Recurrent students (D, section 3.1): configuration, tokenizer and initial weights."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from trials.datasets import InputsChanged, load_dataset_splits
from trials.models import recurrent_config
from trials.networks import network_class
from trials.readers import WordVectors, copy_files, load_tokenizer, load_word_vectors, tokenizer_files
from trials.specs import DatasetSpec, StudentSpec
from trials.tasks import Head

UNKNOWN = 0.1  # words without a vector are uniform in (-UNKNOWN, UNKNOWN) (D, section 6)
PIECE_MARKS = ("##", "Ġ", "▁")  # inside a word (BERT), or at its start (byte-level BPE, SentencePiece)
SPECIAL = ("[PAD]", "[UNK]")


def build_recurrent(
    student: StudentSpec, source: Path, label_names: tuple[str, ...], seed: int, head: Head, target: Path
) -> None:
    """Write an untrained student: config.json, model.safetensors and the tokenizer.

    Args:
        student: The student.
        source: Folder of the tokenizer.
        label_names: Labels in the order of the outputs.
        seed: Seed of the weights.
        head: The output layer: one output per text, or one per word.
        target: The folder.

    Raises:
        InputError: Its word vectors cannot be read.
    """
    tokens = load_tokenizer(source).get_vocab()
    vectors = None if student.embeddings is None else load_word_vectors(student.embeddings)
    size = None if vectors is None else int(vectors.values.shape[1])
    config = recurrent_config(student, vocabulary=max(tokens.values()) + 1, embedding_size=size)
    config["head"] = str(head)
    config |= {"id2label": dict(enumerate(label_names)), "label2id": {name: i for i, name in enumerate(label_names)}}
    torch.manual_seed(seed)
    network = network_class(student.architecture)(config)
    with torch.no_grad():
        network.embedding.weight.uniform_(-UNKNOWN, UNKNOWN)
        if vectors is not None:
            rows, values = _known(tokens, vectors)
            network.embedding.weight[rows] = torch.from_numpy(values)
    save_file(network.state_dict(), target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    copy_files(tokenizer_files(source), target)


def _known(tokens: Mapping[str, int], vectors: WordVectors) -> tuple[list[int], np.ndarray]:
    """Ids of the tokens that have a vector, and the vectors [known, size]; pieces inside words have none."""
    found = {row: vectors.of(_word(token)) for token, row in tokens.items() if not token.startswith("##")}
    known = {row: vector for row, vector in found.items() if vector is not None}
    values = np.stack(list(known.values())) if known else np.zeros((0, vectors.values.shape[1]))
    return list(known), values.astype(np.float32)


def _word(token: str) -> str:
    """The text of a token, without the mark of a word's start."""
    return next((token.removeprefix(mark) for mark in PIECE_MARKS if token.startswith(mark)), token) or token


def write_word_tokenizer(dataset: DatasetSpec, data_fingerprint: str, target: Path) -> None:
    """Write a tokenizer of lower-cased words between white space (D, section 6), from train and transfer set.

    Raises:
        InputError: The data cannot be read.
        InputsChanged: The data changed since the study was launched.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    loaded = load_dataset_splits(dataset)
    if loaded.fingerprint != data_fingerprint:
        raise InputsChanged(f"the data of {dataset.name} changed since the study was launched; launch it again")
    splits = [loaded.splits[split] for split in ("train", "unlabeled") if split in loaded.splits]
    texts = [texts for split in splits for texts in (split.texts, split.text_pairs or ())]
    words = [*SPECIAL, *_by_frequency(texts)]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=SPECIAL[0], unk_token=SPECIAL[1])
    fast.save_pretrained(target)


def _by_frequency(texts: Sequence[Sequence[str]]) -> list[str]:
    """Lower-cased words by descending frequency, then alphabetically."""
    counts = Counter(word for column in texts for text in column for word in text.lower().split())
    for special in SPECIAL:
        counts.pop(special.lower(), None)
    return sorted(counts, key=lambda word: (-counts[word], word))
