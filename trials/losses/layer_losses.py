"""Losses between layers of student and teacher: attention maps (C, eq. 2) and hidden states (C, eq. 3; B, section 4).

Hidden states are those of each row's first token. The teacher gets no gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_loss(student: Iterable[Tensor], teacher: Iterable[Tensor], weights: Iterable[Tensor]) -> Tensor:
    """Kullback-Leibler divergence of the student's attention from the teacher's (C, eq. 2), a scalar.

    The mean over rows, layers and heads of::

        1/l  sum_i  sum_j  A_T[i, j] log (A_T[i, j] / A_S[i, j])

    over the l tokens i and j of a row; padding counts neither as query nor as key.
    Example: A_T = (1/2, 1/2) and A_S = (1/4, 3/4) in each row of one head: 1/2 ln 2 + 1/2 ln 2/3 = 0.1438.

    Args:
        student: For each group of rows, log-probabilities of attention before dropout, [r, layers, heads, L, L].
        teacher: For each group of rows, probabilities of attention, 0 at padded keys.
        weights: For each group of rows, `query_weights`, [r, L].
    """
    total: list[Tensor] = []
    for log_own, other, weight in zip(student, teacher, weights, strict=True):
        other = other.detach()
        log_own = log_own.masked_fill(other == 0, 0.0)  # keys that the teacher ignores have no weight; avoids 0 * -inf
        divergence = (torch.xlogy(other, other) - other * log_own).sum(-1)  # [r, layers, heads, L]
        total.append((divergence.mean(dim=(1, 2)) * weight).sum())
    return torch.stack(total).sum()


def query_weights(lengths: Sequence[int] | Tensor, length: int, rows: int) -> Tensor:
    """Weight of each query in the mean over a batch, [r, L]: 1 / (l * rows) at the l tokens of a row, 0 at padding.

    Args:
        lengths: Number of tokens of each row of a group, [r].
        length: Padded length of the group, L.
        rows: Rows of the whole batch.
    """
    own = torch.as_tensor(lengths)[:, None]  # [r, 1]
    return (torch.arange(length) < own) / (own * rows)


def cosine_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine between hidden states [rows, layers, width] (C, eq. 3), averaged: a scalar."""
    return (1 - F.cosine_similarity(student, teacher.detach(), dim=-1)).mean()


def hidden_state_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared error between hidden states [rows, layers, width] (B, section 4), a scalar.

    B names the loss and the layers; the squared error and the choice of first tokens are ours.
    """
    return (student - teacher.detach()).square().mean()
