"""Cross-entropy between softened distributions (A, section 2)."""

from __future__ import annotations

from torch import Tensor


def distance(student: Tensor, teacher: Tensor, possible: Tensor | None) -> Tensor:
    """The cross-entropy of the student's distribution against the teacher's.

    At each position::

        -sum_c softmax(z_t)_c * log_softmax(z_s)_c

    Example: z_s = (0, 0), z_t = (0, ln 3): the teacher's distribution is (1/4, 3/4), the student's (1/2, 1/2): ln 2.

    Args:
        student: Logits over their temperature, z_s [..., classes].
        teacher: Likewise, z_t [..., classes].
        possible: As of `soft_label_loss`; impossible classes have no probability already.

    Returns:
        [...].
    """
    return -(teacher.softmax(-1) * student.log_softmax(-1)).sum(-1)
