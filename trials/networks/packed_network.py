"""The packed encoder as a network: it has only the vocabulary of the data, and Transformers' names on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trials.datasets import TokenizedData
from trials.models import FAMILIES, LINEAR_HEADS, Family
from trials.networks.layer_outputs import AttentionLayout, LayerOutputs
from trials.networks.packed_batches import PackedBatch, packed_batch
from trials.networks.packed_encoder import LayerRecorder, PackedClassifier, PackedConfig
from trials.readers import TokenizedSplit
from trials.specs import Precision
from trials.tasks import Head

COMPUTE_DTYPES = {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16}
ROUND_TOKENS = 64  # bfloat16 kernels and CUDA graphs are created per shape: token counts are rounded up to a multiple


class PackedNetwork(nn.Module):
    """A `PackedClassifier` with the part of the vocabulary that its data uses.

    Attributes:
        classifier: The classifier.
        source: The Transformers folder that it was loaded from.
    """

    def __init__(
        self,
        classifier: PackedClassifier,
        family: Family,
        source: Path,
        trained_words: np.ndarray,
        lookup: np.ndarray,
    ):
        super().__init__()
        self.classifier = classifier
        self.source = source
        self._family = family
        self._trained_words = trained_words
        self._lookup = lookup
        self._padding_id = classifier.config.padding_id
        padding = lookup[self._padding_id] if self._padding_id in trained_words else None
        classifier.embeddings.padding_row = None if padding is None else int(padding)

    @classmethod
    def open(cls, folder: Path, config: dict[str, Any], data: TokenizedData, precision: Precision) -> Self:
        """Load a network from a Transformers folder.

        Args:
            folder: The folder.
            config: Its config.json.
            data: The data that it will process.
            precision: Type of activations.
        """
        family, count = FAMILIES[config["model_type"]], data.num_trained
        trained, others = np.split(data.vocabulary.astype(np.int64), [count])
        shape = PackedConfig.of(family, config, data.head, trained_words=count, other_words=len(others))
        classifier = PackedClassifier(shape, COMPUTE_DTYPES[precision])
        with safe_open(folder / "model.safetensors", framework="pt") as file:
            state = {
                name: torch.cat([file.get_tensor(part) for part in parts])
                for name, parts in names_in_transformers(family, shape).items()
            }
        whole = state["embeddings.word.weight"]
        state["embeddings.word.weight"] = torch.cat([whole[trained], torch.ones_like(whole[:1])])
        classifier.load_state_dict(state)
        classifier.embeddings.other_words.copy_(whole[others])

        lookup = np.zeros(len(whole), dtype=np.int64)
        lookup[trained] = np.arange(count)
        lookup[others] = count + 1 + np.arange(len(others))
        return cls(classifier, family, folder, trained, lookup)

    def inputs(self, split: TokenizedSplit, rows: np.ndarray) -> PackedBatch:
        """The network's input for some rows of a split."""
        device = self.classifier.head_outer.bias.device
        exact = self.classifier.compute_dtype is torch.float32 and device.type == "cpu"
        round_tokens = 1 if exact else ROUND_TOKENS
        one_group = device.type == "cuda"
        return packed_batch(
            split,
            rows,
            self._lookup,
            device,
            round_tokens=round_tokens,
            one_group=one_group,
            padding_id=self._padding_id if self._family.first_position != 0 else None,
        )

    def forward(self, batch: PackedBatch) -> Tensor:
        """Outputs of a batch, float32 [positions, width]."""
        return self.classifier(batch)

    def layer_outputs(self, batch: PackedBatch, attention: Sequence[int] = ()) -> LayerOutputs:
        """Outputs, hidden states of all layers, and attention maps of the layers in `attention`."""
        recorder = LayerRecorder(frozenset(attention))
        outputs = self.classifier(batch, recorder)
        groups = zip(*recorder.log_attention, strict=True)  # [r, A, L, L] of each noted layer, group by group
        maps = tuple(torch.stack(group, dim=1) for group in groups)
        return LayerOutputs(outputs, torch.stack(recorder.states, dim=1), maps)

    def show_attention(self) -> None:
        """Do nothing: attention maps are always available."""

    def attention_layout(self, batch: PackedBatch) -> AttentionLayout:
        """The groups of rows that attend together, with their padded lengths."""
        rows = batch.rows.cpu().numpy()
        ends = np.cumsum([group.rows for group in batch.groups])[:-1]
        return tuple((own, group.length) for own, group in zip(np.split(rows, ends), batch.groups, strict=True))

    @property
    def hidden_size(self) -> int:
        """Width of its layers."""
        return self.classifier.config.hidden_size

    @property
    def num_layers(self) -> int:
        """Its depth."""
        return self.classifier.config.num_hidden_layers

    @property
    def num_heads(self) -> int:
        """Attention heads of a layer."""
        return self.classifier.config.num_attention_heads

    @property
    def layer_weights(self) -> int:
        """Number of parameters of its layers."""
        return sum(parameter.numel() for parameter in self.classifier.layers.parameters())

    def num_parameters(self) -> int:
        """Number of parameters of the model with its whole vocabulary."""
        own = sum(parameter.numel() for parameter in self.parameters())
        rows, hidden = self.classifier.embeddings.word.weight.shape
        return own + (self._whole_vocabulary().shape[0] - rows) * hidden

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, which Transformers' `from_pretrained` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.source / "config.json", folder)
        save_file(self.transformers_weights(), folder / "model.safetensors", metadata={"format": "pt"})

    def transformers_weights(self) -> dict[str, Tensor]:
        """The weights by Transformers' names, with the whole vocabulary."""
        state = {name: value.detach().cpu() for name, value in self.classifier.state_dict().items()}
        trained, nobodys = state["embeddings.word.weight"].split([len(self._trained_words), 1])
        whole = self._whole_vocabulary() * nobodys[0, 0]
        whole[self._trained_words] = trained
        state["embeddings.word.weight"] = whole
        weights: dict[str, Tensor] = {}
        for name, parts in names_in_transformers(self._family, self.classifier.config).items():
            weights |= dict(zip(parts, (part.clone() for part in state[name].chunk(len(parts))), strict=True))
        return weights

    def _whole_vocabulary(self) -> Tensor:
        with safe_open(self.source / "model.safetensors", framework="pt") as file:
            return file.get_tensor(f"{self._family.encoder}.embeddings.word_embeddings.weight")


def names_in_transformers(family: Family, shape: PackedConfig) -> dict[str, tuple[str, ...]]:
    """For each weight of a `PackedClassifier`, the weights of Transformers that it is stacked from."""
    return dict(_names(family, shape))


def _names(family: Family, shape: PackedConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    embeddings = f"{family.encoder}.embeddings"
    yield "embeddings.word.weight", (f"{embeddings}.word_embeddings.weight",)
    yield "embeddings.position.weight", (f"{embeddings}.position_embeddings.weight",)
    if shape.type_vocab_size:
        yield "embeddings.token_type.weight", (f"{embeddings}.token_type_embeddings.weight",)
    if family.relative_bias:
        yield "relative_bias.weight", (f"{family.encoder}.{family.relative_bias}.weight",)
    for kind in ("weight", "bias"):
        yield f"embeddings.norm.{kind}", (f"{embeddings}.LayerNorm.{kind}",)
        for index in range(shape.num_hidden_layers):
            layer = f"{family.encoder}.{family.layer}.{index}"
            stacked = tuple(f"{layer}.{part}.{kind}" for part in (family.query, family.key, family.value))
            yield f"layers.{index}.query_key_value.{kind}", stacked
            for part in ("attention_output", "attention_norm", "intermediate", "output", "output_norm"):
                yield f"layers.{index}.{part}.{kind}", (f"{layer}.{getattr(family, part)}.{kind}",)
        if shape.head is Head.SEQUENCE:
            yield f"head_inner.{kind}", (f"{family.head[0]}.{kind}",)
        yield f"head_outer.{kind}", (f"{LINEAR_HEADS.get(shape.head, family.head[1])}.{kind}",)
