"""Cross-entropy with the teacher's likeliest class (D, section 4.1)."""

from __future__ import annotations

from torch import Tensor


def distance(student: Tensor, teacher: Tensor, possible: Tensor | None) -> Tensor:
    """The cross-entropy of the student's distribution against the class that the teacher would answer.

    At each position::

        -log_softmax(z_s)_c at c = argmax_c z_t

    Example: z_s = (0, 0), z_t = (0, 5): the class is the second one: ln 2.

    Args:
        student: Logits, z_s [..., classes].
        teacher: Likewise, z_t [..., classes].
        possible: As of `soft_label_loss`; impossible classes have no probability already.

    Returns:
        [...].
    """
    return -student.log_softmax(-1).gather(-1, teacher.argmax(-1, keepdim=True)).squeeze(-1)
