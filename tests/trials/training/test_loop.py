"""The training loop: reproducible, resumable to the bit, honest about NaN."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from trials.specs.trial import TrainingRecipe
from trials.training import interruption as leaving
from trials.training.checkpoints import CheckpointFile
from trials.training.interruption import Interrupted
from trials.training.loop import learning_rate_factor, train
from trials.training.training_run import (
    HIGHEST_SCORE,
    LOWEST_LOSS,
    Batch,
    TrainingRun,
    TrialFailed,
    Validation,
    set_weights,
    weights_of,
)

ROWS = 40
FEATURES = torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(1))
LABELS = (FEATURES.sum(1) > 0).long()


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.3), nn.ReLU(), nn.Linear(8, 2))


def draw(rows):
    return Batch(FEATURES[rows], LABELS[rows], len(rows))


def evaluate(model):
    model.eval()
    with torch.no_grad():
        logits = model(FEATURES)
    return float((logits.argmax(1) == LABELS).float().mean()), float(nn.functional.cross_entropy(logits, LABELS))


def run(
    path,
    *,
    draw=draw,
    loss=nn.functional.cross_entropy,
    evaluate=evaluate,
    every=None,
    recipe=None,
    selections=(HIGHEST_SCORE, LOWEST_LOSS),
):
    model = network()
    single = TrainingRun(model, loss, lambda: Validation(*evaluate(model)), 0.02, CheckpointFile(path, every))
    recipe = recipe or TrainingRecipe(epochs=4, batch_size=7, evaluate_every=5)
    train([single], draw, num_examples=ROWS, recipe=recipe, seed=13, selections=selections)
    if single.failure:
        raise single.failure
    return model, single.result


@pytest.mark.parametrize("kill_at", [1, 5, 6, 14, 23])
def test_train_killed_and_resumed_ends_bit_for_bit_like_undisturbed(tmp_path, kill_at):
    calls = 0

    def deadly(rows):
        nonlocal calls
        calls += 1
        if calls == kill_at + 1:
            raise Killed
        return draw(rows)

    undisturbed, expected = run(tmp_path / "a.safetensors")
    with pytest.raises(Killed):
        run(tmp_path / "b.safetensors", draw=deadly, every=0)
    steps = []

    def counting(rows):
        steps.append(len(rows))
        return draw(rows)

    resumed, result = run(tmp_path / "b.safetensors", draw=counting, every=0)
    # It went on from where it was, and did not start anew
    assert len(steps) == 24 - kill_at
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert [p.model_dump() for p in result.curve] == [p.model_dump() for p in expected.curve]
    assert result.best == expected.best
    for name, weights in expected.weights.items():
        assert all(torch.equal(value, result.weights[name][key]) for key, value in weights.items())
    assert result.examples_seen == expected.examples_seen == 4 * ROWS


def test_train_that_is_asked_to_leave_saves_its_state_first(tmp_path, monkeypatch):
    calls = []

    def asked(rows):
        calls.append(len(rows))
        if len(calls) == 14:
            monkeypatch.setattr("trials.training.loop.interrupt_requested", lambda: True)
        return draw(rows)

    undisturbed, expected = run(tmp_path / "a.safetensors")
    with pytest.raises(Interrupted):
        run(tmp_path / "b.safetensors", draw=asked, every=3600)
    assert len(calls) == CheckpointFile(tmp_path / "b.safetensors").step == 14
    monkeypatch.undo()
    resumed, result = run(tmp_path / "b.safetensors")
    for name, value in undisturbed.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert result.best == expected.best


def test_process_learns_that_it_is_asked_to_leave(monkeypatch):
    monkeypatch.setattr(leaving, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(leaving, "_asked", threading.Event())
    answers = iter([False, ConnectionError("the head is away"), False, True])

    def ask() -> bool:
        if isinstance(answer := next(answers), Exception):
            raise answer
        return answer

    leaving.watch_for_interrupt(ask)
    assert leaving._asked.wait(10)
    assert leaving.interrupt_requested()


def test_tied_weights_are_kept_and_saved_once(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embeddings = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5)
            self.head.weight = self.embeddings.weight
            self.register_buffer("shift", torch.ones(5))

    torch.manual_seed(1)
    one, other = Tied(), Tied()
    weights = weights_of(one)
    assert set(weights) == {"embeddings.weight", "head.bias", "shift"}
    set_weights(other, weights)
    assert other.head.weight is other.embeddings.weight
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


def test_train_with_an_unreadable_checkpoint_starts_anew(tmp_path):
    (tmp_path / "c.safetensors").write_bytes(b"torn")
    _, result = run(tmp_path / "c.safetensors")
    assert result.examples_seen == 4 * ROWS


def test_train_is_a_function_of_its_seed(tmp_path):
    one, two = run(tmp_path / "a")[0], run(tmp_path / "b")[0]
    assert all(torch.equal(value, two.state_dict()[name]) for name, value in one.state_dict().items())


def test_train_sees_every_row_once_an_epoch(tmp_path):
    seen = []

    def recording(rows):
        seen.extend(rows.tolist())
        return draw(rows)

    run(tmp_path / "a", draw=recording)
    epochs = [seen[start : start + ROWS] for start in range(0, len(seen), ROWS)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(ROWS))] * 4
    # Orders differ between epochs
    assert epochs[0] != epochs[1]


def test_train_selects_the_first_of_equal_scores_and_keeps_those_weights(tmp_path):
    scores = iter([(0.5, 0.9), (0.8, 0.7), (0.8, 0.2), (0.6, 0.4), (0.1, 0.3)])
    snapshots = []

    def scripted(model):
        snapshots.append({name: value.clone() for name, value in model.state_dict().items()})
        return next(scores)

    _, result = run(tmp_path / "a", evaluate=scripted)
    assert result.best == {"highest_score": 1, "lowest_loss": 2}
    for name, index in result.best.items():
        assert all(torch.equal(value, result.weights[name][key]) for key, value in snapshots[index].items())


def test_train_stops_early_after_patience_without_a_better_score(tmp_path):
    recipe = TrainingRecipe(epochs=10, batch_size=8, evaluate_every="epoch", early_stopping=2)
    scores = iter([0.5, 0.7, 0.7, 0.6, 0.9])
    _, result = run(tmp_path / "a", evaluate=lambda model: (next(scores), 1.0), recipe=recipe)
    assert [point.validation_score for point in result.curve] == [0.5, 0.7, 0.7, 0.6]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_train_fails_on_a_bad_loss_or_score_and_names_the_step(tmp_path, bad):
    with pytest.raises(TrialFailed, match=r"training loss is (nan|inf) at step 5"):
        run(tmp_path / "a", loss=lambda logits, labels: nn.functional.cross_entropy(logits, labels) * bad)
    with pytest.raises(TrialFailed, match=r"validation score is (nan|inf) at step 5"):
        run(tmp_path / "b", evaluate=lambda model: (bad, 1.0))


@given(st.integers(1, 500), st.floats(0, 0.9))
def test_rate_rises_then_falls_inside_zero_and_one(total, warmup):
    recipe = TrainingRecipe(warmup_fraction=warmup)
    factors = np.array([learning_rate_factor(step, total, recipe) for step in range(total)])
    assert (factors > 0).all()
    assert (factors <= 1).all()
    peak = int(factors.argmax())
    assert (np.diff(factors[: peak + 1]) >= 0).all()
    assert (np.diff(factors[peak:]) <= 0).all()


def test_rate_without_decay_stays_at_its_peak():
    recipe = TrainingRecipe(warmup_fraction=0.2, decay=False)
    factors = [learning_rate_factor(step, 10, recipe) for step in range(10)]
    assert factors == [pytest.approx(1 / 3), pytest.approx(2 / 3), *[1.0] * 8]
