"""Encoder students: some layers of a pretrained encoder, with fewer heads or another width, and a new output layer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from search_spaces import fault
from trials.datasets import set_label_names
from trials.models import kept_layers, width_changes
from trials.specs import Initialisation, StudentSpec
from trials.tasks import Head

HEAD_OF_PRETRAINING = "pooler."
FIRST_NORM = "layers.0.attn_norm."  # missing in ModernBERT


def build_encoder(
    student: StudentSpec, source: Path, label_names: tuple[str, ...], seed: int, head: Head = Head.SEQUENCE
) -> PreTrainedModel:
    """A new model of the student's shape, with the weights that its initialisation copies from the source.

    Raises:
        InputError: The source has too few layers, or no list of layers.
    """
    torch.manual_seed(seed)  # a source without a pooler gets a new one
    config, weights = _pretrained(source)
    layers = kept_layers(student, config.num_hidden_layers)
    torch.manual_seed(seed)
    shape = set_label_names(_reshaped(config, student, layers), label_names, head)
    model = getattr(transformers, head).from_config(shape, dtype=torch.float32)
    if student.init is Initialisation.RANDOM:
        return model
    renamed = weights
    if layers != tuple(range(config.num_hidden_layers)):
        renamed = renumbered(weights, f"{_layers_prefix(model.base_model, len(layers))}.", layers)
    if student.init is Initialisation.SLICED:
        renamed = _sliced(renamed, model.base_model.state_dict())
    missing, unexpected = model.base_model.load_state_dict(renamed, strict=False)
    own = (HEAD_OF_PRETRAINING, FIRST_NORM)
    surplus = [name for name in unexpected if not name.startswith(own)]
    lacking = [name for name in missing if not name.startswith("pooler.")]
    if surplus or lacking:
        message = f"weights do not fit the smaller model: missing {lacking[:3]}, unexpected {surplus[:3]}"
        raise fault(source, f"students.{student.name}.from", str(source), message)
    return model


def _pretrained(source: Path) -> tuple[PreTrainedConfig, dict[str, Tensor]]:
    """A source's configuration, and the weights of its encoder."""
    model = AutoModel.from_pretrained(
        source, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return model.config, model.state_dict()


def _reshaped(config: PreTrainedConfig, student: StudentSpec, layers: tuple[int, ...]) -> PreTrainedConfig:
    shape = copy.deepcopy(config)
    shape.num_hidden_layers = len(layers)
    for name, value in config.to_dict().items():  # values per layer, such as attention windows
        if isinstance(value, list) and len(value) == config.num_hidden_layers:
            setattr(shape, name, [value[layer] for layer in layers])
    for name, value in width_changes(config.to_dict(), student).items():
        setattr(shape, name, value)
    # For readers of config.json and for the model card
    shape.initialisation = str(student.init)
    shape.kept_layers = [] if student.init is Initialisation.RANDOM else list(layers)  # counted from 0
    return shape


def _sliced(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights cut to the leading rows and columns of the wanted shapes."""
    shapes = {name: wanted[name].shape for name in weights if name in wanted}
    return {
        name: value[tuple(slice(size) for size in shapes[name])] if name in shapes else value
        for name, value in weights.items()
    }


def _layers_prefix(encoder: nn.Module, depth: int) -> str:
    """Name of the list of layers inside an encoder, such as ``encoder.layer``."""
    names = [name for name, part in encoder.named_modules() if isinstance(part, nn.ModuleList) and len(part) == depth]
    if not names:
        raise fault(
            "study file",
            "students",
            type(encoder).__name__,
            "has no list of layers, so that it cannot be made shallower: use another source",
        )
    return names[0]


def renumbered(weights: dict[str, Tensor], prefix: str, layers: tuple[int, ...]) -> dict[str, Tensor]:
    """Weights with the kept layers renumbered from 0, without the others."""
    position = {str(layer): str(index) for index, layer in enumerate(layers)}
    renamed: dict[str, Any] = {}
    for name, value in weights.items():
        if not name.startswith(prefix):
            renamed[name] = value
            continue
        layer, _, rest = name.removeprefix(prefix).partition(".")
        if layer in position:
            renamed[f"{prefix}{position[layer]}.{rest}"] = value
    return renamed
