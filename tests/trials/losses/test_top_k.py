"""The likeliest tokens and a bucket for the others: the loss against an obvious oracle, and a trial that learns so."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import made_dataset
from scipy.special import softmax
from tiny import prepare

from trials.losses.distillation import soft_label_loss
from trials.losses.top_k import top_k_loss, top_k_of
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.specs.trial import TrialSpec
from trials.teachers.outputs import Teacher

CPU = torch.device("cpu")
SHAPES = st.tuples(st.integers(1, 5), st.integers(3, 9))


def logits(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return 4 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def oracle(student: np.ndarray, teacher: np.ndarray, k: int) -> float:
    """Buckets counted out, position by position."""
    total = 0.0
    for q, p in zip(softmax(student, axis=-1), softmax(teacher, axis=-1), strict=True):
        kept = np.argsort(-p)[:k]
        total -= sum(p[c] * math.log(q[c]) for c in kept)
        others = [c for c in range(len(p)) if c not in kept]
        total -= sum(p[c] for c in others) * math.log(sum(q[c] for c in others))
    return total / len(student)


@settings(deadline=None)
@given(SHAPES, st.integers(1, 8), st.integers(0, 99))
def test_loss_is_the_cross_entropy_of_buckets(shape, k, seed):
    student, teacher, k = logits(shape, seed), logits(shape, seed + 100), min(k, shape[1] - 1)
    found = float(top_k_loss(student, top_k_of(teacher, k)))
    assert found == pytest.approx(oracle(student.double().numpy(), teacher.double().numpy(), k), rel=1e-4, abs=1e-5)


@settings(deadline=None)
@given(SHAPES, st.integers(1, 8), st.integers(0, 99))
def test_loss_is_at_most_that_over_the_vocabulary(shape, k, seed):
    student, teacher = logits(shape, seed), logits(shape, seed + 100)
    whole = soft_label_loss(student, teacher, distance="ce", student_temperature=1, teacher_temperature=1)
    assert float(top_k_loss(student, top_k_of(teacher, k))) <= float(whole) + 1e-5


@settings(deadline=None)
@given(SHAPES, st.integers(0, 99))
def test_bucket_of_one_token_loses_nothing(shape, seed):
    student, teacher = logits(shape, seed).requires_grad_(), logits(shape, seed + 100)
    whole = soft_label_loss(student, teacher, distance="ce", student_temperature=1, teacher_temperature=1)
    found = top_k_loss(student, top_k_of(teacher, shape[1] - 1))
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(loss, student)[0] for loss in (found, whole)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1e3, 1e5])
def test_loss_and_gradient_stay_finite(size):
    student = torch.tensor([[size, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, size]]).requires_grad_()
    loss = top_k_loss(student, top_k_of(torch.tensor([[size, 0.0, 0.0, 0.0]]).expand(2, 4), 2))
    loss.backward()
    assert math.isfinite(loss.item())
    assert student.grad.isfinite().all()


def test_more_tokens_than_there_are_leave_one_for_the_bucket():
    assert top_k_of(torch.zeros(2, 5), 9).tokens.shape == (2, 4)


def test_trial_learns_from_the_likeliest_tokens(tiny_translator, tmp_path):
    dataset = made_dataset(TaskName.TRANSLATION, tmp_path / "data")
    made = prepare(tiny_translator, tmp_path / "data", tmp_path / "study", dataset=dataset)
    whole = made.trial(soft_label_weight=1.0, temperature=1.0)
    training = whole.training.model_dump() | {"teacher_top_k": 8}
    spec = TrialSpec.model_validate(whole.model_dump() | {"training": training})
    assert spec.trial_id != whole.trial_id

    # What is kept: the likeliest tokens of the exact cache, in order
    teacher = Teacher.open(spec.teacher_fingerprint, dataset, spec.data_fingerprint, made.workspace)
    split, rows = teacher.data.splits["train"], np.array([3, 0, 9])
    kept, exact = (teacher.outputs("train", CPU, top_k=k).of(split, rows, CPU) for k in (8, None))
    assert kept.tokens.equal(top_k_of(exact, 8).tokens)
    torch.testing.assert_close(kept.log_probabilities, top_k_of(exact, 8).log_probabilities, rtol=2e-3, atol=2e-3)

    few, all_ = made.run(spec), made.run(whole)
    assert few.status is Status.COMPLETED, few.reason
    assert few.curve[-1].train_loss < few.curve[0].train_loss
    assert few.curve[-1].validation_loss == pytest.approx(all_.curve[-1].validation_loss, rel=0.05)
