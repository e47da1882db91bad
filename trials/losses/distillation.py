"""Terms of the KD loss (A, eq. 1; D, eqs. 5 and 7), computed in float32 log-space; each returns a scalar."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor

from search_spaces import Distance


def soft_label_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    distance: Distance | str,
    student_temperature: float,
    teacher_temperature: float,
    mask: Tensor | None = None,
    class_mask: Tensor | None = None,
) -> Tensor:
    """Distance between teacher and student, times the student's temperature squared (A, eq. 1, L2).

    With z the logits, ts and tt the temperatures, d one of `trials.losses.distances`::

        ts^2 * d(z_s / ts, z_t / tt)

    averaged over the valid positions. The factor keeps gradients comparable across temperatures, both for ts = tt
    (Hinton et al., 2014) and for ts = 1: with the softmaxes q and p, d ce / d z_s = ts * (q - p) in both cases. A
    distance that does not depend on temperatures has both at 1.
    Example: z_s = (0, 0), z_t = (0, 2 ln 3), ts = tt = 2, ce: p = (1/4, 3/4), q = (1/2, 1/2): 4 ln 2 = 2.7726.

    Args:
        student_logits: [..., classes].
        teacher_logits: [..., classes], the same shape; gets no gradient.
        distance: The distance's name.
        student_temperature: ts > 0.
        teacher_temperature: tt > 0.
        mask: [...], true at valid positions; None means that all are valid.
        class_mask: Broadcastable to [..., classes], true at possible classes; None means that all are possible.

    Returns:
        Scalar; zero, not NaN, if no position is valid.

    Raises:
        ValueError: Shapes differ, a temperature is not positive, the distance is ``logits``, or there is only one class
            (a softmax over one logit is constant, so that regression needs another loss).
    """
    if student_logits.shape != teacher_logits.shape:
        raise ValueError(f"logits differ in shape: {tuple(student_logits.shape)}, {tuple(teacher_logits.shape)}")
    if student_logits.shape[-1] < 2:
        raise ValueError("soft labels need at least two classes")
    distance = Distance(distance)
    if distance.by_regression:
        raise ValueError("log-odds are compared by log_odds_loss")
    if student_temperature <= 0 or teacher_temperature <= 0:
        raise ValueError(f"temperatures must be positive: {student_temperature}, {teacher_temperature}")
    if not distance.tempered_at:
        student_temperature = teacher_temperature = 1.0
    student = _at_least_float32(student_logits) / student_temperature
    teacher = _at_least_float32(teacher_logits.detach()) / teacher_temperature
    if class_mask is not None:
        student, teacher = (_only(logits, class_mask) for logits in (student, teacher))
    each = _distance_function(distance)(student, teacher, class_mask)  # [...]
    return student_temperature**2 * _mean(each, mask)


def log_odds_loss(student: Tensor, teacher_logits: Tensor) -> Tensor:
    """Half the squared error between the student's regression and the teacher's log-odds (D, eq. 5).

    ``logit(p_c) = log(p_c / (1 - p_c)) = z_c - logsumexp of the other classes' z``, which is finite for finite logits.

    Args:
        student: Outputs of the regression, [rows, classes].
        teacher_logits: z, [rows, classes]; get no gradient.

    Returns:
        Scalar: averaged over classes ("element-wise mean-squared error") and rows.
    """
    return 0.5 * (_at_least_float32(student) - log_odds(teacher_logits)).square().mean()


def log_odds(logits: Tensor) -> Tensor:
    """log(p / (1 - p)) of softmax probabilities p, [rows, classes]; a single output is returned as it is."""
    logits = _at_least_float32(logits.detach())
    classes = logits.shape[-1]
    if classes == 1:
        return logits
    others = logits[..., None, :].expand(*logits.shape, classes)  # [rows, classes, classes]
    itself = torch.eye(classes, dtype=torch.bool, device=logits.device)
    return logits - others.masked_fill(itself, -torch.inf).logsumexp(-1)


def representation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared error between representations (D, eq. 7).

    Args:
        student: [rows, width], transformed to the teacher's width.
        teacher: [rows, width].

    Returns:
        Scalar: averaged over the width ("element-wise mean-squared error") and rows.
    """
    return 0.5 * (_at_least_float32(student) - teacher).square().mean()


def hard_label_loss(student_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy against human labels, averaged over rows (A, eq. 1, L1).

    Args:
        student_logits: [rows, classes].
        labels: int64 [rows].
    """
    return F.cross_entropy(_at_least_float32(student_logits), labels)


@cache
def _distance_function(distance: Distance) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
    """What computes a distance: it stands in the file that has its name."""
    function: Callable[..., Tensor] = import_module(f"trials.losses.distances.{distance}").distance
    return function


def _only(logits: Tensor, classes: Tensor) -> Tensor:
    """Logits with a large negative value at impossible classes, so that these have no weight."""
    return logits.masked_fill(~classes, -1e4)


def _at_least_float32(logits: Tensor) -> Tensor:
    return logits if logits.dtype is torch.float64 else logits.float()


def _mean(each: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over valid positions. Values at invalid ones, even NaN, affect neither the mean nor the gradient."""
    if mask is None:
        return each.mean()
    return each.masked_fill(~mask.bool(), 0.0).sum() / mask.sum().clamp(min=1)
