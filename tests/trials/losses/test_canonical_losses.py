"""The canonical form against the losses: what it merges has equal losses and gradients, what it does not differs."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.tasks.classification import Classification

ROWS, CLASSES = 5, 4
OF_LOGITS = [distance for distance in Distance if not distance.by_regression]

configurations = st.builds(
    Configuration,
    distance=st.sampled_from(OF_LOGITS),
    teacher_checkpoint=st.sampled_from(TeacherCheckpoint),
    student_temperature=st.sampled_from(StudentTemperature),
    soft_label_weight=st.sampled_from([0.0, 0.3, 1.0]) | st.floats(0, 1),
    temperature=st.sampled_from([1.0, 2.0, 64.0]) | st.floats(1, 64),
    learning_rate=st.just(1e-4),
)


class Batch:
    """Logits of a student, of the teacher's two checkpoints, and labels."""

    def __init__(self, seed: int, *, one_checkpoint: bool = False):
        generator = torch.Generator().manual_seed(seed)
        shape = (ROWS, CLASSES)
        self.student = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        best = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        other = best if one_checkpoint else 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
        self.teachers = {TeacherCheckpoint.HIGHEST_SCORE: best, TeacherCheckpoint.LOWEST_LOSS: other}
        self.labels = torch.randint(CLASSES, (ROWS,), generator=generator)

    def loss_and_gradient(self, configuration: Configuration) -> tuple[Tensor, Tensor]:
        logits = self.student.clone().requires_grad_()
        teacher = self.teachers[configuration.teacher_checkpoint]
        loss = Classification().kd_loss(logits, teacher, {"labels": self.labels}, configuration)
        return loss.detach(), torch.autograd.grad(loss, logits)[0]


@settings(deadline=None)
@given(configurations, st.integers(0, 1000), st.booleans())
def test_canonical_form_has_equal_loss_and_gradient(configuration: Configuration, seed: int, one: bool) -> None:
    batch = Batch(seed, one_checkpoint=one)
    loss, gradient = batch.loss_and_gradient(configuration)
    same_loss, same_gradient = batch.loss_and_gradient(configuration.canonical(one_checkpoint=one))
    torch.testing.assert_close(same_loss, loss, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(same_gradient, gradient, rtol=1e-9, atol=1e-12)


def test_configurations_that_are_not_merged_have_different_gradients() -> None:
    batch = Batch(0)
    grid = itertools.product(
        OF_LOGITS, TeacherCheckpoint, StudentTemperature, [0.0, 0.5, 1.0], [1.0, 2.0, 4.0, 16.0], [1e-4]
    )
    distinct = {Configuration(*values).canonical() for values in grid}
    # per alpha above 0 and checkpoint: CE at 4 temperatures and 3 with ts = 1, MSE once and 3 with ts = 1, hard once
    assert len(distinct) == 2 * 2 * (4 + 3 + 1 + 3 + 1) + 1
    gradients = {configuration: batch.loss_and_gradient(configuration)[1] for configuration in distinct}
    for (a, first), (b, second) in itertools.combinations(gradients.items(), 2):
        assert not torch.allclose(first, second, rtol=1e-3, atol=1e-6), f"{a} and {b} should have been merged"
