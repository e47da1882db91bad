"""Training of tokenizers by the `tokenizers` library.

Equal texts give equal tokenizers. The library alone does not guarantee this: the order of its hash maps decides the ids
of WordPiece's characters and ties between merges, and changes the last digits of Unigram's scores. Scores are therefore
rounded; only a score that lies exactly between two rounded values, one in millions, may still differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from trials.specs import FrozenSpec

DIGITS = 3  # of Unigram's scores (natural logarithms), which vary by less than 1e-10
RARE_STEP = 0.0001  # step between the scores that the library gives to characters without a trained score
FEWEST = 2  # occurrences that a piece needs


class TokenizerKind(StrEnum):
    """How a tokenizer splits words."""

    BPE = "bpe"  # merges of bytes: no unknown tokens, and every text can be restored
    UNIGRAM = "unigram"  # the most likely pieces, with marks for spaces: restores texts of known characters
    WORDPIECE = "wordpiece"  # BERT's: the longest pieces; spaces around punctuation are lost


class TokenizerSpec(FrozenSpec):
    """Specification of a tokenizer.

    Attributes:
        kind: How it splits words.
        vocabulary: Maximal number of tokens, including special tokens; a small corpus gives fewer.
        lowercase: Whether texts are lower-cased.
    """

    kind: TokenizerKind = TokenizerKind.BPE
    vocabulary: int = Field(8000, ge=10)  # room for special tokens
    lowercase: bool = False


@dataclass(frozen=True)
class SpecialTokens:
    """Special tokens in the order of their ids, from 0, and their positions in an input.

    Attributes:
        texts: Texts by role: pad, unk, and eos and bos, or cls, sep and mask.
        single, pair: Templates of the `tokenizers` library for one text and for two, with roles instead of tokens.
        types: Whether inputs have token types: 0 in the first text, 1 in the second.
    """

    texts: Mapping[str, str]
    single: str
    pair: str
    types: bool = False

    @property
    def ids(self) -> dict[str, int]:
        """Ids by role."""
        return {role: number for number, role in enumerate(self.texts)}

    def template(self) -> processors.TemplateProcessing:
        """The post-processor that adds special tokens to texts."""
        ids = self.ids
        return processors.TemplateProcessing(
            single=self._named(self.single),
            pair=self._named(self.pair),
            special_tokens=[(text, ids[role]) for role, text in self.texts.items()],
        )

    def _named(self, template: str) -> str:
        """The template with texts instead of roles, and with token types if there are any."""
        parts = (part.partition(":") for part in template.split())
        return " ".join(f"{self.texts.get(name, name)}:{number or 0 if self.types else 0}" for name, _, number in parts)


class VocabularyTooSmallError(ValueError):
    """The vocabulary is smaller than `needed`, the number of special tokens and single characters."""

    def __init__(self, needed: int):
        self.needed = needed
        super().__init__(f"special tokens and single characters alone need {needed}: raise it")


def train_tokenizer(texts: Sequence[str], spec: TokenizerSpec, special: SpecialTokens) -> Tokenizer:
    """Train a tokenizer.

    Args:
        texts: Training texts.
        spec: Its specification.
        special: Its special tokens.

    Raises:
        VocabularyTooSmallError: The vocabulary is smaller than the number of special tokens and single characters.
    """
    tokenizer = _untrained(spec)
    tokenizer.model = TRAINERS[spec.kind](texts, spec, special)
    if tokenizer.get_vocab_size() > spec.vocabulary:
        raise VocabularyTooSmallError(tokenizer.get_vocab_size())
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special.texts.values()])
    tokenizer.post_processor = special.template()
    if spec.kind is TokenizerKind.BPE:  # offsets of a word exclude the space before it
        offsets = processors.ByteLevel(trim_offsets=True)
        tokenizer.post_processor = processors.Sequence([offsets, tokenizer.post_processor])
    return tokenizer


def transformers_tokenizer(tokenizer: Tokenizer, special: SpecialTokens, max_length: int | None) -> Any:
    """The tokenizer as a Transformers tokenizer.

    Args:
        tokenizer: The tokenizer.
        special: Its special tokens.
        max_length: Longest input of its model in tokens; None without a limit.
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", *(["token_type_ids"] if special.types else []), "attention_mask"],
        clean_up_tokenization_spaces=False,
        **({} if max_length is None else {"model_max_length": max_length}),
        **{f"{role}_token": text for role, text in special.texts.items()},
    )


def _untrained(spec: TokenizerSpec) -> Tokenizer:
    """A tokenizer without a trained model: normalisation, splitting into words, and decoding."""
    tokenizer = Tokenizer(MODELS[spec.kind]())
    if spec.kind is TokenizerKind.WORDPIECE:
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=spec.lowercase, strip_accents=False)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        return tokenizer
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), *([normalizers.Lowercase()] if spec.lowercase else [])]
    )
    if spec.kind is TokenizerKind.BPE:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation("contiguous")]
        )
        tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _bpe(texts: Sequence[str], spec: TokenizerSpec, special: SpecialTokens) -> models.Model:
    trainer = trainers.BpeTrainer(
        vocab_size=spec.vocabulary,
        min_frequency=FEWEST,
        special_tokens=list(special.texts.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    trained = _trained(texts, spec, trainer)
    return models.BPE(trained["vocab"], [tuple(merge) for merge in trained["merges"]])


def _wordpiece(texts: Sequence[str], spec: TokenizerSpec, special: SpecialTokens) -> models.Model:
    """Characters inside words are given as special tokens, so that their ids do not depend on a hash map."""
    inside = {character for word in _words(texts, spec) for character in word[1:]}
    trainer = trainers.WordPieceTrainer(
        vocab_size=spec.vocabulary,
        min_frequency=FEWEST,
        special_tokens=[*special.texts.values(), *(f"##{character}" for character in sorted(inside))],
        show_progress=False,
    )
    trained = _trained(texts, spec, trainer)
    return models.WordPiece(trained["vocab"], unk_token=special.texts["unk"])


def _unigram(texts: Sequence[str], spec: TokenizerSpec, special: SpecialTokens) -> models.Model:
    """Scores without the parts that a hash map's order changes: last digits, and the order of the rarest characters."""
    pieces_wanted = spec.vocabulary - len(special.texts)
    characters = len(set("".join(_words(texts, spec))))
    if characters > pieces_wanted:  # the library's error has no numbers
        raise VocabularyTooSmallError(characters + len(special.texts))
    trainer = trainers.UnigramTrainer(vocab_size=pieces_wanted, unk_token=None, show_progress=False)
    trained = [(piece, score) for piece, score in _trained(texts, spec, trainer)["vocab"]]
    lowest = min(score for _, score in trained)
    rare = lowest + RARE_STEP * sum(len(piece) == 1 for piece, _ in trained)
    scores = {p: round(lowest if len(p) == 1 and score <= rare else score, DIGITS) for p, score in trained}
    pieces = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return models.Unigram([*((text, 0.0) for text in special.texts.values()), *pieces], special.ids["unk"])


def _trained(texts: Sequence[str], spec: TokenizerSpec, trainer: Any) -> dict[str, Any]:
    """The trained model in the library's JSON format: vocabulary and merges."""
    tokenizer = _untrained(spec)  # a new one, because training marks tokens as special in the tokenizer
    tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    return json.loads(tokenizer.to_str())["model"]


def _words(texts: Sequence[str], spec: TokenizerSpec) -> set[str]:
    """The distinct words that a tokenizer splits."""
    tokenizer = _untrained(spec)
    normalize, words = tokenizer.normalizer.normalize_str, tokenizer.pre_tokenizer.pre_tokenize_str
    return {word for text in texts for word, _ in words(normalize(text))}


MODELS = {
    TokenizerKind.BPE: models.BPE,
    TokenizerKind.UNIGRAM: models.Unigram,
    TokenizerKind.WORDPIECE: models.WordPiece,
}
TRAINERS = {TokenizerKind.BPE: _bpe, TokenizerKind.UNIGRAM: _unigram, TokenizerKind.WORDPIECE: _wordpiece}
