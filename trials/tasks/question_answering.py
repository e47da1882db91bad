"""Extractive question answering: the span of a context that answers a question.

A long context is cut into overlapping windows; each window is a row. Start and end are classified over the allowed
positions of a row: its first token, which means "no answer here", and the tokens of the context.

The predicted answer is the span with the greatest sum of start and end logit over all windows of an example, at most
`LONGEST` tokens long. If the data have questions without an answer, no answer is predicted where the first token has a
greater sum in every window; otherwise a span is always predicted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from search_spaces import Configuration, Fault, fault
from trials.readers import (
    ArrayBuilder,
    EncodedSplit,
    Encoder,
    Examples,
    Table,
    check_column,
    dataset_key,
    label_key,
    source_name,
)
from trials.specs import DatasetSpec, Split, TrainingRecipe
from trials.tasks.head import Head
from trials.tasks.metrics import answer_scores
from trials.tasks.task import Scores, Targets, Task, constant_labels_hint

if TYPE_CHECKING:
    from torch import Tensor

    from trials.readers import TokenizedSplit

MOST_STRIDE = 128  # tokens that neighbouring windows share by default, at most
SPECIAL_TOKENS = 4  # of a pair of texts, at most
LONGEST = 30  # tokens of an answer, as in SQuAD's usual evaluation
CONTEXT = 1  # a tokenizer's sequence id of the second text


class QuestionAnswering(Task):
    """Outputs are logits [positions, 2] of start and end; labels are int64 [rows, 2], indices of allowed positions."""

    head = Head.SPANS
    metrics = ("squad_f1", "exact_match")
    output_names = ("start", "end")
    same_tokens = True

    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> tuple[tuple[Any, ...], ...]:
        """The answers of each row as (text, first character); () for a question without an answer."""
        contexts = table.values(str(spec.text_pair)) if spec.text_pair in table.columns else ()
        values = table.values(spec.label)
        answers = [_answers(value, context) for value, context in zip_longest(values, contexts)]
        what = "answers are not of the form {text: [...], answer_start: [...]}"
        check_column(table, label_key(spec), spec.label, what, values, [each is not None for each in answers])
        return tuple(each for each in answers if each is not None)

    def check(self, spec: DatasetSpec, table: Table, examples: Examples) -> None:
        """Answers must be in their contexts, at the given characters."""
        contexts = examples.text_pairs or ()
        right = [
            all(context[start : start + len(text)] == text and text for text, start in answers)
            for context, answers in zip(contexts, examples.labels, strict=True)
        ]
        check_column(table, label_key(spec), spec.label, "answers are not in their context", examples.labels, right)

    def check_splits(
        self, spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
    ) -> Iterator[Fault]:
        """Some questions must have an answer."""
        for name, examples in splits.items():
            if not any(examples.labels):
                message = f"no question of the {name} split has an answer: {constant_labels_hint(name)}"
                yield Fault(source_name(spec), dataset_key(spec, "label"), None, message)

    def check_recipe(self, spec: DatasetSpec, recipe: TrainingRecipe) -> None:
        """Each window must move on by at least one token."""
        super().check_recipe(spec, recipe)
        max_length = recipe.max_length
        most = min_context_tokens(max_length) - 1
        if most < 0 or (spec.stride or 0) > most:
            message = f"windows of {max_length} tokens have no room for the context"
            if most > 0:
                message = f"windows of {max_length} tokens can share at most {most}"
            raise fault("study file", dataset_key(spec, "stride"), spec.stride, f"{message}: raise training.max_length")

    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Windows; ``spans`` int32 [positions, 2] are characters of the context, ``examples`` int32 [rows] its row."""
        parts, contexts = ArrayBuilder(), examples.text_pairs or ()
        questions = _shortened(encoder, examples.texts)
        length = encoder.max_length
        stride = min(MOST_STRIDE, length // 4, min_context_tokens(length) - 1) if spec.stride is None else spec.stride
        options: dict[str, Any] = {"truncation": "only_second", "stride": stride}
        options |= {"return_overflowing_tokens": True, "return_offsets_mapping": True}
        for start, answer in encoder.chunks(questions, contexts, **options):
            parts.add_tokens(answer)
            parts.add("examples", start + np.array(answer["overflow_to_sample_mapping"], dtype=np.int32))
            for row, example in enumerate(answer["overflow_to_sample_mapping"]):
                positions = _allowed(answer.sequence_ids(row))
                spans = np.array(answer["offset_mapping"][row], dtype=np.int32)[positions]
                parts.add("positions", positions)
                parts.add("position_offsets", np.array([len(positions)]))
                parts.add("spans", spans)
                parts.add("labels", _label(spans, examples.labels[start + example])[None])
        answers = [[text for text, _ in found] for found in examples.labels]
        return EncodedSplit(parts.arrays(), {"contexts": contexts, "answers": answers})

    def output_characters(self, examples: Examples) -> int:
        """The characters of contexts."""
        return sum(len(context) for context in examples.text_pairs or ())

    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """``labels`` int64 [rows, 2]; ``index`` int64 and ``allowed`` bool [rows, max. positions] select outputs."""
        lengths = np.diff(split.position_offsets)[rows]
        steps = np.arange(lengths.max())
        allowed = steps < lengths[:, None]
        index = np.where(allowed, (np.cumsum(lengths) - lengths)[:, None] + steps, 0)
        return {"labels": split.labels[rows], "index": index, "allowed": allowed}

    def hard_loss(self, outputs: Tensor, targets: Targets) -> Tensor:
        """Cross-entropy, averaged over start and end."""
        from trials.losses import hard_label_loss

        logits = outputs[targets["index"]].mT  # [rows, 2, positions]
        logits = logits.masked_fill(~targets["allowed"][:, None], float("-inf"))
        return hard_label_loss(logits.flatten(0, 1), targets["labels"].flatten())

    def soft_loss(self, outputs: Tensor, teacher: Tensor, targets: Targets, configuration: Configuration) -> Tensor:
        """The configuration's distance over allowed positions, averaged over start and end."""
        from trials.losses import soft_label_loss

        index = targets["index"]
        return soft_label_loss(
            outputs[index].mT,
            teacher[index].mT,
            distance=configuration.distance,
            student_temperature=configuration.student_temperature_value,
            teacher_temperature=configuration.temperature,
            class_mask=targets["allowed"][:, None],
        )

    def num_loss_terms(self, split: TokenizedSplit, rows: np.ndarray) -> int:
        """The windows, each with one start and one end."""
        return len(rows)

    def score(self, outputs: np.ndarray, split: TokenizedSplit) -> Scores:
        """SQuAD's exact match and F1."""
        contexts, answers = split.texts["contexts"], split.texts["answers"]
        always = all(answers)  # whether every question has an answer
        best: list[tuple[float, str]] = [(-np.inf, "")] * len(contexts)
        none = np.full(len(contexts), -np.inf if always else np.inf)
        for row, example in enumerate(split.extra["examples"]):
            part = slice(split.position_offsets[row], split.position_offsets[row + 1])
            logits, spans = outputs[part], split.extra["spans"][part]
            score, first, last = _best_span(logits)
            if score > best[example][0]:
                best[example] = score, contexts[example][spans[first, 0] : spans[last, 1]]
            none[example] = min(none[example], logits[0].sum())
        texts = ["" if nothing > score else text for nothing, (score, text) in zip(none, best, strict=True)]
        return answer_scores(texts, answers)

    def num_examples(self, split: TokenizedSplit) -> int:
        """Questions, not windows."""
        return len(split.texts["answers"])

    def trivial_baseline_score(
        self, metric: str, train: TokenizedSplit, test: TokenizedSplit, names: tuple[str, ...]
    ) -> float:
        """The score of predicting no answer."""
        answers = test.texts["answers"]
        return answer_scores([""] * len(answers), answers)[metric]


TASK = QuestionAnswering()


def _answers(value: Any, context: Any) -> tuple[tuple[str, int], ...] | None:
    """Texts and their first characters, from SQuAD's or MRQA's format; None for anything else.

    MRQA has the positions in ``char_spans``, the last character included; its texts may differ in case.
    """
    if not isinstance(value, dict):
        return None
    texts, starts, spans = value.get("text"), value.get("answer_start"), value.get("char_spans")
    if starts is None and isinstance(spans, list) and isinstance(context, str):
        if not all(isinstance(span, dict) and span.get("start") and span.get("end") for span in spans):
            return None
        starts = [span["start"][0] for span in spans]
        texts = [context[start : span["end"][0] + 1] for start, span in zip(starts, spans, strict=True)]
    if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
        return None
    if not all(isinstance(text, str) and isinstance(start, int) for text, start in zip(texts, starts, strict=True)):
        return None
    return tuple(zip(texts, starts, strict=True))


def min_context_tokens(max_length: int) -> int:
    """Tokens of a window that are left for the context, as questions take at most half of it."""
    return max_length - max_length // 2 - SPECIAL_TOKENS


def _shortened(encoder: Encoder, questions: tuple[str, ...]) -> list[str]:
    """Questions truncated to half a window, so that there is room for the context."""
    half, short = encoder.max_length // 2, []
    options: dict[str, Any] = {"max_length": half, "add_special_tokens": False, "return_offsets_mapping": True}
    for start, answer in encoder.chunks(questions, **options):
        for row, spans in enumerate(answer["offset_mapping"]):
            question = questions[start + row]
            short.append(question if len(spans) < half else question[: spans[-1][1]])
    return short


def _allowed(sequence_ids: list[int | None]) -> np.ndarray:
    """Positions of the first token and of the context's tokens, int32."""
    context = [place for place, part in enumerate(sequence_ids) if part == CONTEXT]
    return np.array([0, *context], dtype=np.int32)


def _label(spans: np.ndarray, answers: tuple[tuple[str, int], ...]) -> np.ndarray:
    """Start and end as indices of allowed positions, int64 [2]; (0, 0) if the first answer is not in the window."""
    if not answers or len(spans) < 2:
        return np.zeros(2, dtype=np.int64)
    text, begin = answers[0]
    end = begin + len(text)
    if spans[1, 0] > begin or spans[-1, 1] < end:
        return np.zeros(2, dtype=np.int64)
    start = np.flatnonzero(spans[1:, 0] <= begin)[-1] + 1  # the last token that begins at or before the answer's start
    stop = np.flatnonzero(spans[1:, 1] >= end)[0] + 1  # the first token that ends at or after the answer's end
    return np.array([start, max(start, stop)], dtype=np.int64)


def _best_span(logits: np.ndarray) -> tuple[float, int, int]:
    """Score, start and end of the best span, from logits [positions, 2], whose first position means no answer."""
    starts, ends = logits[1:, 0], logits[1:, 1]
    scores = starts[:, None] + ends[None, :]
    places = np.arange(len(starts))
    length = places[None, :] - places[:, None]
    scores = np.where((length >= 0) & (length < LONGEST), scores, -np.inf)
    if not scores.size:
        return -np.inf, 0, 0
    first, last = np.unravel_index(scores.argmax(), scores.shape)
    return float(scores[first, last]), int(first) + 1, int(last) + 1
