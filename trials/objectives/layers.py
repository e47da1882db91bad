"""Learning from a teacher's layers: which of them a student is compared with, and what both say of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces import Configuration, LayerMap, Projection, layer_map
from trials.losses import attention_loss, cosine_loss, hidden_loss, query_weights
from trials.networks import Network, PackedNetwork, PlainNetwork
from trials.readers import TokenizedSplit
from trials.specs import TrialSpec
from trials.tasks import Task
from trials.teachers import AttentionMaps, Teacher
from trials.training import WHOLE, Counts, Progress

Encoder = PackedNetwork | PlainNetwork


class Insides(NamedTuple):
    """What a network says of some pairs of layers.

    Attributes:
        states: [rows, pairs, width].
        attention: Of each group of rows [r, pairs, heads, L, L]: a student's logarithms, a teacher's probabilities.
        weights: With a teacher's: what each query counts, [r, L] of each group.
    """

    states: Tensor
    attention: tuple[Tensor, ...] = ()
    weights: tuple[Tensor, ...] = ()


class ObservedStudent(nn.Module):
    """A student that says in training what its layers hold, as wide as what it is compared with.

    Where widths differ a linear projection may be learned, one for all layers: it is trained, clipped and saved with
    the student, and is no part of it. Else the leading states are said.

    Args:
        student: The student.
        pairs: The layer map.
        width: Of what it is compared with.
        seed: Of the projection.
        learned: Whether there is one where widths differ.
        attention: Whether it says its attention, too.
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

    def forward(self, inputs: tuple[Any, tuple[int, ...]]) -> tuple[Tensor, Insides]:
        """Outputs [positions, width], and what it says of the pairs at the given positions of the map."""
        batch, wanted = inputs
        layers = [self._layers[pair] for pair in wanted]
        found = self.student.with_internals(batch, layers if self._attention else ())
        states = found.states[:, layers].float()  # [rows, pairs, H]
        states = states[..., : self._width] if self.projection is None else self.projection(states)
        places = _places(layers)
        return found.outputs, Insides(states, tuple(each[:, places] for each in found.log_attention))


@dataclass(frozen=True)
class Observation:
    """What of its teacher's layers a student is compared with.

    Attributes:
        pairs: The layer map.
        split: The rows that both read.
        states: The teacher's hidden states over them, float32 [rows, layers, hidden].
        maps: Its attention maps of the mapped layers, if they are compared.
        width: How many states are compared, the leading ones.
        learned: Whether the student's are projected where widths differ.
        seed: Of the projection.
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

    def of_teacher(self, rows: np.ndarray, wanted: Sequence[int], student: Any, batch: Any) -> Insides:
        """What the teacher says of the pairs at some positions of the map, for a batch of the student's."""
        layers = [self.pairs[pair][1] - 1 for pair in wanted]
        states = torch.from_numpy(self.states[rows[:, None], layers, : self.width]).to(self.device)
        if self.maps is None or not wanted:
            return Insides(states)
        layout = student.map_layout(batch)
        places = [_places([other - 1 for _, other in self.pairs])[pair] for pair in wanted]
        attention = tuple(each[:, places] for each in self.maps.of(rows, layout, self.device))
        lengths = self.split.lengths[rows]
        weights = (query_weights(torch.from_numpy(lengths[own]), length, len(rows)) for own, length in layout)
        return Insides(states, attention, tuple(weight.to(self.device) for weight in weights))

    def of(self, student: Network) -> ObservedStudent:
        """The student, observed."""
        assert isinstance(student, Encoder)
        attention = self.maps is not None
        observed = ObservedStudent(
            student, self.pairs, self.width, self.seed, learned=self.learned, attention=attention
        )
        return observed.to(self.device)


class Objective:
    """The loss of one student in the present stage of its training, from what it and its teacher say of a batch.

    Args:
        task: The task.
        configuration: The configuration.
        pairs: Its layer map; () where no layers are compared.
        progress: Where in its stages the student is.
    """

    def __init__(self, task: Task, configuration: Configuration, pairs: LayerMap, progress: Progress):
        self._task = task
        self._configuration = configuration
        self._pairs = pairs
        self.progress = progress

    @property
    def wanted(self) -> set[int]:
        """Positions of the pairs that the present stage compares."""
        return {self._pairs.index(pair) for pair in self.progress.stage.pairs}

    def __call__(self, found: Any, targets: Any, share: Counts = WHOLE) -> Tensor:
        """The loss, a scalar.

        Args:
            found: Outputs; with them what `ObservedStudent` says, where layers are compared.
            targets: The teacher's outputs, the labels, and None or what it says of which pairs.
            share: Which part of the batch this is; the losses of all parts add up to that of the batch.
        """
        taught, labels, internals = targets
        if internals is None:
            return share.labels * self._task.kd_loss(found, taught, labels, self._configuration)
        outputs, own = found
        other, said = internals
        loss = outputs.new_zeros(())
        if self.progress.stage.soft:  # with hard ones: C's stages have both or none
            loss = loss + share.labels * self._task.kd_loss(outputs, taught, labels, self._configuration)
        if self.wanted:
            places = [said.index(pair) for pair in sorted(self.wanted)]
            loss = loss + self._internal_loss(own, other, places, share.rows)
        return loss

    def _internal_loss(self, own: Insides, other: Insides, places: list[int], share: float) -> Tensor:
        weights = self._configuration
        states = own.states[:, places], other.states[:, places]
        loss = own.states.new_zeros(())
        if weights.hidden_weight:
            loss = loss + weights.hidden_weight * hidden_loss(*states)
        if weights.cosine_weight or weights.cosine_threshold:
            cosine = cosine_loss(*states)
            self.progress.cosine_sum += share * cosine.detach()
            loss = loss + weights.cosine_weight * cosine
        if weights.attention_weight:
            maps, others = ([each[:, places] for each in side] for side in (own.attention, other.attention))
            loss = loss + weights.attention_weight * attention_loss(maps, others, other.weights)
        return share * loss


def observed(spec: TrialSpec, student: Network, teacher: Teacher, device: torch.device) -> Observation | None:
    """What of its teacher's layers a trial compares; None if its configuration weighs them nothing."""
    configuration = spec.configuration
    if not configuration.teaches_layers:
        return None
    assert isinstance(student, Encoder)  # the launch refuses others
    states = teacher.states("train", device)
    pairs = layer_map(configuration.layer_map, student.num_layers, states.shape[1])
    learned = configuration.projection is Projection.LEARNED
    layers = tuple(sorted({other - 1 for _, other in pairs}))
    return Observation(
        pairs=pairs,
        split=teacher.data.splits["train"],
        states=states,
        maps=teacher.attention("train", layers, device, student) if configuration.attention_weight else None,
        width=states.shape[2] if learned else min(states.shape[2], student.hidden_size),
        learned=learned,
        seed=spec.seed,
        device=device,
    )


def wanted_by(objectives: Iterable[Objective]) -> tuple[int, ...]:
    """Positions of the pairs that any of them compares."""
    return tuple(sorted(set().union(*(objective.wanted for objective in objectives))))


def _places(layers: Sequence[int]) -> list[int]:
    """Where each layer stands among the ascending, different ones."""
    different = sorted(set(layers))
    return [different.index(layer) for layer in layers]
