"""Students cut from a pretrained encoder-decoder: some layers of each stack, all embeddings and the output head.

Ties between embeddings and output head, special tokens and language codes are the configuration's, and stay.
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
DEPTHS = {  # the configuration's names for the depths of encoder and decoder, and of their layers' list
    "encoder_layers": (("encoder_layers", "decoder_layers"), "layers"),  # Marian, BART, mBART, M2M100
    "num_decoder_layers": (("num_layers", "num_decoder_layers"), "block"),  # T5, mT5
}
FIRST_BLOCK = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"  # T5's, for all of its blocks


def build_encoder_decoder(student: StudentSpec, source: Path, seed: int) -> PreTrainedModel:
    """A shallower model with the kept layers' weights of the source, and all else of it; of init random none of it.

    Raises:
        InputError: The source has too few layers, or its layers are not where they are known to be.
    """
    model = load_model(source, Head.SEQ2SEQ)
    key = next((name for name in DEPTHS if hasattr(model.config, name)), None)
    if key is None:
        message = f"layers of {model.config.model_type} models are not known; known: Marian, BART, mBART, T5"
        raise fault("study file", f"students.{student.name}.from", str(source), message)
    (names, layers), config, weights = DEPTHS[key], copy.deepcopy(model.config), model.state_dict()
    for stack, name in zip(STACKS, names, strict=True):
        depth = getattr(config, name)
        kept = kept_layers(student, depth, stack)
        setattr(config, name, len(kept))
        copied = [] if student.init is Initialisation.RANDOM else list(kept)
        setattr(config, f"kept_{stack}_layers", copied)  # read by people and by the model card
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
    """The weights with a stack's kept layers renumbered from 0."""
    prefix = next(name for name in weights if f"{stack}.{layers}.0." in f".{name}")
    prefix = prefix[: prefix.index(f"{stack}.{layers}.0.")] + f"{stack}.{layers}."
    found: dict[str, Any] = renumbered(weights, prefix, kept)
    bias = f"{prefix.removesuffix('block.')}{FIRST_BLOCK}"
    if bias in weights:
        found[bias] = weights[bias]
    return found
