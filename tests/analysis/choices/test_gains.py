from __future__ import annotations

import numpy as np
import pytest
from analysed import analyse
from hypothesis import assume, given
from hypothesis import strategies as st
from known_studies import finished, small_study, with_test_scores
from simulation import hashed_score, make_study

from analysis.choices.gains import Comparison, Gain, at_least_as_good, deciles, random_draws
from analysis.results.scales import relative_gain

SCORES = st.floats(0.01, 1)


def comparison(*pairs: tuple[float | None, float | None], rows: int | None = None) -> Comparison:
    gains = [Gain(f"t{i}", target, base, 1 / rows if rows else None) for i, (target, base) in enumerate(pairs)]
    return Comparison("target over baseline", tuple(gains))


def test_relative_gain_by_hand():
    assert relative_gain(0.55, 0.50) == pytest.approx(0.1)
    assert relative_gain(0.45, 0.50) == pytest.approx(-0.1)


@pytest.mark.parametrize(("target", "baseline"), [(None, 0.5), (0.5, None), (0.5, 0.0), (0.5, -0.2)])
def test_relative_gain_needs_both_scores_and_a_baseline_above_zero(target, baseline):
    assert relative_gain(target, baseline) is None


@given(target=SCORES, baseline=SCORES, scale=st.floats(0.01, 100))
def test_relative_gain_does_not_depend_on_the_unit(target, baseline, scale):
    assert relative_gain(scale * target, scale * baseline) == pytest.approx(relative_gain(target, baseline), abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_deciles_rise_to_the_maximum_and_match_numpy(gains):
    found = deciles(gains)
    assert list(found) == sorted(found)
    assert found[-1] == max(gains)
    assert found[4] == pytest.approx(np.median(gains))
    assert found == pytest.approx([np.quantile(gains, k / 10) for k in range(1, 11)])


def test_deciles_of_nothing_are_nothing():
    assert deciles([]) == ()
    assert comparison((None, 0.5)).deciles == ()
    assert comparison((None, 0.5)).decile(5) is None


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=20), st.randoms())
def test_the_order_of_triples_does_not_matter(pairs, order):
    shuffled = order.sample(pairs, len(pairs))
    assert comparison(*pairs).deciles == pytest.approx(comparison(*shuffled).deciles)


@given(st.lists(st.tuples(st.none() | SCORES, st.none() | st.floats(-1, 1)), max_size=20))
def test_every_triple_is_known_missing_or_undefined(pairs):
    found = comparison(*pairs)
    assert len(found.known) + found.num_missing + found.num_undefined == len(pairs)
    assert len(found.deciles) in (0, 10)
    # rule: a missing or undefined triple changes no decile
    kept = [(t, b) for t, b in pairs if relative_gain(t, b) is not None]
    assert found.deciles == comparison(*kept).deciles


@given(st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=20))
def test_decile_lines_pass_through_their_triples(pairs):
    found = comparison(*pairs)
    line = [np.quantile(found.values, position / 10) for position in found.positions]
    assert line == pytest.approx(found.values, abs=1e-9)


def test_a_difference_of_one_test_example_is_flagged():
    found = comparison((0.805, 0.80), (0.81, 0.80), (0.80, 0.80), (None, 0.8), rows=200)
    assert [gain.within_one_example for gain in found.gains] == [True, False, True, False]
    assert found.num_within_one_example == 2


def test_share_counts_ties_as_good():
    share = at_least_as_good(comparison((0.5, 0.5), (0.6, 0.5), (0.4, 0.5), (None, 0.5)))
    assert (share.count, share.compared) == (2, 3)
    # Wilson's interval for 2 of 3, by its formula with z = 1.96
    assert (share.low, share.high) == pytest.approx((0.2077, 0.9385), abs=1e-3)
    assert at_least_as_good(comparison((None, 0.5))).share is None


def test_random_draws_are_seeded_candidates_with_the_exact_expectation():
    study = make_study()
    outcome = analyse(study, finished(study, hashed_score)).outcomes[0]
    draws = random_draws(outcome, 20_000)
    assert set(draws) == {candidate.test_score for candidate in outcome.completed}
    assert draws.mean() == pytest.approx(outcome.random_score, abs=3 * draws.std() / 20_000**0.5)
    assert np.array_equal(draws, random_draws(outcome, 20_000))


def test_deciles_of_draws_are_those_of_brute_force():
    study = make_study()
    findings = analyse(study, finished(study, hashed_score))
    draws = np.stack([random_draws(outcome) for outcome in findings.outcomes])
    best = np.array([outcome.best.test_score for outcome in findings.outcomes])
    medians = [np.quantile(best / draws[:, i] - 1, 0.5) for i in range(draws.shape[1])]
    assert findings.best_over_random.draws[4] == pytest.approx(np.quantile(medians, (0.05, 0.5, 0.95)))


def test_a_zero_baseline_is_counted_and_its_difference_kept():
    study = small_study()
    findings = analyse(study, with_test_scores(finished(study), lambda score: 0.0 if score < 0.65 else score))
    found = findings.best_over_worst
    assert found.num_undefined == 4
    assert found.deciles == ()
    assert [gain.absolute for gain in found.gains] == pytest.approx([0.74] * 4)
    assert findings.best_over_random.draws is None  # a draw may be the zero


@given(st.integers(0, 10_000))
def test_figure_three_is_relative_to_the_best(seed):
    rng = np.random.default_rng(seed)
    target, best = rng.uniform(0.5, 1, 2)
    assume(best > 0)
    assert Gain("t", target, best).relative == pytest.approx(target / best - 1)
