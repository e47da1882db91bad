"""Layers that are compared: hidden states and attention maps of a student and its teacher, for a layer map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces import LayerMap, Projection, layer_map
from trials.losses import query_weights
from trials.networks import Network, PackedNetwork, TransformersNetwork
from trials.readers import TokenizedSplit
from trials.specs import TrialSpec
from trials.teachers import AttentionMaps, Teacher

Encoder = PackedNetwork | TransformersNetwork


class ComparedLayers(NamedTuple):
    """Hidden states and attention maps of a student or a teacher, for some pairs of a layer map.

    Attributes:
        states: First-token hidden states, [rows, pairs, width].
        attention: One tensor per group of rows, [r, pairs, heads, L, L]: a student's log-probabilities, or a teacher's
            probabilities.
        weights: Of a teacher: `query_weights` of each group, [r, L].
    """

    states: Tensor
    attention: tuple[Tensor, ...] = ()
    weights: tuple[Tensor, ...] = ()


class StudentWithLayers(nn.Module):
    """A student whose forward also returns its layers, at the width that they are compared at.

    If the widths differ, one linear projection for all layers can be learned. It is trained, clipped and saved with the
    student, but is no part of it. Without a projection the leading `width` hidden states are returned.

    Args:
        student: The student.
        pairs: The layer map.
        width: Width of the teacher's states that are compared.
        seed: Seed of the projection.
        learned: Whether to learn a projection where the widths differ.
        attention: Whether to return attention maps too.
    """

    def __init__(
        self,
        student: Encoder,
        pairs: LayerMap,
        width: int,
        seed: int,
        *,
        learned: bool = True,
        attention: bool = False,
    ):
        super().__init__()
        self.student = student
        self._layers = [own - 1 for own, _ in pairs]
        self._width = width
        self._attention = attention
        self.projection: nn.Linear | None = None
        if learned and student.hidden_size != width:
            torch.manual_seed(seed)
            self.projection = nn.Linear(student.hidden_size, width, bias=False)

    def forward(self, inputs: tuple[Any, tuple[int, ...]]) -> tuple[Tensor, ComparedLayers]:
        """Outputs [positions, width] and the compared layers.

        Args:
            inputs: A batch, and the positions in the layer map of the pairs to compare.
        """
        batch, positions = inputs
        layers = [self._layers[pair] for pair in positions]
        found = self.student.layer_outputs(batch, layers if self._attention else ())
        states = found.states[:, layers].float()  # [rows, pairs, H]
        states = states[..., : self._width] if self.projection is None else self.projection(states)
        ranks = _ranks(layers)
        return found.outputs, ComparedLayers(states, tuple(each[:, ranks] for each in found.log_attention))


@dataclass(frozen=True)
class TeacherLayers:
    """A teacher's hidden states and attention maps over the training split.

    Attributes:
        pairs: The layer map.
        split: The rows.
        states: First-token hidden states, float32 [rows, layers, hidden].
        maps: Attention maps of the mapped layers; None where attention is not compared.
        width: The leading states up to this width are compared.
        learned: Whether the student learns a projection where the widths differ.
        seed: Seed of the projection.
        device: Where to compute.
    """

    pairs: LayerMap
    split: TokenizedSplit
    states: np.ndarray
    maps: AttentionMaps | None
    width: int
    learned: bool
    seed: int
    device: torch.device

    def of(self, rows: np.ndarray, positions: Sequence[int], student: Any, batch: Any) -> ComparedLayers:
        """The teacher's side of a comparison.

        Args:
            rows: int [rows], rows of the split.
            positions: Positions in the layer map of the pairs to compare.
            student: The student.
            batch: The student's batch of these rows; the attention maps get its layout.
        """
        layers = [self.pairs[pair][1] - 1 for pair in positions]
        states = torch.from_numpy(self.states[rows[:, None], layers, : self.width]).to(self.device)
        if self.maps is None or not positions:
            return ComparedLayers(states)
        layout = student.attention_layout(batch)
        ranks = [_ranks([other - 1 for _, other in self.pairs])[pair] for pair in positions]
        attention = tuple(each[:, ranks] for each in self.maps.of(rows, layout, self.device))
        lengths = self.split.lengths[rows]
        weights = (query_weights(torch.from_numpy(lengths[own]), length, len(rows)) for own, length in layout)
        return ComparedLayers(states, attention, tuple(weight.to(self.device) for weight in weights))

    def compared_with(self, student: Network) -> StudentWithLayers:
        """The student, set up to return the layers that these are compared with."""
        assert isinstance(student, Encoder)
        attention = self.maps is not None
        network = StudentWithLayers(
            student, self.pairs, self.width, self.seed, learned=self.learned, attention=attention
        )
        return network.to(self.device)


def open_teacher_layers(
    spec: TrialSpec, student: Network, teacher: Teacher, device: torch.device
) -> TeacherLayers | None:
    """The teacher's layers that a trial compares; None if the configuration gives them no weight."""
    configuration = spec.configuration
    if not configuration.compares_layers:
        return None
    assert isinstance(student, Encoder)  # a launch refuses other students
    states = teacher.states("train", device)
    pairs = layer_map(configuration.layer_map, student.num_layers, states.shape[1])
    learned = configuration.projection is Projection.LEARNED
    layers = tuple(sorted({other - 1 for _, other in pairs}))
    return TeacherLayers(
        pairs=pairs,
        split=teacher.data.splits["train"],
        states=states,
        maps=teacher.attention("train", layers, device, student) if configuration.attention_weight else None,
        width=states.shape[2] if learned else min(states.shape[2], student.hidden_size),
        learned=learned,
        seed=spec.seed,
        device=device,
    )


def _ranks(layers: Sequence[int]) -> list[int]:
    """The rank of each layer among the distinct layers, from 0."""
    different = sorted(set(layers))
    return [different.index(layer) for layer in layers]
