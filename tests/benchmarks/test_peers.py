"""The peers do the work that kdstudy does."""

from __future__ import annotations

import pytest
import torch

from benchmarks.peer_idiomatic import distillation_loss
from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.tasks.classification import Classification


@pytest.mark.parametrize("temperature", [1.0, 4.0, 16.0])
def test_distillation_loss_is_kdstudys(temperature):
    torch.manual_seed(0)
    student, teacher = torch.randn(8, 3, requires_grad=True), torch.randn(8, 3)
    configuration = Configuration(
        distance=Distance.CE,
        teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE,
        student_temperature=StudentTemperature.EQUAL,
        soft_label_weight=1.0,
        temperature=temperature,
        learning_rate=1e-4,
    )
    targets = {"labels": torch.zeros(8, dtype=torch.int64)}
    ours = Classification().kd_loss(student, teacher, targets, configuration)
    theirs = distillation_loss(student, teacher, temperature)
    torch.testing.assert_close(theirs, ours)
    gradients = [torch.autograd.grad(loss, student)[0] for loss in (theirs, ours)]
    torch.testing.assert_close(*gradients)
