"""Losses between the insides of two networks, in float64, against slow and obvious code."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine
from scipy.special import rel_entr

from trials.losses.layer_losses import attention_loss, cosine_loss, hidden_state_loss, query_weights

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
SEEDS = st.integers(0, 99)


def scores(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def padded(raw: torch.Tensor, lengths: list[int], length: int) -> torch.Tensor:
    """Scores [r, layers, heads, l, l] among padding up to a length; -inf at padded keys, noise at padded queries."""
    whole = torch.full((*raw.shape[:3], length, length), 3.0, dtype=raw.dtype)
    own = raw.shape[-1]
    whole[..., :own, :own] = raw
    for row, tokens in enumerate(lengths):
        whole[row, ..., tokens:] = -torch.inf
    return whole


def groups(lengths: list[int], length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logarithms of a student, probabilities of a teacher and weights, of one group."""
    shape = (len(lengths), 2, 3, max(lengths), max(lengths))
    student, teacher = (padded(scores(shape, seed + add), lengths, length) for add in (0, 100))
    weights = query_weights(torch.tensor(lengths, dtype=torch.float64), length, len(lengths))
    return student, teacher.softmax(-1), weights


def oracle(student: np.ndarray, teacher: np.ndarray, lengths: list[int]) -> float:
    """C's equation 2, row by row, layer by layer, head by head, token by token."""
    of_rows = []
    for row, length in enumerate(lengths):
        found = []
        for layer in range(student.shape[1]):
            for head in range(student.shape[2]):
                for query in range(length):
                    own, other = (maps[row, layer, head, query, :length] for maps in (student, teacher))
                    found.append(rel_entr(other, own).sum())
        of_rows.append(np.mean(found))
    return float(np.mean(of_rows))


@settings(deadline=None)
@given(LENGTHS, st.integers(0, 4), SEEDS)
def test_attention_loss_is_that_of_the_equation_however_much_is_padded(lengths, more, seed):
    length = max(lengths) + more
    student, teacher, weights = groups(lengths, length, seed)
    found = attention_loss([student.log_softmax(-1)], [teacher], [weights])
    expected = oracle(student.softmax(-1).numpy(), teacher.numpy(), lengths)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(LENGTHS, SEEDS)
def test_attention_loss_and_gradient_are_padding_invariant(lengths, seed):
    found = []
    for more in (0, 7):
        student, teacher, weights = groups(lengths, max(lengths) + more, seed)
        student.requires_grad_()
        loss = attention_loss([student.log_softmax(-1)], [teacher], [weights])
        loss.backward()
        assert student.grad.isfinite().all()
        own = max(lengths)
        found.append((loss.detach(), student.grad[..., :own, :own]))
        assert student.grad[..., own:, :].abs().sum() == student.grad[..., own:].abs().sum() == 0
    torch.testing.assert_close(found[0], found[1])


def test_attention_loss_of_groups_is_that_of_all_rows_together():
    lengths = [2, 5, 3]
    student, teacher, weights = groups(lengths, 5, seed=3)
    whole = attention_loss([student.log_softmax(-1)], [teacher], [weights])
    parts = [[each[rows] for rows in ([0, 2], [1])] for each in (student.log_softmax(-1), teacher, weights)]
    torch.testing.assert_close(attention_loss(*parts), whole)


def test_attention_loss_has_the_documented_value():
    student = torch.tensor([[[[[0.25, 0.75]] * 2]]], dtype=torch.float64).log()
    teacher = torch.full((1, 1, 1, 2, 2), 0.5, dtype=torch.float64)
    found = attention_loss([student], [teacher], [query_weights([2], 2, 1).double()])
    assert found.item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert found.item() == pytest.approx(0.1438, abs=5e-5)


def test_attention_gradient_is_right_by_finite_differences():
    student, teacher, weights = groups([2, 3], 3, seed=1)
    finite = torch.where(student.isinf(), torch.zeros_like(student), student).requires_grad_()
    hidden = student.isinf()

    def loss(raw):
        return attention_loss([raw.masked_fill(hidden, -torch.inf).log_softmax(-1)], [teacher], [weights])

    assert torch.autograd.gradcheck(loss, finite)


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(2, 6), SEEDS)
def test_losses_of_states_are_the_obvious_ones(rows, layers, width, seed):
    student, teacher = scores((rows, layers, width), seed), scores((rows, layers, width), seed + 100)
    pairs = [(student[r, k].numpy(), teacher[r, k].numpy()) for r in range(rows) for k in range(layers)]
    assert cosine_loss(student, teacher).item() == pytest.approx(np.mean([cosine(*pair) for pair in pairs]), abs=1e-9)
    expected = np.mean([np.square(own - other).mean() for own, other in pairs])
    assert hidden_state_loss(student, teacher).item() == pytest.approx(expected)


def test_equal_insides_lose_nothing_and_teach_the_student_only():
    states = scores((3, 2, 4), 1).requires_grad_()
    other = scores((3, 2, 4), 2).requires_grad_()
    assert cosine_loss(states, states).item() == pytest.approx(0, abs=1e-12)
    assert hidden_state_loss(states, states).item() == 0
    student, _, weights = groups([3, 2], 4, seed=2)
    assert attention_loss([student.log_softmax(-1)], [student.softmax(-1)], [weights]).item() == pytest.approx(0)
    (cosine_loss(states, other) + hidden_state_loss(states, other)).backward()
    assert other.grad is None
    assert states.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(cosine_loss, (states, other.detach()))
