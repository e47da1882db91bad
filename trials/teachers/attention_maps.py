"""A teacher's attention maps: cached in half precision, or computed for each batch, whichever is cheaper.

A row of l tokens has l x l probabilities per head and layer, so that the cache grows with the square of the length.
Half precision changes the divergence by about 1e-5 (a test).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from trials.networks import AttentionLayout, PackedNetwork
from trials.readers import TokenizedSplit, batches_by_length
from trials.storage import allocate_array
from trials.teachers.attention_examples import ExampleAttention, example_rows
from trials.training import map_batches


class AttentionMaps(Protocol):
    """A source of a teacher's attention maps."""

    def of(self, rows: np.ndarray, layout: AttentionLayout, device: torch.device) -> tuple[Tensor, ...]:
        """Probabilities, float32 [r, layers, heads, L, L] for each group of the layout; 0 at padding."""


@dataclass(frozen=True)
class CachedMaps:
    """Attention maps in a file, row after row.

    Attributes:
        values: float16; [layers, heads, l, l] for each row.
        offsets: int64 [rows + 1], start of each row in `values`.
        lengths: int64 [rows].
        layers, heads: Number of layers and heads.
    """

    values: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    layers: int
    heads: int

    @classmethod
    def open(cls, file: Path, lengths: np.ndarray, layers: int, heads: int) -> CachedMaps:
        """The file that `write_maps` wrote."""
        offsets = np.concatenate([[0], np.cumsum(lengths**2 * layers * heads)])
        return cls(np.load(file, mmap_mode="r"), offsets, lengths, layers, heads)

    def of(self, rows: np.ndarray, layout: AttentionLayout, device: torch.device) -> tuple[Tensor, ...]:
        """Read the maps from the file."""
        found = []
        for members, length in layout:
            maps = np.zeros((len(members), self.layers, self.heads, length, length), np.float16)
            for place, row in enumerate(rows[members]):
                own = int(self.lengths[row])
                block = self.values[self.offsets[row] : self.offsets[row + 1]]
                maps[place, :, :, :own, :own] = block.reshape(self.layers, self.heads, own, own)
            found.append(torch.from_numpy(maps).to(device).float())
        return tuple(found)


@dataclass(frozen=True)
class ComputedMaps:
    """Attention maps that are computed for each batch; the teacher's batches must have the student's layout.

    Attributes:
        network: The teacher, in evaluation mode.
        split: The split, tokenized for the teacher.
        layers: Positions of the layers, from 0.
    """

    network: PackedNetwork
    split: TokenizedSplit
    layers: tuple[int, ...]

    @torch.no_grad()
    def of(self, rows: np.ndarray, layout: AttentionLayout, device: torch.device) -> tuple[Tensor, ...]:
        """Compute the maps by a forward of the teacher."""
        found = self.network.layer_outputs(self.network.inputs(self.split, rows), self.layers)
        return tuple(log.exp() for log in found.log_attention)


def write_maps(network: Any, split: TokenizedSplit, layers: Sequence[int], heads: int, file: Path) -> None:
    """Write an encoder's maps of some layers (positions from 0, ascending) for a split, batch by batch."""
    lengths = split.lengths
    offsets = np.concatenate([[0], np.cumsum(lengths**2 * len(layers) * heads)])
    values = allocate_array(file, np.float16, (int(offsets[-1]),))
    batches = batches_by_length(lengths)
    for _, found in map_batches(lambda rows: list(maps_of_rows(network, split, rows, layers)), batches):
        for row, maps in found:
            values[offsets[row] : offsets[row + 1]] = maps.ravel()
    values.flush()


@torch.no_grad()
def maps_of_rows(
    network: Any, split: TokenizedSplit, rows: np.ndarray, layers: Sequence[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """An encoder's maps of some layers, float16 [layers, heads, l, l] per row, computed in one batch."""
    network.eval()
    batch = network.inputs(split, rows)
    found = network.layer_outputs(batch, layers).log_attention
    for (members, _), log in zip(network.attention_layout(batch), found, strict=True):
        maps = log.exp().to(torch.float16).cpu().numpy()  # [r, layers, A, L, L]
        for place, row in enumerate(rows[members]):
            own = int(split.lengths[row])
            yield int(row), maps[place, :, :, :own, :own]


def example_attention(network: Any, split: TokenizedSplit) -> ExampleAttention:
    """Attention maps of all layers of an encoder, for the `example_rows` of a split."""
    network.show_attention()
    rows = example_rows(split.lengths)
    maps = dict(maps_of_rows(network, split, rows, range(network.num_layers)))
    return ExampleAttention(rows, tuple(maps[row] for row in rows.tolist()))
