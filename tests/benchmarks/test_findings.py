"""Ratios, shares and intervals of made-up measurements; figures and tables of them."""

from __future__ import annotations

import io

import pytest
from made_up import grid, results
from rich.console import Console
from scipy import stats

from benchmarks.drawing import roofline_figure, speed_figure
from benchmarks.findings import Spread, confidence_interval, find
from benchmarks.grid import VARIANTS
from benchmarks.tables import print_tables

THREE_ROUNDS = [grid(n, "idiomatic", 40.0, 0.80) for n in range(3)]
THREE_ROUNDS += [grid(n, "kdstudy", seconds, 0.81) for n, seconds in enumerate((8.0, 10.0, 20.0))]


def test_ratios_are_of_the_same_round():
    (found,) = find(results(THREE_ROUNDS)).comparisons
    assert (found.peer, found.ours) == ("idiomatic", "kdstudy")
    assert found.per_trial == Spread(4.0, 2.0, 5.0)
    assert found.whole_grid == Spread(50 / 20, 50 / 30, 50 / 18)


def test_ratios_leave_out_rounds_that_lack_one_of_the_two():
    unfinished = [*THREE_ROUNDS, grid(3, "idiomatic", 4000.0)]
    assert find(results(unfinished)).comparisons == find(results(THREE_ROUNDS)).comparisons


def test_share_is_the_floor_over_the_time_of_training_steps():
    speeds = {speed.variant: speed for speed in find(results([*THREE_ROUNDS, grid(0, "kdstudy_bf16", 4.0)])).speeds}
    # 2 s of bare products in fp32 and 1 s in bf16; training takes half of a trial's seconds
    assert speeds["kdstudy"].share == Spread(2 / 5, 2 / 10, 2 / 4)
    assert speeds["kdstudy_bf16"].share.median == 1 / 2
    assert speeds["idiomatic"].gigaflops.median == 1.0


def test_quality_is_paired_by_seed():
    grids = [grid(n, "idiomatic", 40.0, accuracy) for n, accuracy in enumerate((0.70, 0.80, 0.75))]
    grids += [grid(n, "kdstudy", 10.0, accuracy) for n, accuracy in enumerate((0.71, 0.81, 0.76))]
    found = {(quality.variant, quality.score): quality for quality in find(results(grids)).qualities}
    base, own = found["idiomatic", "test accuracy"], found["kdstudy", "test accuracy"]
    assert base.difference is None
    assert own.difference == pytest.approx(0.01)
    # The seeds' own ups and downs are no noise of the difference
    assert own.interval == pytest.approx((0.01, 0.01))
    assert own.within_noise is False
    assert own.deviation == pytest.approx(0.05)


def test_confidence_interval_is_that_of_the_t_test():
    differences = [0.01, -0.02, 0.015, 0.0, 0.005]
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert confidence_interval(differences) == pytest.approx((expected.low, expected.high))


def test_all_variants_are_drawn_and_printed():
    grids = [grid(n, name, 10.0 + n, 0.8, dataset) for n in range(2) for name in VARIANTS for dataset in ("a", "b")]
    findings = find(results(grids))
    out = io.StringIO()
    print_tables(findings, Console(file=out, width=160))
    for variant in VARIANTS.values():
        assert variant.label in out.getvalue()
    assert len(speed_figure(findings).data) == 2 * (
        3 * 2 + 1
    )  # of each data set: bars and words of three panels, one of points
    assert len(roofline_figure(findings).data) == 2 * 2


def test_one_round_is_enough_to_be_shown():
    findings = find(results([grid(0, "kdstudy", 10.0)]))
    assert findings.comparisons == ()
    speed_figure(findings)
    roofline_figure(findings)
    print_tables(findings, Console(file=io.StringIO()))
