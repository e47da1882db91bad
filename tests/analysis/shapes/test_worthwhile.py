from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_b import TASKS, paper_signs, paper_study
from signs import Disagreement, disagreements, signs

from analysis.shapes import worthwhile
from analysis.shapes.worthwhile import Aspect, Sign, judgements, quality_sign, speed_sign

PAPER = paper_study()
KNOWN_DISAGREEMENTS = (
    Disagreement(Aspect.HEADS, "STSB", Sign.WORTHWHILE, Sign.UNCERTAIN),
    Disagreement(Aspect.WIDTH, "CoLA", Sign.UNCERTAIN, Sign.HARMFUL),
)
VALUES = st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=6)
ORDER = [Sign.WORTHWHILE, Sign.UNCERTAIN, Sign.HARMFUL]


def test_the_rule_gives_the_papers_table_but_for_two_cells():
    assert disagreements(signs(judgements(PAPER)), paper_signs()) == KNOWN_DISAGREEMENTS


@pytest.mark.parametrize("typical", [0.091, 0.10, 0.11])
@pytest.mark.parametrize("best", [0.14, 0.15, 0.18])
@pytest.mark.parametrize("speed", [1.1, 1.2, 1.25])
def test_the_disagreements_do_not_hang_on_round_numbers(monkeypatch, typical, best, speed):
    monkeypatch.setattr(worthwhile, "MOST_TYPICAL_LOSS", typical)
    monkeypatch.setattr(worthwhile, "MOST_BEST_LOSS", best)
    monkeypatch.setattr(worthwhile, "LEAST_TYPICAL_SPEED_UP", speed)
    assert disagreements(signs(judgements(PAPER)), paper_signs()) == KNOWN_DISAGREEMENTS


def test_no_rule_of_a_cells_own_losses_could_give_all_of_the_papers_table():
    # heads on STSB lose less than heads on MNLI in every student, and yet B trusts them less
    values = {(j.aspect, j.task): j.values for j in judgements(PAPER)}
    stsb, mnli = values[Aspect.HEADS, "STSB"], values[Aspect.HEADS, "MNLI"]
    assert all(a < b for a, b in zip(stsb, mnli, strict=True))
    assert paper_signs()[Aspect.HEADS, "STSB"] is Sign.UNCERTAIN
    assert paper_signs()[Aspect.HEADS, "MNLI"] is Sign.WORTHWHILE


def test_the_rule_by_hand():
    assert quality_sign([0.05, 0.03, 0.35]) is Sign.WORTHWHILE  # one drastic student does not spoil a factor
    assert quality_sign([0.15, 0.14, 0.28]) is Sign.UNCERTAIN
    assert quality_sign([0.16, 0.30]) is Sign.HARMFUL
    assert quality_sign([0.10]) is Sign.WORTHWHILE
    assert quality_sign([0.15]) is Sign.UNCERTAIN
    assert speed_sign([0.8, 1.2, 2.0]) is Sign.WORTHWHILE
    assert speed_sign([0.8, 0.9, 1.1]) is Sign.UNCERTAIN
    assert speed_sign([0.8, 1.0]) is Sign.HARMFUL
    assert quality_sign([]) is speed_sign([]) is None


@given(VALUES, st.floats(0, 0.5))
def test_losing_more_never_looks_better(values, more):
    worse = [value + more for value in values]
    assert ORDER.index(quality_sign(worse)) >= ORDER.index(quality_sign(values))
    assert ORDER.index(speed_sign(values)) >= ORDER.index(speed_sign(worse))  # the higher, the faster


@given(VALUES, st.randoms())
def test_the_order_of_students_does_not_matter(values, order):
    shuffled = order.sample(values, len(values))
    assert quality_sign(values) is quality_sign(shuffled)
    assert speed_sign(values) is speed_sign(shuffled)


def test_students_of_several_factors_count_in_the_speed_alone():
    without = replace(
        PAPER,
        student_scores={(s, t): score for (s, t), score in PAPER.student_scores.items() if s != "6L_384D"},
    )
    assert judgements(without) == judgements(PAPER)
    assert [len(j.values) for j in judgements(PAPER) if j.aspect is Aspect.SPEED] == [8] * len(TASKS)


def test_rows_without_students_and_cells_without_numbers():
    layers = replace(
        PAPER,
        students=tuple(s for s in PAPER.students if s.name == "6L"),
        student_scores={("6L", "CoLA"): 0.6},
        student_speeds={},
    )
    found = judgements(layers)
    assert {judgement.aspect for judgement in found} == {Aspect.LAYERS}
    assert [judgement.sign for judgement in found] == [Sign.WORTHWHILE, *[None] * 7]
    assert (found[0].typical, found[1].typical, found[1].best) == (pytest.approx(0.02 / 0.62), None, None)


def test_a_cell_that_one_table_lacks_is_a_disagreement():
    one = {(Aspect.LAYERS, "x"): Sign.WORTHWHILE}
    assert disagreements(one, {}) == (Disagreement(Aspect.LAYERS, "x", Sign.WORTHWHILE, None),)
    assert disagreements({}, one) == (Disagreement(Aspect.LAYERS, "x", None, Sign.WORTHWHILE),)
    assert disagreements(one, one) == ()
