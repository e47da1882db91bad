"""Packed batches: the tokens of all rows one after the other, padded only inside attention."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from trials.readers import TokenizedSplit

ATTENTION_LENGTH = 16  # lengths of attention groups are multiples of this: softmax is slow for other lengths


@dataclass(frozen=True)
class AttentionGroup:
    """Rows of similar length, which attend together.

    Attributes:
        rows: Number of rows.
        length: Tokens per row, padding included.
        mask: float [rows, 1, 1, length], 0 at tokens and -inf at padding.
    """

    rows: int
    length: int
    mask: Tensor


@dataclass(frozen=True)
class PackedBatch:
    """Some rows of a split, packed.

    Attributes:
        ids: int64 [tokens].
        positions: int64 [tokens], from 0 in each row; -1 at tokens that have no position.
        type_ids: int64 [tokens], or None.
        first: int64 [rows], index of each row's first token in the pack; rows are in the requested order.
        groups: The rows by length; their padded positions, one group after the other, are called slots.
        tokens: int64 [slots], index of each slot's token in the pack; padding repeats the row's first token.
        slots: int64 [tokens], the slot of each token.
        rows: int64 [rows], position in the batch of each row of the groups.
        row_slots: int64 [rows], position in the groups of each row of the batch.
        outputs: int64 [positions], index in the pack of the tokens with an output; None means the first token of a row.
    """

    ids: Tensor
    positions: Tensor
    type_ids: Tensor | None
    first: Tensor
    groups: tuple[AttentionGroup, ...]
    tokens: Tensor
    slots: Tensor
    rows: Tensor
    row_slots: Tensor
    outputs: Tensor | None = None

    @property
    def slots_of_groups(self) -> list[int]:
        """Padded positions of each group."""
        return [group.rows * group.length for group in self.groups]


for _kind in (AttentionGroup, PackedBatch):  # so that captured CUDA graphs can replace their tensors
    pytree.register_dataclass(_kind)


def packed_batch(
    split: TokenizedSplit,
    rows: np.ndarray,
    lookup: np.ndarray,
    device: torch.device,
    *,
    round_tokens: int = 1,
    one_group: bool = False,
    padding_id: int | None = None,
) -> PackedBatch:
    """Pack some rows.

    Args:
        split: The split.
        rows: int [rows], rows of the split.
        lookup: The row of the embeddings for each token id.
        device: Device of the tensors.
        round_tokens: The pack is filled with unused tokens to a multiple of this number.
        one_group: Whether all rows attend in one group, which means fewer and larger kernels.
        padding_id: A token id that gets the position -1 and is not counted, even inside a text.
    """
    lengths = split.offsets[rows + 1] - split.offsets[rows]  # [rows]
    first = np.cumsum(lengths) - lengths  # [rows]
    tokens = int(lengths.sum())
    size = -(-tokens // round_tokens) * round_tokens
    positions = np.zeros(size, dtype=np.int64)
    places = np.arange(tokens) - np.repeat(first, lengths)  # [tokens], positions in the rows
    source = np.repeat(split.offsets[rows], lengths) + places  # index of each token in the split
    positions[:tokens] = places if padding_id is None else _counted(split.ids[source] != padding_id, first, lengths)

    rounded = -(-lengths // ATTENTION_LENGTH) * ATTENTION_LENGTH
    if one_group:
        rounded[:] = rounded.max()
    groups, tokens_of_slots, slots, end = [], [], np.zeros(size, dtype=np.int64), 0
    for length in np.unique(rounded).tolist():
        members = np.flatnonzero(rounded == length)
        steps = np.arange(length)
        valid = steps < lengths[members, None]  # [members, length]
        index = first[members, None] + np.where(valid, steps, 0)
        slots[index[valid]] = end + np.flatnonzero(valid)
        mask = np.where(valid, np.float32(0), np.float32(-np.inf))[:, None, None, :]
        groups.append(AttentionGroup(len(members), length, _to(mask, device)))
        tokens_of_slots.append(index.ravel())
        end += valid.size
    order = np.argsort(rounded, kind="stable")

    outputs = None
    if split.positions is not None:
        counts = np.diff(split.position_offsets)[rows]
        outputs = _to(np.repeat(first, counts) + split.position_values(split.positions, rows), device)
    type_ids = None if split.type_ids is None else _to(_filled(split.type_ids[source], size), device)
    return PackedBatch(
        ids=_to(_filled(lookup[split.ids[source]], size), device),
        positions=_to(positions, device),
        type_ids=type_ids,
        first=_to(first, device),
        groups=tuple(groups),
        tokens=_to(np.concatenate(tokens_of_slots), device),
        slots=_to(slots, device),
        rows=_to(order, device),
        row_slots=_to(np.argsort(order), device),
        outputs=outputs,
    )


def _counted(is_counted: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Position of each counted token in its row, from 0; -1 at the others: int64 [tokens]."""
    count = np.cumsum(is_counted)
    before = count[first] - is_counted[first]  # [rows], counted tokens in earlier rows
    return np.where(is_counted, count - np.repeat(before, lengths) - 1, -1)


def _filled(values: np.ndarray, size: int) -> np.ndarray:
    """Values as int64 [size], filled up with zeros."""
    filled = np.zeros(size, dtype=np.int64)
    filled[: len(values)] = values
    return filled


def _to(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(values).to(device, non_blocking=True)
