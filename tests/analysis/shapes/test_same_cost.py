from __future__ import annotations

from dataclasses import replace

import pytest
from paper_b import TASKS, paper_study
from scipy.stats import binomtest

from analysis.results.speeds import Speed
from analysis.shapes.fronts import Gained
from analysis.shapes.same_cost import compare_quality, compare_speed, fewer_heads, shortening_against_narrowing
from analysis.shapes.words import heads_sentence

PAPER = paper_study()


def test_fewer_heads_are_slower_on_every_task_of_the_paper():
    eight, four = fewer_heads(PAPER)
    assert (eight.first, four.first) == ("8AH", "4AH")
    for pairing in (eight, four):
        assert (pairing.wins, pairing.losses, pairing.ties) == (0, 8, 0)
        assert pairing.sign_p == pytest.approx(2 / 2**8)
    assert eight.differences["MNLI"] == pytest.approx(152.7 / 185.8 - 1)


def test_speeds_within_the_spread_of_their_measurements_are_ties():
    def near(speed: Speed) -> Speed:
        return Speed(1.001 * speed.median, 0.9 * speed.median, 1.1 * speed.median)

    eight = {("8AH", task): near(speed) for task, speed in PAPER.teacher_speeds.items()}
    study = replace(PAPER, student_speeds={**PAPER.student_speeds, **eight})
    found = compare_speed(study, "8AH")
    assert (found.wins, found.losses, found.ties) == (0, 0, 8)
    assert found.median == pytest.approx(0.001)
    assert "within the spread of the measurements on 8" in (heads_sentence(found) or "")


def test_shortening_is_better_at_like_speed_and_worse_at_like_size():
    # B calls shortening the best form of KD; at like size its 3 layers lose against a width of 516
    (size,) = shortening_against_narrowing(PAPER, Gained.SIZE)
    assert (size.quality.first, size.quality.second) == ("3L", "516D")
    assert size.cost_ratio == pytest.approx(61 / 65)
    assert (size.quality.wins, size.quality.losses) == (1, 7)
    assert size.speed.wins == 8
    speeds = shortening_against_narrowing(PAPER, Gained.SPEED)
    assert [(pair.quality.first, pair.quality.second) for pair in speeds] == [("9L", "516D"), ("6L", "384D")]
    assert [(pair.quality.wins, pair.quality.losses, pair.quality.ties) for pair in speeds] == [(6, 0, 2), (7, 1, 0)]


def test_tests_match_scipy():
    found = compare_quality(PAPER, "6L", "384D")
    kept = {s: [PAPER.student_scores[s, t] / PAPER.teacher_scores[t] for t in TASKS] for s in ("6L", "384D")}
    differences = [a - b for a, b in zip(kept["6L"], kept["384D"], strict=True)]
    assert list(found.differences.values()) == pytest.approx(differences)
    assert found.sign_p == pytest.approx(binomtest(7, 8).pvalue)


def test_few_tasks_have_no_test():
    few = {key: score for key, score in PAPER.student_scores.items() if key[1] in TASKS[:5]}
    found = compare_quality(replace(PAPER, student_scores=few), "6L", "384D")
    assert len(found.differences) == 5
    assert found.sign_p is None
    nothing = compare_speed(replace(PAPER, student_speeds={}), "8AH")
    assert (nothing.differences, nothing.median, nothing.sign_p) == ({}, None, None)


def test_exchanging_the_models_turns_the_comparison_round():
    one, other = compare_quality(PAPER, "3L", "516D"), compare_quality(PAPER, "516D", "3L")
    assert (one.wins, one.losses, one.ties) == (other.losses, other.wins, other.ties)
    assert one.median == pytest.approx(-other.median)


def test_students_of_unlike_cost_are_not_compared():
    without = replace(PAPER, student_speeds={})
    assert shortening_against_narrowing(without, Gained.SPEED) == ()
    assert [pair.speed.differences for pair in shortening_against_narrowing(without, Gained.SIZE)] == [{}]
    # 41 million parameters have no shortened student within a quarter
    compared = [pair.quality.second for pair in shortening_against_narrowing(PAPER, Gained.SIZE)]
    assert "384D" not in compared
