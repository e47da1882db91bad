"""Attention that is kept of a few test examples: which ones, whose, and that keeping it changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from trials.networks.transformers_network import TransformersNetwork
from trials.specs.trial import Precision
from trials.teachers.attention_examples import ExampleAttention, example_rows
from trials.teachers.attention_maps import example_attention
from trials.teachers.outputs import Teacher

CPU = torch.device("cpu")


def teacher_of(tiny):
    spec = tiny.trial()
    return Teacher.open(spec.teacher_fingerprint, spec.triple.dataset, spec.data_fingerprint, tiny.workspace)


def eager_maps(folder, split, row):
    """Transformers' own: [layers, heads, tokens, tokens]."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        return torch.stack(model(**split.batch(np.array([row]), CPU), output_attentions=True).attentions, 1)[0].numpy()


def test_the_first_examples_of_moderate_length_are_shown():
    assert example_rows([3, 8, 60, 24, 25, 10, 12]).tolist() == [1, 3, 5]
    # Too few: those that are nearest to it, in the order of the data
    assert example_rows([40, 30, 9, 6]).tolist() == [1, 2, 3]
    assert example_rows([5]).tolist() == [0]


def test_what_was_written_is_read_again(tmp_path):
    maps = tuple(np.random.default_rng(length).random((2, 3, length, length)).astype(np.float16) for length in (4, 2))
    kept = ExampleAttention(np.array([5, 9]), maps, (("a", "b", "##c", "d"), ("e", "f")))
    for each in (kept, replace(kept, tokens=())):
        each.write(tmp_path / "kept.npz")
        found = ExampleAttention.read(tmp_path / "kept.npz")
        assert found.tokens == each.tokens
        assert found.rows.tolist() == [5, 9]
        for own, other in zip(found.maps, maps, strict=True):
            np.testing.assert_array_equal(own, other)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.npz"]


def test_what_is_no_such_file_is_nothing(tmp_path):
    (tmp_path / "torn.npz").write_bytes(b"PK torn")
    np.savez(tmp_path / "other.npz", rows=np.array([1]))
    assert [ExampleAttention.read(tmp_path / f"{name}.npz") for name in ("none", "torn", "other")] == [None] * 3


def test_networks_show_what_transformers_shows(tiny):
    teacher = teacher_of(tiny)
    split = teacher.data.splits["test"]
    found = example_attention(
        TransformersNetwork.open(teacher.folder, Precision.FP32), split
    )  # of itself it keeps no attention
    for row, maps in zip(found.rows, found.maps, strict=True):
        np.testing.assert_allclose(maps, eager_maps(teacher.folder, split, row), atol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_trials_keep_their_attention_and_their_numbers(weight, tiny):
    spec = tiny.trial(attention_weight=weight, seed=21 + int(weight))
    file = tiny.workspace.attention(spec.trial_id)
    plain = tiny.run(spec)
    assert not file.exists()
    shown = tiny.run(spec, show_attention=True)
    assert (shown.curve, shown.test_score) == (plain.curve, plain.test_score)

    # The student's maps: its layers and heads, distributions over the example's tokens
    teacher = teacher_of(tiny)
    split = teacher.data.splits["test"]
    found = ExampleAttention.read(file)
    assert found.rows.tolist() == example_rows(split.lengths).tolist()
    for row, maps in zip(found.rows, found.maps, strict=True):
        length = int(split.lengths[row])
        assert maps.shape == (2, 4, length, length)
        np.testing.assert_allclose(maps.astype(np.float64).sum(-1), 1, atol=2e-3)

    # The teacher's, with tokens: those of Transformers
    taught = ExampleAttention.read(tiny.workspace.teacher_attention(spec.teacher_fingerprint, spec.data_fingerprint))
    assert taught.rows.tolist() == found.rows.tolist()
    for row, maps, tokens in zip(taught.rows, taught.maps, taught.tokens, strict=True):
        assert len(tokens) == split.lengths[row]
        assert tokens[0] == "[CLS]"
        np.testing.assert_allclose(maps, eager_maps(teacher.folder, split, row), atol=1e-3)
