"""Mean absolute difference of scaled logits."""

from __future__ import annotations

from torch import Tensor


def distance(student: Tensor, teacher: Tensor, possible: Tensor | None) -> Tensor:
    """The absolute difference of the logits, in the mean over the classes: mean_c |z_s - z_t|_c.

    Example: z_s = (0, 0), z_t = (1, 3): (1 + 3) / 2 = 2.

    Args:
        student: Logits over their temperature, z_s [..., classes].
        teacher: Likewise, z_t [..., classes].
        possible: As of `soft_label_loss`. Impossible classes do not differ, and the mean is over the others.

    Returns:
        [...].
    """
    different = (student - teacher).abs()
    return different.mean(-1) if possible is None else different.sum(-1) / possible.sum(-1)
