"""Attention beside the teacher's: divergences, which head is shown, and what is left out where nothing was kept."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from analysed import analyse
from scipy.stats import entropy
from simulated_experiments import (
    EXAMPLES,
    LAYERS,
    teacher_map,
    write_attention,
)

from analysis.internals.attention import head_divergences
from analysis.internals.figures import side_by_side
from analysis.internals.findings import attention_triples, largest_students
from analysis.report.report import write_report
from search_spaces.layer_maps import layer_map
from trials.specs.records import TrialRecord
from trials.storage.workspace import Workspace


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_attention(records, folder)
    return folder


def test_divergence_is_that_of_equation_2():
    teacher, student = np.full((3, 2, 2), 0.5), np.broadcast_to([0.25, 0.75], (3, 2, 2))
    example = 0.5 * math.log(2) + 0.5 * math.log(2 / 3)
    np.testing.assert_allclose(head_divergences(teacher, student), [example] * 3)
    # What a student does not look at at all is finite in half precision
    assert np.isfinite(head_divergences(teacher, np.broadcast_to([0.0, 1.0], (3, 2, 2)))).all()


def from_uniform(example: int, layer: int, head: int) -> float:
    """Of the teacher's head to uniform attention: the logarithm of its tokens less the entropy, mean over rows."""
    rows = teacher_map(example)[layer - 1, head].astype(float)
    return float(np.mean(np.log(rows.shape[0]) - entropy(rows, axis=1)))


def test_means_are_over_examples_matched_layers_and_heads(study, findings):
    triple = findings.experiments[0]
    pairs = layer_map("uniform", triple.outcome.triple.student.layers, LAYERS)
    every = [from_uniform(at, layer, head) for at in range(len(EXAMPLES)) for _, layer in pairs for head in (0, 1)]
    assert triple.attention.divergences["exp2.0"] == pytest.approx(np.mean(every), rel=2e-3)
    own = [from_uniform(at, LAYERS, 0) for at in range(len(EXAMPLES))]  # one head in all differs
    assert triple.attention.divergences["exp3.0"] == pytest.approx(np.sum(own) / len(every), rel=2e-3)
    assert triple.attention.divergences["exp3.1"] == triple.attention.divergences["exp2.0"]
    assert set(triple.attention.divergences) == set(study.space.named())
    assert triple.attention.closer == pytest.approx(1 - 2 / len(every))


def test_shown_is_the_head_in_which_students_differ_most(findings):
    attention = findings.experiments[0].attention
    view = attention.view
    assert attention.first == "exp2.0"
    validation = {each.name: each.validation for each in findings.experiments[0].experiments}
    assert validation[attention.other] == max(validation[f"exp3.{number}"] for number in (0, 2, 3, 4, 5, 6))
    assert view.seed == 14  # the first that was kept
    pairs = layer_map("uniform", findings.experiments[0].outcome.triple.student.layers, LAYERS)
    gaps = {
        (at, own, layer, head + 1): from_uniform(at, layer, head)
        for at in range(len(EXAMPLES))
        for own, layer in pairs
        for head in (0, 1)
        if (layer, head) != (LAYERS, 0)  # where both are alike
    }
    example, *place = max(gaps, key=gaps.get)
    assert [view.layer, view.teacher_layer, view.head] == place
    assert view.tokens == EXAMPLES[example]
    assert view.divergences == pytest.approx((max(gaps.values()), 0), abs=2e-3)
    np.testing.assert_array_equal(view.after, teacher_map(example)[view.teacher_layer - 1, view.head - 1])
    np.testing.assert_array_equal(view.teacher, view.after)
    assert not np.array_equal(view.before, view.teacher)


def test_figure_has_teacher_and_students_of_each_data_set(findings):
    triples = largest_students(attention_triples(findings.results))
    drawn = side_by_side(triples)
    assert len(triples) == 2  # of two students of one data set the larger
    assert len(drawn.data) == 2 * 3
    view = triples[0].attention.view
    for trace, expected in zip(drawn.data, (view.teacher, view.before, view.after), strict=False):
        np.testing.assert_array_equal(trace.z, expected)
    assert tuple(drawn.layout.xaxis.ticktext) == view.tokens  # one of which stands there twice
    titles = " ".join(each.text for each in drawn.layout.annotations)
    assert f"KL {view.divergences[0]:.3f}" in titles


def test_report_shows_attention_where_it_was_kept(study, records, folder, tmp_path):
    page = write_report(study, records, (), tmp_path / "with", formats=(), folder=folder).read_text()
    assert "Do students attend to what their teacher attends to?" in page
    assert "mean divergence" in page
    without = write_report(study, records, (), tmp_path / "without", formats=(), folder=tmp_path).read_text()
    assert "Do students attend" not in without


def test_students_of_other_examples_than_their_teacher_are_left_out(study, records, folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path)
    first = next(each for each in records if isinstance(each, TrialRecord) and each.spec.seed == 14)
    workspace.attention(first.record_id).write_bytes(b"torn")
    shown = next(
        each
        for each in analyse(study, records, folder=tmp_path).experiments
        if each.triple_id == first.spec.triple.triple_id
    )
    assert shown.attention is not None  # another seed
    for file in tmp_path.glob("predictions/*-*.npz"):
        np.savez(file, rows=np.array([1]), map0=teacher_map(0), tokens0=np.array(EXAMPLES[0]))
    assert all(each.attention is None for each in analyse(study, records, folder=tmp_path).experiments)
