"""Token classification (named entities): a tag for each word of a sentence.

The first token of a word carries its tag, in training, distillation and evaluation; its other tokens have no output.
Words without a token, or beyond the longest input, count as predicted O.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from search_spaces import Fault, fault, nearest
from trials.readers import (
    ArrayBuilder,
    EncodedSplit,
    Encoder,
    Examples,
    Table,
    check_column,
    dataset_key,
    find_label_names,
    label_key,
    label_numbers,
    source_name,
)
from trials.specs import DatasetSpec, Split
from trials.tasks.head import Head
from trials.tasks.metrics import span_scores
from trials.tasks.task import Scores, Task, constant_labels_hint

if TYPE_CHECKING:
    from trials.readers import TokenizedSplit

OUTSIDE = "O"


class TokenClassification(Task):
    """Outputs are logits [words, tags] for words that have a token; labels are int64 [words].

    Losses are those of classification, averaged over the words of a batch.
    """

    head = Head.TOKENS
    metrics = ("span_f1", "span_precision", "span_recall", "tag_accuracy")
    same_tokens = True

    def label_names(self, spec: DatasetSpec, tables: Mapping[Split, Table]) -> tuple[str, ...]:
        """The names in the study file, else those in the train split's metadata, else its distinct tags (IOB2)."""
        train = tables.get("train")
        if train is None or spec.label not in train.columns:
            return spec.labels or ()
        rows = [tags for tags in train.values(spec.label) if isinstance(tags, list)]
        names = find_label_names(spec, tables, list(chain.from_iterable(rows)))
        strange = [name for name in names if name != OUTSIDE and name[:2] not in ("B-", "I-")]
        if strange or (names and OUTSIDE not in names):
            message = f"tags must be {OUTSIDE}, B-type and I-type (IOB2), not {', '.join(strange[:3]) or list(names)}"
            raise fault(train.where, label_key(spec), None, message)
        return names

    def texts(self, spec: DatasetSpec, table: Table) -> tuple[tuple[str, ...], ...]:
        """Words."""
        values = table.values(spec.text)
        right = [
            isinstance(row, list) and len(row) > 0 and all(isinstance(word, str) for word in row) for row in values
        ]
        check_column(table, dataset_key(spec, "text"), spec.text, "rows are not lists of words", values, right)
        return tuple(tuple(row) for row in values)

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
        """The tag numbers of each row."""
        values, numbers = table.values(spec.label), label_numbers(spec, table, names)
        right = [isinstance(row, list) for row in values]
        check_column(table, label_key(spec), spec.label, "rows are not lists of tags", values, right)
        unknown = {tag: row for row, tags in enumerate(values) for tag in set(tags) if tag not in numbers}
        if unknown:
            tag, row = next(iter(unknown.items()))
            raise fault(table.where, label_key(spec), tag, f"unknown tag in row {row}; {nearest(str(tag), names)}")
        return tuple(tuple(numbers[tag] for tag in tags) for tags in values)

    def check(self, spec: DatasetSpec, table: Table, examples: Examples) -> None:
        """Each word must have a tag."""
        pairs = [(len(words), len(tags)) for words, tags in zip(examples.texts, examples.labels, strict=True)]
        shown = [f"{words} words, {tags} tags" for words, tags in pairs]
        what = "rows have different numbers of words and tags"
        check_column(table, label_key(spec), spec.label, what, shown, [words == tags for words, tags in pairs])

    def check_splits(
        self, spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
    ) -> Iterator[Fault]:
        """Training needs at least two tags, and other splits need entities."""
        for name, examples in splits.items():
            tags = {tag for row in examples.labels for tag in row}
            only = names[tags.pop()] if len(tags) == 1 else None
            if only is not None and (name == "train" or only == OUTSIDE):
                message = f"all words of the {name} split have the same tag: {constant_labels_hint(name)}"
                yield Fault(source_name(spec), dataset_key(spec, "label"), only, message)

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Sentences as words; ``words`` int32 [positions] maps positions to words, ``tags`` has those of all words."""
        parts = ArrayBuilder()
        for start, answer in encoder.chunks(examples.texts, is_split_into_words=True):
            parts.add_tokens(answer)
            for row in range(len(answer["input_ids"])):
                positions, words = _first_tokens(answer.word_ids(row))
                tags = np.array(examples.labels[start + row], dtype=np.int64)
                parts.add("positions", positions)
                parts.add("words", words)
                parts.add("position_offsets", np.array([len(words)]))
                parts.add("labels", tags[words])
                parts.add("tags", tags)
                parts.add("tag_offsets", np.array([len(tags)]))
        return EncodedSplit(parts.arrays())

    def characters(self, examples: Examples) -> list[int]:
        """Characters of the words of each row, with spaces between them."""
        return [sum(len(word) + 1 for word in words) for words in examples.texts]

    def output_characters(self, examples: Examples) -> int:
        """All characters, because a word is about one token."""
        return sum(self.characters(examples))

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` int64 [words]."""
        return {"labels": split.position_values(split.labels, rows)}

    def score(self, outputs: np.ndarray, split: TokenizedSplit) -> Scores:
        """Scores of entities, by seqeval, and of single tags."""
        extra = split.extra
        starts = np.repeat(extra["tag_offsets"][:-1], np.diff(split.position_offsets))
        predicted = np.full(len(extra["tags"]), split.label_names.index(OUTSIDE))
        predicted[starts + extra["words"]] = outputs.argmax(axis=1)
        return span_scores(predicted, np.asarray(extra["tags"]), extra["tag_offsets"], split.label_names)

    def trivial_baseline_score(
        self, metric: str, train: TokenizedSplit, test: TokenizedSplit, names: tuple[str, ...]
    ) -> float:
        """The score of predicting no entity."""
        outputs = np.zeros((int(test.position_offsets[-1]), len(names)), dtype=np.float32)
        outputs[:, names.index(OUTSIDE)] = 1
        return self.score(outputs, test)[metric]


TASK = TokenClassification()


def _first_tokens(word_ids: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Position of each word's first token in its row, and the word's number; both int32 [words with a token]."""
    words = np.array([-1 if word is None else word for word in word_ids], dtype=np.int32)
    first = (words >= 0) & (np.concatenate([[-1], words[:-1]]) != words)
    positions = np.flatnonzero(first).astype(np.int32)
    return positions, words[positions]
