"""What stands on an encoder: the output layers that tasks ask models for. Torch-free."""

from __future__ import annotations

from enum import StrEnum


class Head(StrEnum):
    """What stands on an encoder: the name of Transformers' automatic class for it."""

    SEQUENCE = "AutoModelForSequenceClassification"  # one output a text, from its first token
    TOKENS = "AutoModelForTokenClassification"  # one a word, from its first token
    SPANS = "AutoModelForQuestionAnswering"  # start and end of a span, one a token
    SEQ2SEQ = "AutoModelForSeq2SeqLM"  # the next token of a translation
