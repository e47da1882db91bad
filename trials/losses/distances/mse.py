"""Mean squared error between scaled logits (A, section 2)."""

from __future__ import annotations

from torch import Tensor


def distance(student: Tensor, teacher: Tensor, possible: Tensor | None) -> Tensor:
    """The squared difference of the logits, in the mean over the classes.

    At each position::

        mean_c (z_s - z_t)_c^2

    Example: z_s = (0, 0), z_t = (1, 3): (1 + 9) / 2 = 5.

    Args:
        student: Logits over their temperature, z_s [..., classes].
        teacher: Likewise, z_t [..., classes].
        possible: As of `soft_label_loss`. Impossible classes do not differ, and the mean is over the others.

    Returns:
        [...].
    """
    squared = (student - teacher).square()
    return squared.mean(-1) if possible is None else squared.sum(-1) / possible.sum(-1)
