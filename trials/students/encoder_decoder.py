"""Encoder-decoder students: some layers of each stack of a pretrained model, with all embeddings and the output head.

Tied embeddings, special tokens and language codes are kept.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel

from search_spaces import fault
from trials.models import Stack, kept_layers, load_model
from trials.specs import Initialisation, StudentSpec
from trials.students.encoder import renumbered
from trials.tasks import Head

STACKS: tuple[Stack, Stack] = ("encoder", "decoder")
DEPTHS = {  # config.json's keys of the depths of encoder and decoder, and the name of the list of layers
    "encoder_layers": (("encoder_layers", "decoder_layers"), "layers"),  # Marian, BART, mBART, M2M100
    "num_decoder_layers": (("num_layers", "num_decoder_layers"), "block"),  # T5, mT5
}
FIRST_BLOCK = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"  # of T5, shared by all blocks


def build_encoder_decoder(student: StudentSpec, source: Path, seed: int) -> PreTrainedModel:
    """A shallower model with the source's weights of the kept layers and of all other parts; none for init random.

    Raises:
        InputError: The source has too few layers, or its architecture is not supported.
    """
    model = load_model(source, Head.SEQ2SEQ)
    key = next((name for name in DEPTHS if hasattr(model.config, name)), None)
    if key is None:
        message = f"{model.config.model_type} models are not supported; supported: Marian, BART, mBART, T5"
        raise fault("study file", f"students.{student.name}.from", str(source), message)
    (names, layers), config, weights = DEPTHS[key], copy.deepcopy(model.config), model.state_dict()
    for stack, name in zip(STACKS, names, strict=True):
        depth = getattr(config, name)
        kept = kept_layers(student, depth, stack)
        setattr(config, name, len(kept))
        copied = [] if student.init is Initialisation.RANDOM else list(kept)
        setattr(config, f"kept_{stack}_layers", copied)  # for readers of config.json and for the model card
        if kept != tuple(range(depth)):
            weights = _kept(weights, stack, layers, kept)
    if hasattr(config, "num_hidden_layers"):
        config.num_hidden_layers = getattr(config, names[0])
    torch.manual_seed(seed)
    shallow: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config, dtype=torch.float32)
    if student.init is not Initialisation.RANDOM:
        shallow.load_state_dict(weights)
    return shallow


def _kept(weights: dict[str, Tensor], stack: str, layers: str, kept: tuple[int, ...]) -> dict[str, Tensor]:
    """Weights with the kept layers of a stack renumbered from 0."""
    prefix = next(name for name in weights if f"{stack}.{layers}.0." in f".{name}")
    prefix = prefix[: prefix.index(f"{stack}.{layers}.0.")] + f"{stack}.{layers}."
    found: dict[str, Any] = renumbered(weights, prefix, kept)
    bias = f"{prefix.removesuffix('block.')}{FIRST_BLOCK}"
    if bias in weights:
        found[bias] = weights[bias]
    return found
