"""The intermediate loss: hidden states of a student's layers made like those of the teacher's mapped layers.

States are those of rows' first tokens, which stand for the whole text, as in patient distillation (Sun et al., 2019). B
(section 4) names the loss and the layers; that it is a squared error, and of which tokens, is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces.configuration import Projection
from search_spaces.layer_maps import LayerMap, layer_map
from trials.networks import Network
from trials.networks.packed_network import PackedNetwork
from trials.networks.plain_network import PlainNetwork
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.spec import TrialSpec
from trials.teacher_outputs import Teacher

Encoder = PackedNetwork | PlainNetwork


class ObservedStudent(nn.Module):
    """A student that says in training what its mapped layers hold, as wide as what it is compared with.

    Where widths differ a linear projection may be learned, one for all layers: it is trained, clipped and saved with
    the student, and is no part of it. Else the leading states are said.

    Args:
        student: The student.
        pairs: The layer map.
        width: Of what it is compared with.
        seed: Of the projection.
        learned: Whether there is one where widths differ.
    """

    def __init__(self, student: Encoder, pairs: LayerMap, width: int, seed: int, *, learned: bool = True):
        super().__init__()
        self.student = student
        self._layers = [own - 1 for own, _ in pairs]
        self._width = width
        self.projection: nn.Linear | None = None
        if learned and student.hidden_size != width:
            torch.manual_seed(seed)
            self.projection = nn.Linear(student.hidden_size, width, bias=False)

    def forward(self, batch: Any) -> Any:
        """Outputs [positions, width], and in training with them states [rows, pairs, width]."""
        if not self.training:
            return self.student(batch)
        outputs, states = self.student.with_states(batch)
        mapped = states[:, self._layers].float()  # [rows, pairs, H]
        return outputs, mapped[..., : self._width] if self.projection is None else self.projection(mapped)


@dataclass(frozen=True)
class Observation:
    """What of its teacher's layers a student is compared with.

    Attributes:
        pairs: The layer map.
        values: The teacher's states over train, float32 [rows, layers, hidden].
        width: How many of them are compared, the leading ones.
        learned: Whether the student's are projected where widths differ.
        seed: Of the projection.
        device: Where to compute.
    """

    pairs: LayerMap
    values: np.ndarray
    width: int
    learned: bool
    seed: int
    device: torch.device

    def states_of(self, rows: np.ndarray) -> Tensor:
        """The teacher's states for some rows, float32 [rows, pairs, width]."""
        layers = [other - 1 for _, other in self.pairs]
        return torch.from_numpy(self.values[rows[:, None], layers, : self.width]).to(self.device)

    def of(self, student: Network) -> ObservedStudent:
        """The student, observed."""
        assert not isinstance(student, Seq2SeqNetwork)
        return ObservedStudent(student, self.pairs, self.width, self.seed, learned=self.learned).to(self.device)


def observed(spec: TrialSpec, student: Network, teacher: Teacher, device: torch.device) -> Observation | None:
    """What a trial's hidden states are compared with; None if its configuration weighs them nothing."""
    if spec.configuration.hidden_weight == 0:
        return None
    assert not isinstance(student, Seq2SeqNetwork)  # the launch refuses it
    values = teacher.states("train", device)
    pairs = layer_map(spec.configuration.layer_map, student.num_layers, values.shape[1])
    learned = spec.configuration.projection is Projection.LEARNED
    width = values.shape[2] if learned else min(values.shape[2], student.hidden_size)
    return Observation(pairs, values, width, learned, spec.seed, device)


def hidden_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error between states [rows, pairs, width] of mapped layers, a scalar; no gradient to the teacher."""
    return (student.float() - teacher.detach().float()).square().mean()
