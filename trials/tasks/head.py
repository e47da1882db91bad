"""The output layers of models. Torch-free."""

from __future__ import annotations

from enum import StrEnum


class Head(StrEnum):
    """The output layer of a model; the value is Transformers' auto class for it."""

    SEQUENCE = "AutoModelForSequenceClassification"  # one output per text, from its first token
    TOKENS = "AutoModelForTokenClassification"  # one output per word, from its first token
    SPANS = "AutoModelForQuestionAnswering"  # start and end logit per token
    SEQ2SEQ = "AutoModelForSeq2SeqLM"  # the next token of a translation
