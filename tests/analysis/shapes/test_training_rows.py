from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_b import TASKS, paper_study
from scipy.stats import spearmanr

from analysis.shapes.training_rows import (
    bootstrap_interval,
    influences,
    most_influential,
    permutation_p_value,
    rank_correlation,
    size_effect,
)

PAPER = paper_study()


def test_the_papers_relation_is_weak_with_mnli():
    found = size_effect(PAPER)
    assert found.correlation == pytest.approx(spearmanr(found.training_rows, found.mean_losses).statistic)
    assert found.correlation == pytest.approx(-0.476, abs=1e-3)
    assert (found.low, found.high) == pytest.approx((-0.975, 0.418), abs=1e-3)
    assert found.p_value == pytest.approx(0.243, abs=1e-3)
    assert found.exact


def test_the_papers_relation_is_strong_without_mnli():
    # B, section 5: "Apart from MNLI, there is a direct relation"
    found = size_effect(PAPER, without=("MNLI",))
    assert found.without == ("MNLI",)
    assert found.correlation == pytest.approx(-0.821, abs=1e-3)
    assert (found.low, found.high) == pytest.approx((-1.0, 0.067), abs=1e-3)
    assert found.p_value == pytest.approx(0.034, abs=1e-3)
    assert most_influential(PAPER) == "MNLI"
    assert influences(PAPER)["MNLI"] == found.correlation


def test_the_papers_p_value_is_near_that_of_every_seventh_order():
    found = size_effect(PAPER, without=("MNLI",))
    orders = list(itertools.permutations(found.training_rows))
    all_rho = np.array([spearmanr(order, found.mean_losses).statistic for order in orders[::7]])
    # every seventh of the 5040 orders: close to the exact share
    share = np.mean(all_rho <= found.correlation + 1e-9)
    assert found.p_value == pytest.approx(2 * share, abs=0.02)


def test_the_exact_p_value_by_brute_force():
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2.0, 1.0, 3.0, 5.0, 5.0])
    all_rho = np.array([spearmanr(order, y).statistic for order in itertools.permutations(x)])
    share = np.mean(all_rho >= spearmanr(x, y).statistic - 1e-9)
    assert permutation_p_value(x, y) == (pytest.approx(2 * share), True)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=4, max_size=12))
def test_rank_correlation_matches_scipy(pairs):
    x, y = np.array(pairs, dtype=float).T
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(rank_correlation(x, y))
    else:
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)


def test_more_than_eight_tasks_are_sampled_from_a_seed():
    x = np.arange(10.0)
    y = np.array([3.0, 1, 2, 5, 4, 6, 9, 8, 7, 0])
    p_value, exact = permutation_p_value(x, y)
    assert not exact
    assert p_value == permutation_p_value(x, y)[0]
    assert p_value == pytest.approx(spearmanr(x, y).pvalue, abs=0.03)
    assert bootstrap_interval(x, y) == bootstrap_interval(x, y)


def test_the_interval_holds_the_correlation():
    rng = np.random.default_rng(5)
    x, noise = rng.normal(size=(2, 40))
    y = x + noise
    low, high = bootstrap_interval(x, y)
    assert low < spearmanr(x, y).statistic < high


def test_too_few_or_equal_tasks_have_no_correlation():
    few = size_effect(PAPER, without=TASKS[3:])
    assert len(few.mean_losses) == 3
    assert few.correlation is few.low is few.p_value is None
    same = size_effect(replace(PAPER, training_rows=dict.fromkeys(TASKS, 100)))
    assert same.correlation is None
    assert most_influential(replace(PAPER, training_rows={})) is None


def test_means_are_of_the_same_students_on_every_task():
    scores = {key: score for key, score in PAPER.student_scores.items() if key != ("3L", "RTE")}
    found = size_effect(replace(PAPER, student_scores=scores))
    assert "3L" not in found.students
    kept = [PAPER.student_scores[name, "CoLA"] / 0.62 for name in found.students]
    assert found.mean_losses[0] == pytest.approx(1 - sum(kept) / 7)


def test_tasks_without_rows_or_scores_are_left_out():
    rows = {task: number for task, number in PAPER.training_rows.items() if task != "QQP"}
    study = replace(PAPER, training_rows=rows, teacher_scores={**PAPER.teacher_scores, "RTE": 0.0})
    assert size_effect(study).tasks == tuple(task for task in TASKS if task not in ("QQP", "RTE"))
