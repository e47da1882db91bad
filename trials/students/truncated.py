"""Students cut from a pretrained encoder: some of its layers, all of its embeddings, a new head."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from search_spaces.faults import fault
from trials.families import Head
from trials.labels import label
from trials.spec import LayerInit, StudentSpec

Stack = Literal["encoder", "decoder"]


def kept_layers(student: StudentSpec, depth: int, stack: Stack | None = None) -> tuple[int, ...]:
    """Positions of the source's layers, or of those of one stack of it, counted from 0, that the student keeps.

    ``skip`` takes the upper layer of each of n equal groups: of 6 layers, 3 keep 1, 3, 5 and 2 keep 2, 5.

    Raises:
        InputError: The student is deeper than its source.
    """
    wanted = student.layer_choice or ()
    of_stack = getattr(student, f"{stack}_layers") if stack else None
    count = len(wanted) or of_stack or student.layers or depth
    if count > depth or any(layer >= depth for layer in wanted):
        asked = list(wanted) or count
        message = f"the source has only {depth} layers"
        key = "layer_choice" if wanted else f"{stack}_layers" if of_stack else "layers"
        raise fault("study file", f"students.{student.name}.{key}", asked, message)
    if wanted:
        return wanted
    if student.init is LayerInit.FIRST:
        return tuple(range(count))
    if student.init is LayerInit.LAST:
        return tuple(range(depth - count, depth))
    return tuple((index + 1) * depth // count - 1 for index in range(count))


def build_truncated(
    student: StudentSpec, source: Path, label_names: tuple[str, ...], seed: int, head: Head = Head.SEQUENCE
) -> PreTrainedModel:
    """A fresh, shallower model with the source's embeddings and the kept layers' weights copied into it.

    Raises:
        InputError: The source has too few layers, or no list of layers.
    """
    torch.manual_seed(seed)  # a source without a pooler gets a new one
    config, weights = _pretrained(source)
    layers = kept_layers(student, config.num_hidden_layers)
    torch.manual_seed(seed)
    shallow = label(_shallower(config, layers), label_names, head)
    model = getattr(transformers, head).from_config(shallow, dtype=torch.float32)
    renamed = weights
    if layers != tuple(range(config.num_hidden_layers)):
        renamed = renumbered(weights, f"{_layers_prefix(model.base_model, len(layers))}.", layers)
    missing, unexpected = model.base_model.load_state_dict(renamed, strict=False)
    surplus = [name for name in unexpected if not name.startswith("pooler.")]  # a head of the pretraining
    lacking = [name for name in missing if not name.startswith("pooler.")]
    if surplus or lacking:
        message = f"weights do not fit the shallower model: missing {lacking[:3]}, unexpected {surplus[:3]}"
        raise fault(source, f"students.{student.name}.from", str(source), message)
    return model


def _pretrained(source: Path) -> tuple[PreTrainedConfig, dict[str, Tensor]]:
    """A source's configuration and the weights of its encoder."""
    model = AutoModel.from_pretrained(
        source, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return model.config, model.state_dict()


def _shallower(config: PreTrainedConfig, layers: tuple[int, ...]) -> PreTrainedConfig:
    shallow = copy.deepcopy(config)
    shallow.num_hidden_layers = len(layers)
    if getattr(shallow, "layer_types", None):
        shallow.layer_types = [config.layer_types[layer] for layer in layers]
    shallow.kept_layers = list(layers)  # of the source, counted from 0: read by people and by the model card
    return shallow


def _layers_prefix(encoder: nn.Module, depth: int) -> str:
    """Name of the list of layers inside an encoder, such as ``encoder.layer``."""
    names = [name for name, part in encoder.named_modules() if isinstance(part, nn.ModuleList) and len(part) == depth]
    if not names:
        raise fault("study file", "students", type(encoder).__name__, "has no list of layers that could be truncated")
    return names[0]


def renumbered(weights: dict[str, Tensor], prefix: str, layers: tuple[int, ...]) -> dict[str, Tensor]:
    """The weights with the kept layers renumbered from 0 and the others left out."""
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
