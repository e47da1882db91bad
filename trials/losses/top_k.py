"""A teacher's k likeliest tokens with one bucket for all others: a small cache for translation, at temperature 1 only.

At another temperature the bucket's probability would depend on all of the logits that are not kept.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class TopK(NamedTuple):
    """A teacher's predictions at some positions.

    Attributes:
        tokens: The k likeliest tokens, int64 [positions, k].
        log_probabilities: Their log-probabilities over the whole vocabulary at temperature 1, float32 [positions, k].
    """

    tokens: Tensor
    log_probabilities: Tensor


def top_k_of(logits: Tensor, k: int) -> TopK:
    """The k likeliest tokens of logits [positions, vocabulary]; at least one token is left for the bucket."""
    found = logits.float().log_softmax(-1).topk(min(k, logits.shape[-1] - 1), dim=-1)
    return TopK(found.indices, found.values)


def top_k_loss(student_logits: Tensor, teacher: TopK) -> Tensor:
    """Cross-entropy between teacher and student over k tokens and the bucket of all others, averaged over positions.

    With p the teacher's and q the student's probabilities, and T the teacher's k likeliest tokens::

        -sum_{c in T} p_c log q_c - (1 - sum_{c in T} p_c) log (1 - sum_{c in T} q_c)

    It is at most the cross-entropy over the whole vocabulary, because only the sum of the other tokens is compared.

    Args:
        student_logits: [positions, vocabulary].
        teacher: The teacher's predictions at the same positions.

    Returns:
        Scalar.
    """
    student = student_logits.float().log_softmax(-1)
    others = student.scatter(-1, teacher.tokens, -torch.inf).logsumexp(-1)  # log(1 - sum q), [positions]
    kept = teacher.log_probabilities.exp()  # [positions, k]
    rest = (1 - kept.sum(-1)).clamp(min=0)  # [positions]
    each = -(kept * student.gather(-1, teacher.tokens)).sum(-1) - rest * others.clamp(min=-1e4)
    return each.mean()
