"""The KD objective against independent oracles, on values and on gradients, in float64."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.losses import distances
from trials.losses.distillation import hard_label_loss, soft_label_loss
from trials.tasks.classification import Classification

OF_LOGITS = [distance for distance in Distance if not distance.by_regression]

DISTANCES = Path(distances.__file__).parent

TEMPERATURES = st.sampled_from([0.5, 1.0, 2.0, 7.0, 16.0])
SHAPES = st.tuples(st.integers(1, 5), st.integers(2, 6))


def logits(shape: tuple[int, ...], seed: int, scale: float = 4.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradient(loss, student: torch.Tensor) -> torch.Tensor:
    student = student.clone().requires_grad_()
    loss(student).backward()
    return student.grad


@settings(deadline=None)
@given(SHAPES, TEMPERATURES, TEMPERATURES, st.integers(0, 99))
def test_ce_equals_cross_entropy_with_probability_targets(shape, ts, tt, seed):
    student, teacher = logits(shape, seed), logits(shape, seed + 100)
    loss = soft_label_loss(student, teacher, distance="ce", student_temperature=ts, teacher_temperature=tt)
    oracle = ts**2 * F.cross_entropy(student / ts, (teacher / tt).softmax(-1))
    torch.testing.assert_close(loss, oracle, rtol=1e-10, atol=1e-12)


@settings(deadline=None)
@given(SHAPES, TEMPERATURES, TEMPERATURES, st.integers(0, 99))
def test_ce_minus_entropy_is_kl_by_scipy(shape, ts, tt, seed):
    student, teacher = logits(shape, seed), logits(shape, seed + 100)
    p, q = softmax(teacher.numpy() / tt, axis=-1), softmax(student.numpy() / ts, axis=-1)
    entropy = -(p * np.log(p)).sum(-1).mean()
    loss = soft_label_loss(student, teacher, distance="ce", student_temperature=ts, teacher_temperature=tt)
    assert float(loss) / ts**2 - entropy == pytest.approx(rel_entr(p, q).sum(-1).mean(), abs=1e-9)


@settings(deadline=None)
@given(SHAPES, TEMPERATURES, TEMPERATURES, st.integers(0, 99))
def test_ce_gradient_is_ts_times_difference_of_softmaxes(shape, ts, tt, seed):
    # d/dz_s of ts^2 CE = ts (q - p), averaged over rows: the closed form, not autograd's
    student, teacher = logits(shape, seed), logits(shape, seed + 100)
    found = gradient(
        lambda z: soft_label_loss(z, teacher, distance="ce", student_temperature=ts, teacher_temperature=tt), student
    )
    q, p = softmax(student.numpy() / ts, axis=-1), softmax(teacher.numpy() / tt, axis=-1)
    np.testing.assert_allclose(found.numpy(), ts * (q - p) / shape[0], rtol=1e-8, atol=1e-12)


@settings(deadline=None)
@given(SHAPES, TEMPERATURES, TEMPERATURES, st.integers(0, 99))
def test_mse_equals_mean_over_rows_and_classes(shape, ts, tt, seed):
    student, teacher = logits(shape, seed), logits(shape, seed + 100)
    loss = soft_label_loss(student, teacher, distance="mse", student_temperature=ts, teacher_temperature=tt)
    oracle = ts**2 * F.mse_loss(student / ts, teacher / tt)
    torch.testing.assert_close(loss, oracle, rtol=1e-10, atol=1e-12)


def test_each_distance_has_the_file_of_its_name():
    assert {file.stem for file in DISTANCES.glob("[a-z]*.py")} == set(OF_LOGITS)


@pytest.mark.parametrize("distance", OF_LOGITS)
@pytest.mark.parametrize(("ts", "tt"), [(1.0, 1.0), (1.0, 16.0), (4.0, 4.0)])
def test_gradcheck(distance, ts, tt):
    teacher = logits((3, 4), 1)
    student = logits((3, 4), 2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: soft_label_loss(z, teacher, distance=distance, student_temperature=ts, teacher_temperature=tt),
        student,
    )


def test_gradients_keep_their_size_across_temperatures():
    # With ts = tt the gradient neither vanishes like 1/t nor grows; with ts = 1 no factor tt^2 may creep in
    student, teacher = logits((64, 3), 1, scale=1.0), logits((64, 3), 2, scale=1.0)

    def size(ts: float, tt: float) -> float:
        return float(
            gradient(
                lambda z: soft_label_loss(z, teacher, distance="ce", student_temperature=ts, teacher_temperature=tt),
                student,
            ).norm()
        )

    assert 0.3 < size(16, 16) / size(1, 1) < 3
    assert 0.3 < size(1, 16) / size(1, 1) < 3


def test_worked_example_of_the_docstring():
    student = torch.zeros(1, 2)
    teacher = torch.tensor([[0.0, 2 * math.log(3)]])
    loss = soft_label_loss(student, teacher, distance="ce", student_temperature=2, teacher_temperature=2)
    assert float(loss) == pytest.approx(4 * math.log(2), rel=1e-6)


@pytest.mark.parametrize(
    ("distance", "teacher", "expected"),
    [
        ("ce", [0.0, math.log(3)], math.log(2)),
        ("mse", [1.0, 3.0], 5.0),
        ("hard", [0.0, 5.0], math.log(2)),
    ],
)
def test_worked_examples_of_the_distances(distance, teacher, expected):
    student, teacher = torch.zeros(1, 2), torch.tensor([teacher])
    loss = soft_label_loss(student, teacher, distance=distance, student_temperature=1, teacher_temperature=1)
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("distance", OF_LOGITS)
def test_mask_leaves_padding_out_of_value_and_gradient(distance):
    # The same rows padded from 3 to 5 positions, with NaN in the padding, give equal loss and gradients
    short_s, short_t = logits((2, 3, 4), 1), logits((2, 3, 4), 2)
    long_s = torch.cat([short_s, torch.full((2, 2, 4), 9.0, dtype=torch.float64)], 1)
    long_t = torch.cat([short_t, torch.full((2, 2, 4), 1e9, dtype=torch.float64)], 1)
    mask = torch.tensor([[1, 1, 1, 0, 0]] * 2)

    def loss(z, t, m=None):
        return soft_label_loss(z, t, distance=distance, student_temperature=2, teacher_temperature=3, mask=m)

    torch.testing.assert_close(loss(long_s, long_t, mask), loss(short_s, short_t), rtol=1e-12, atol=0)
    padded = gradient(lambda z: loss(z, long_t, mask), long_s)
    torch.testing.assert_close(padded[:, :3], gradient(lambda z: loss(z, short_t), short_s), rtol=1e-12, atol=0)
    assert not padded[:, 3:].any()


def test_mask_without_a_valid_position_is_zero():
    loss = soft_label_loss(
        logits((2, 3), 1),
        logits((2, 3), 2),
        distance="ce",
        student_temperature=1,
        teacher_temperature=1,
        mask=torch.zeros(2),
    )
    assert float(loss) == 0


def test_extreme_half_precision_logits_stay_finite():
    student = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    for distance in OF_LOGITS:
        loss = soft_label_loss(student, -student, distance=distance, student_temperature=1, teacher_temperature=1)
        assert torch.isfinite(loss)


def test_teacher_gets_no_gradient():
    teacher = logits((2, 3), 1).requires_grad_()
    student = logits((2, 3), 2).requires_grad_()
    soft_label_loss(student, teacher, distance="mse", student_temperature=1, teacher_temperature=1).backward()
    assert teacher.grad is None


@pytest.mark.parametrize(
    ("student", "teacher", "ts", "message"),
    [
        (torch.zeros(2, 3), torch.zeros(2, 4), 1.0, "shape"),
        (torch.zeros(2, 1), torch.zeros(2, 1), 1.0, "two classes"),
        (torch.zeros(2, 3), torch.zeros(2, 3), 0.0, "positive"),
    ],
)
def test_wrong_arguments_are_refused(student, teacher, ts, message):
    with pytest.raises(ValueError, match=message):
        soft_label_loss(student, teacher, distance="ce", student_temperature=ts, teacher_temperature=1)


@settings(deadline=None)
@given(st.sampled_from(OF_LOGITS), st.sampled_from(list(StudentTemperature)), st.floats(0, 1), TEMPERATURES)
def test_kd_loss_is_the_weighted_sum_of_equation_1(distance, student_temperature, alpha, temperature):
    configuration = Configuration(
        distance, TeacherCheckpoint.HIGHEST_SCORE, student_temperature, alpha, temperature, 1e-3
    )
    student, teacher, labels = logits((4, 3), 1), logits((4, 3), 2), torch.tensor([0, 1, 2, 0])
    ts = temperature if student_temperature is StudentTemperature.EQUAL else 1.0
    if distance is Distance.CE:
        soft = F.cross_entropy(student / ts, (teacher / temperature).softmax(-1))
    elif distance is Distance.HARD:
        soft, ts = F.cross_entropy(student, teacher.argmax(-1)), 1.0
    else:
        soft = F.mse_loss(student / ts, teacher / temperature)
    oracle = (1 - alpha) * F.cross_entropy(student, labels) + alpha * ts**2 * soft
    torch.testing.assert_close(
        Classification().kd_loss(student, teacher, {"labels": labels}, configuration), oracle, rtol=1e-10, atol=1e-10
    )


def test_hard_label_loss_is_the_log_likelihood():
    student, labels = logits((5, 3), 3), torch.tensor([0, 1, 2, 1, 0])
    by_hand = -np.log(softmax(student.numpy(), axis=-1)[np.arange(5), labels.numpy()]).mean()
    assert float(hard_label_loss(student, labels)) == pytest.approx(by_hand, rel=1e-12)
