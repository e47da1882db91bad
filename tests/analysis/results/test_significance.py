"""Paired tests against obvious code and other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, ttest_rel

from analysis.results.significance import mcnemar, over_seeds, paired_bootstrap, score_of_counts
from trials.tasks.metrics import CLASSIFICATION_METRICS


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 4), st.integers(1, 40), st.integers(0, 99), st.sampled_from(sorted(CLASSIFICATION_METRICS)))
def test_scores_of_counts_are_those_of_the_trials(classes, rows, seed, metric):
    if classes > 2 and metric in ("f1", "accuracy_f1"):
        return
    draw = np.random.default_rng(seed)
    labels, answers = (draw.integers(classes, size=rows) for _ in range(2))
    labels[:1], answers[:1] = 0, 1  # two labels at least
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, answers), 1)
    assert score_of_counts(counts, metric) == pytest.approx(CLASSIFICATION_METRICS[metric](labels, answers), abs=1e-12)


def answers(labels, share, seed):
    """Right on a share of the examples."""
    wrong = np.random.default_rng(seed).random(len(labels)) > share
    return np.where(wrong, 1 - labels, labels)


def test_bootstrap_sees_a_large_difference_and_not_a_small_one():
    labels = np.random.default_rng(0).integers(2, size=500)
    good, bad, alike = (answers(labels, share, seed) for share, seed in ((0.9, 1), (0.7, 2), (0.7, 3)))
    found = paired_bootstrap(labels, [bad], [good], "accuracy")
    assert found.difference == pytest.approx((good == labels).mean() - (bad == labels).mean())
    assert 0 < found.low < found.difference < found.high
    assert found.p_value == pytest.approx(1e-3)
    small = paired_bootstrap(labels, [bad], [alike], "matthews_corrcoef")
    assert small.low < 0 < small.high
    assert small.p_value > 0.05


def test_bootstrap_interval_is_that_of_the_normal_approximation():
    # of the mean of paired differences, whose standard error is known
    labels = np.random.default_rng(0).integers(2, size=2000)
    before, after = answers(labels, 0.8, 1), answers(labels, 0.82, 2)
    differences = (after == labels).astype(float) - (before == labels)
    error = differences.std(ddof=1) / np.sqrt(len(labels))
    found = paired_bootstrap(labels, [before], [after], "accuracy")
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)


def test_bootstrap_of_equal_students_has_no_width():
    labels = np.array([0, 1, 1, 0])
    found = paired_bootstrap(labels, [labels, 1 - labels], [1 - labels, labels], "f1")
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


@given(st.integers(0, 12), st.integers(0, 12))
def test_mcnemar_is_the_exact_binomial_of_discordant_examples(gained, lost):
    labels = np.ones(gained + lost + 5, np.int64)
    before, after = labels.copy(), labels.copy()
    before[:gained] = 0
    after[gained : gained + lost] = 0
    number, tail = gained + lost, min(gained, lost)
    expected = min(1.0, 2 * binom.cdf(tail, number, 0.5)) if number else 1.0
    assert mcnemar(labels, before, after) == pytest.approx(expected)


def test_seeds_are_compared_by_the_paired_t_test():
    before, after = [0.70, 0.72, 0.69], [0.75, 0.74, 0.76]
    found = over_seeds([b - a for a, b in zip(before, after, strict=True)])
    assert found.p_value == pytest.approx(ttest_rel(after, before).pvalue)
    interval = ttest_rel(after, before).confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@pytest.mark.parametrize(
    ("differences", "expected"),
    [([], None), ([0.1], (0.1, None)), ([0.1] * 3, (pytest.approx(0.1), None)), ([0.0, 0.0], (0.0, None))],
)
def test_few_or_equal_seeds(differences, expected):
    found = over_seeds(differences)
    assert (found and (found.mean, found.p_value)) == expected
