"""Translation by encoder-decoders.

Training and distillation use teacher forcing: one softmax over the vocabulary per target token, averaged over the
tokens of a batch. Validation and test scores use beam search; the validation loss uses teacher forcing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from search_spaces import Configuration, Distance, fault, nearest
from trials.readers import (
    ArrayBuilder,
    EncodedSplit,
    Encoder,
    Examples,
    Table,
    check_column,
    dataset_key,
    label_key,
    text_column,
)
from trials.specs import DatasetSpec
from trials.tasks.head import Head
from trials.tasks.metrics import translation_scores
from trials.tasks.task import Scores, Targets, Task

if TYPE_CHECKING:
    from torch import Tensor

    from trials.losses import TopK
    from trials.readers import TokenizedSplit


class Translation(Task):
    """Outputs are logits [tokens, vocabulary] of target tokens, the end token included; labels are int64 [tokens]."""

    head = Head.SEQ2SEQ
    metrics = ("bleu", "chrf")
    output_names = ("next token",)
    same_tokens = True

    def texts(self, spec: DatasetSpec, table: Table) -> tuple[str, ...]:
        """Sources."""
        return _side(spec, table, spec.text, 0, dataset_key(spec, "text"))

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
        """Targets."""
        return _side(spec, table, spec.label, 1, label_key(spec))

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Sources and targets, both truncated at the encoder's length."""
        tokenizer, start = encoder.tokenizer, None
        if spec.languages and hasattr(tokenizer, "src_lang"):  # mBART and similar models mark languages by codes
            special = tokenizer.all_special_tokens
            tokenizer.src_lang, tokenizer.tgt_lang = (language_code(special, each) for each in spec.languages)
            start = tokenizer.convert_tokens_to_ids(tokenizer.tgt_lang)
        sources = [f"{spec.source_prefix or ''}{text}" for text in examples.texts]
        texts = {"references": examples.labels, "start": start, "max_length": encoder.max_length}
        return EncodedSplit({**encoder.arrays(sources), **encoded_targets(encoder, examples.labels)}, texts)

    def output_characters(self, examples: Examples) -> int:
        """The characters of targets."""
        return sum(len(text) for text in examples.labels)

    def output_bytes(self, labels: int, hidden_size: int, top_k: int | None = None) -> int:
        """The decoder's last hidden state in float16; or, for each of the likeliest tokens, its id and a float16."""
        return 2 * hidden_size if top_k is None else 6 * top_k

    def soft_loss(
        self, outputs: Tensor, teacher: Tensor | TopK, targets: Targets, configuration: Configuration
    ) -> Tensor:
        """As for other tasks; only over the teacher's likeliest tokens if only these are cached."""
        if not isinstance(teacher, tuple):
            return super().soft_loss(outputs, teacher, targets, configuration)
        assert configuration.distance is Distance.CE and configuration.temperature == 1  # noqa: PT018 - a launch checks it
        from trials.losses import top_k_loss

        return top_k_loss(outputs, teacher)

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` int64 [tokens]."""
        return {"labels": split.position_values(split.labels, rows)}

    def score(self, outputs: Any, split: TokenizedSplit) -> Scores:
        """Scores of translations, one text per row."""
        return translation_scores(outputs, split.texts["references"])


TASK = Translation()


def encoded_targets(encoder: Encoder, texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Targets as ``labels`` int64 [tokens], ``positions`` and ``position_offsets``."""
    parts = ArrayBuilder()
    for _, answer in encoder.chunks(texts, targets=True):
        lengths = [len(ids) for ids in answer["input_ids"]]
        parts.add("labels", np.fromiter(chain.from_iterable(answer["input_ids"]), np.int64))
        parts.add("position_offsets", np.array(lengths))
        parts.add("positions", np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]))
    return parts.arrays()


def _side(spec: DatasetSpec, table: Table, column: str, side: int, key: str) -> tuple[str, ...]:
    """The texts of one side: a column of strings, or one language of a column that holds several."""
    if languages := table.fields(column):
        if spec.languages is None:
            message = f"is required: give source and target, out of {', '.join(languages)}"
            raise fault(table.where, dataset_key(spec, "languages"), None, message)
        language = spec.languages[side]
        if language not in languages:
            raise fault(table.where, dataset_key(spec, "languages"), language, nearest(language, languages))
        table, key = Table(table.where, {column: table.values(column, language)}), f"{key}.{language}"
    texts = text_column(table, column, key)
    check_column(table, key, column, "texts are empty", texts, [bool(text.strip()) for text in texts])
    return texts


def language_code(tokens: Sequence[str], language: str) -> str | None:
    """The special token of a language, such as ``de_DE`` for ``de``; None if there is not exactly one."""
    codes = [token for token in tokens if token == language or token.startswith(f"{language}_")]
    return codes[0] if len(codes) == 1 else None
