"""Models from scratch: random weights, and a tokenizer trained on a data set's training texts.

They are written as Transformers folders, and serve as teachers where no pretrained model is available.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassFieldValidationError
from pydantic import Field
from torch import nn
from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)

from search_spaces import Fault, fault, nearest
from trials.datasets import load_dataset_splits
from trials.models.tokenizer_training import (
    SpecialTokens,
    TokenizerKind,
    TokenizerSpec,
    VocabularyTooSmallError,
    train_tokenizer,
    transformers_tokenizer,
)
from trials.specs import DatasetSpec, FrozenSpec, TaskName
from trials.tasks import Head

ARCHITECTURES = {*MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, *MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES}
START_BY_LAST_TOKEN = ("mbart", "plbart")  # decoder inputs start with the last token of the target
ROLES = {  # roles of the special tokens of a configuration
    "pad_token_id": ("pad",),
    "unk_token_id": ("unk",),
    "bos_token_id": ("bos", "cls"),
    "eos_token_id": ("eos", "sep"),
    "cls_token_id": ("cls",),
    "sep_token_id": ("sep",),
    "mask_token_id": ("mask",),
}
FORCED = ("forced_bos_token_id", "forced_eos_token_id")
OF_THE_TOKENIZER = {"vocab_size", "decoder_vocab_size", "decoder_start_token_id", *ROLES, *FORCED}


class ModelSpec(FrozenSpec):
    """Specification of a model from scratch.

    Attributes:
        architecture: Model type of Transformers, such as ``marian`` or ``bert``.
        config: Keys of its configuration; the others have Transformers' defaults.
        tokenizer: Its tokenizer.
        data: The data set whose training texts the tokenizer is trained on; for translation, both sides.
        seed: Seed of its weights.
    """

    architecture: str
    config: dict[str, Any] = Field(default_factory=dict)
    tokenizer: TokenizerSpec = TokenizerSpec()
    data: DatasetSpec
    seed: int = 13


@dataclass(frozen=True)
class CreatedModel:
    """A model that was written.

    Attributes:
        architecture: Its model type.
        parameters: Number of parameters.
        vocabulary: Number of tokens, including special tokens.
    """

    architecture: str
    parameters: int
    vocabulary: int


def make_model(spec: ModelSpec, texts: list[str], folder: Path, where: object) -> CreatedModel:
    """Train the tokenizer, initialise the weights, and write both.

    Args:
        spec: The specification; `architecture_faults` must have found no fault.
        texts: Training texts of the tokenizer.
        folder: An empty folder.
        where: The specification's file, for messages.

    Raises:
        InputError: The vocabulary is smaller than the number of characters in the texts.
    """
    special = special_tokens(spec)
    try:
        tokenizer = train_tokenizer(texts, spec.tokenizer, special)
    except VocabularyTooSmallError as error:
        raise fault(where, "tokenizer.vocabulary", spec.tokenizer.vocabulary, str(error)) from None
    vocabulary = tokenizer.get_vocab_size()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model = _model(_config(spec, special, vocabulary))
    model.save_pretrained(folder)
    transformers_tokenizer(tokenizer, special, _window(model)).save_pretrained(folder)
    return CreatedModel(spec.architecture, model.num_parameters(), vocabulary)


def training_texts(spec: DatasetSpec) -> list[str]:
    """All texts of a data set's training split.

    Raises:
        InputError: The data set has faults; all are reported.
    """
    train = load_dataset_splits(spec).splits["train"]
    texts = [text if isinstance(text, str) else " ".join(text) for text in train.texts]
    if spec.task is TaskName.TRANSLATION:
        return [*(f"{spec.source_prefix or ''}{text}" for text in texts), *train.labels]
    return [*texts, *(train.text_pairs or ())]


# Special tokens. Small ids of the architecture are kept, because some architectures rely on them.


def special_tokens(spec: ModelSpec) -> SpecialTokens:
    """The special tokens of a model, and their positions in its inputs."""
    default = CONFIG_MAPPING[spec.architecture]()
    if default.is_encoder_decoder:
        texts = {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
        texts |= {"bos": "<s>"} if _start(default) == "bos" else {}
        return SpecialTokens(_ordered(texts, default), "$A eos", "$A eos $B eos")
    texts = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    types = spec.config.get("type_vocab_size", getattr(default, "type_vocab_size", 0)) or 0
    return SpecialTokens(_ordered(texts, default), "cls $A sep", "cls $A sep $B:1 sep:1", types=types > 1)


def _ordered(texts: Mapping[str, str], default: PreTrainedConfig) -> dict[str, str]:
    """Roles in the order of their ids: the architecture's ids where possible, else the next free ones."""
    places: dict[int, str] = {}
    for key, roles in ROLES.items():
        role = next((role for role in roles if role in texts), None)
        place = getattr(default, key, None)
        if role not in (None, *places.values()) and isinstance(place, int) and 0 <= place < len(texts):
            places.setdefault(place, str(role))
    others = iter([role for role in texts if role not in places.values()])
    order = [places[place] if place in places else next(others) for place in range(len(texts))]
    return {role: texts[role] for role in order}


def _start(default: PreTrainedConfig) -> str:
    """Role of the decoder's start token."""
    start = getattr(default, "decoder_start_token_id", None)
    for role in ("pad", "eos", "bos"):
        if start is not None and start == getattr(default, f"{role}_token_id", None):
            return role
    return "eos" if default.model_type in START_BY_LAST_TOKEN else "pad"


# Configuration and model


def architecture_faults(spec: ModelSpec, where: object) -> list[Fault]:
    """Faults of architecture, configuration and tokenizer kind, found without allocating the weights."""
    if spec.architecture not in ARCHITECTURES:
        message = f"no such model type; {nearest(spec.architecture, ARCHITECTURES)}"
        return [Fault(str(where), "architecture", spec.architecture, message)]
    faults = list(_key_faults(spec, where))
    if CONFIG_MAPPING[spec.architecture].is_encoder_decoder and spec.tokenizer.kind is TokenizerKind.WORDPIECE:
        message = "does not restore spaces in decoded text: use bpe or unigram for an encoder-decoder"
        faults.append(Fault(str(where), "tokenizer.kind", spec.tokenizer.kind.value, message))
    return faults or list(_model_faults(spec, where))


def _key_faults(spec: ModelSpec, where: object) -> Iterator[Fault]:
    """Faults of keys: unknown, determined by the tokenizer, or with a value of the wrong type."""
    kind = CONFIG_MAPPING[spec.architecture]
    general = {field.name for field in fields(PreTrainedConfig)}
    known = ({field.name for field in fields(kind)} | set(kind.attribute_map)) - general - OF_THE_TOKENIZER
    for key, value in spec.config.items():
        if key in OF_THE_TOKENIZER:
            yield Fault(str(where), f"config.{key}", value, "follows from the tokenizer: leave it out")
        elif key not in known:
            yield Fault(str(where), f"config.{key}", value, f"unknown key; {nearest(key, known)}")
        elif message := _type_fault(kind, key, value):
            yield Fault(str(where), f"config.{key}", value, message)


def _type_fault(kind: type[PreTrainedConfig], key: str, value: Any) -> str | None:
    """The fault in the type of a configuration's value; None if there is none."""
    try:
        kind(**{key: value})
    except StrictDataclassFieldValidationError as error:
        return _one_line(error.__cause__ or error)
    except Exception:  # values that depend on others: the whole configuration is checked later
        return None
    return None


def _model_faults(spec: ModelSpec, where: object) -> Iterator[Fault]:
    """Faults that appear when the model is built."""
    try:
        with torch.device("meta"):
            model = _model(_config(spec, special_tokens(spec), spec.tokenizer.vocabulary))
        embeddings = model.get_input_embeddings()
    except Exception as error:  # architectures raise any kind of error for a bad configuration
        yield Fault(
            str(where), "config", spec.config, f"cannot build a {spec.architecture} model from it: {_one_line(error)}"
        )
        return
    reason = None
    if getattr(embeddings, "num_embeddings", None) != spec.tokenizer.vocabulary:
        reason = "it has other inputs than texts, or more than one vocabulary"
    elif model.config.is_encoder_decoder and not hasattr(model, "prepare_decoder_input_ids_from_labels"):
        reason = "Transformers does not define its decoder inputs for training"
    if reason:
        yield Fault(str(where), "architecture", spec.architecture, f"is not supported: {reason}")


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: {text}"


def _config(spec: ModelSpec, special: SpecialTokens, vocabulary: int) -> PreTrainedConfig:
    """The configuration, with the keys that the tokenizer determines."""
    kind = CONFIG_MAPPING[spec.architecture]
    default, ids = kind(), special.ids
    values = {**spec.config, "vocab_size": vocabulary}
    for key, roles in ROLES.items():
        if getattr(default, key, None) is not None or key == "pad_token_id":
            values[key] = next((ids[role] for role in roles if role in ids), None)
    if default.is_encoder_decoder:
        values |= {"decoder_start_token_id": ids[_start(default)]}
        values |= {key: None for key in FORCED if getattr(default, key, None) is not None}
    return kind(**values)


def _model(config: PreTrainedConfig) -> Any:
    """The model; an encoder has no head, because it depends on the task."""
    kind = getattr(transformers, Head.SEQ2SEQ if config.is_encoder_decoder else "AutoModel")
    return kind.from_config(config, dtype=torch.float32)


def _window(model: Any) -> int | None:
    """Longest input in tokens; None without a limit. Models like RoBERTa number positions from the padding id on."""
    limits = [getattr(model.config, f"max_{part}position_embeddings", None) for part in ("", "encoder_", "decoder_")]
    positions = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    if not positions:
        return None
    skipped = [
        module.padding_idx + 1
        for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None
    ]
    return min(positions) - max(skipped, default=0)
