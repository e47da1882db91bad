from __future__ import annotations

import itertools

import pytest
from analysed import OF_CHOICES, analyse
from hypothesis import given
from hypothesis import strategies as st
from known_studies import finished, small_study
from simulation import hashed_score, make_study

from analysis.presentation.style import spread


@pytest.fixture(scope="module")
def findings():
    study = make_study()
    return analyse(study, finished(study, hashed_score))


@pytest.mark.parametrize("name", OF_CHOICES)
def test_every_figure_is_drawn_from_data(name, findings):
    answer = findings.section(name)
    figure = answer.figure()
    assert len(figure.data) > 0
    assert figure.layout.height
    assert answer.section.reading(answer.result)


@pytest.mark.parametrize("name", OF_CHOICES)
def test_a_figure_without_data_says_so(name):
    answer = analyse(small_study(), []).section(name)
    figure = answer.figure()
    assert [note.text for note in figure.layout.annotations] == ["No data yet"]
    assert answer.section.reading(answer.result) is None


@pytest.mark.parametrize("cut", [2, 4, 8, 14, 25])
def test_figures_of_a_running_study(cut):
    study = small_study()
    findings = analyse(study, finished(study, hashed_score)[:cut])
    for name in OF_CHOICES:
        answer = findings.section(name)
        assert answer.figure() is not None
        answer.section.reading(answer.result)


def test_decile_lines_show_the_deciles(findings):
    figure = findings.section("fig1_cost_of_choices").figure()
    lines = {trace.name: trace for trace in figure.data if trace.name}
    assert tuple(lines["over the worst"].y) == findings.best_over_worst.deciles
    assert tuple(lines["over a random one"].y) == findings.best_over_random.deciles


def test_missing_triples_are_counted_at_the_line():
    study = small_study()
    findings = analyse(study, finished(study)[:16])  # two of the four triples have compared distances
    figure = findings.section("fig2_parameters").figure()
    labels = " ".join(note.text for note in figure.layout.annotations)
    missing = [effect.comparison.num_missing for effect in findings.effects if effect.comparison.values]
    assert any(missing)
    assert all(f"{number} missing" in labels for number in missing if number)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.floats(0.01, 0.5))
def test_labels_keep_their_order_and_distance(heights, gap):
    placed = spread(heights, gap)
    by_height = [placed[index] for index in sorted(range(len(heights)), key=heights.__getitem__)]
    assert all(upper - lower >= gap - 1e-9 for lower, upper in itertools.pairwise(by_height))
    assert sum(placed) == pytest.approx(sum(heights))
