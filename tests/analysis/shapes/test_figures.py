from __future__ import annotations

from dataclasses import replace

import pytest
from paper_b import STUDENTS, TASKS, paper_signs, paper_study
from signs import disagreement_words, disagreements, signs

from analysis.shapes import figures as shape_figures
from analysis.shapes import words as shape_words
from analysis.shapes.findings import analyse_shapes
from analysis.shapes.fronts import Gained
from analysis.shapes.words import RULE, rho_words

PAPER = paper_study()
EMPTY = replace(PAPER, student_scores={}, student_speeds={})
DRAWINGS = {
    "losses": shape_figures.loss_map,
    "speed": shape_figures.speed_map,
    "rows": shape_figures.training_rows,
    "levers": shape_figures.levers,
    "fronts": shape_figures.mean_fronts,
    "fronts by speed": lambda findings: shape_figures.task_fronts(findings, Gained.SPEED),
    "fronts by size": lambda findings: shape_figures.task_fronts(findings, Gained.SIZE),
}
every_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)


@pytest.fixture(scope="module")
def findings():
    return analyse_shapes(PAPER)


@every_drawing
def test_every_figure_is_drawn_from_the_paper(draw, findings):
    figure = draw(findings)
    assert len(figure.data) > 0
    assert figure.layout.height


@every_drawing
def test_a_figure_without_data_says_so(draw):
    assert [note.text for note in draw(analyse_shapes(EMPTY)).layout.annotations] == ["No data yet"]


def test_the_heatmap_shows_the_papers_numbers_and_means(findings):
    (drawn,) = shape_figures.loss_map(findings).data
    cell = drawn.text[STUDENTS.index("3L")][TASKS.index("CoLA")]
    assert cell == "35 %"
    assert drawn.text[-1][TASKS.index("RTE")] == "21 %"  # the task's mean
    assert drawn.text[STUDENTS.index("3L")][-1] == "15 %"  # the student's


def test_the_signs_are_drawn_with_what_they_rest_on(findings):
    (drawn,) = shape_figures.sign_map(findings).data
    assert drawn.y == ("<b>Layers</b>", "<b>Heads</b>", "<b>Width</b>", "<b>Speed</b>")
    assert drawn.text[1][TASKS.index("RTE")] == "<b>✗</b>  24 %"
    assert drawn.customdata[0][0] == "worthwhile: median 4.8 %, best 3.2 %"


def said(found):
    """All that is said of shapes."""
    sentences = [shape_words.loss_sentence(found), shape_words.speed_sentence(found), shape_words.sign_sentence(found)]
    for several in (shape_words.front_sentences, shape_words.same_cost_sentences, shape_words.size_sentences):
        sentences += several(found)
    return [sentence for sentence in sentences if sentence]


def test_the_paper_in_sentences(findings):
    text = "\n".join(said(findings))
    assert "3L loses most, 14.9 % of its teacher's score on average" in text
    assert (
        "In quality and speed, no model outdoes teacher, 9L, 6L and 6L_384D; the others are outdone: 3L (by 6L_384D)"
        in text
    )
    assert (
        "At like size, the shortened 3L keeps more of the teacher's score on 1 of 8 tasks than the narrowed 516D"
        in text
    )
    assert "4AH, with fewer heads, is faster than the teacher on 0 of 8 tasks, slower on 8" in text
    assert "on 0 (−17.4 % at the median)" in text
    assert "mean loss is −.48 (95 % bootstrap interval −.97 to .42; exact permutation test p = .24)" in text
    assert "Over 7 tasks, without MNLI," in text
    assert "too small by choice" in text


def test_nothing_measured_is_nothing_said():
    assert said(analyse_shapes(EMPTY)) == ["Whether reducing a factor is worthwhile is not known yet."]


def test_the_rule_and_its_disagreements_in_words(findings):
    assert "loses at most 10 %, harmful if even the best of them loses more than 15 %" in RULE
    found = disagreements(signs(findings.judgements), paper_signs())
    assert [disagreement_words(cell) for cell in found] == ["heads on STSB: ✓ against ?", "width on CoLA: ? against ✗"]


@pytest.mark.parametrize(("value", "words"), [(-0.476, "−.48"), (1.0, "1"), (-1.0, "−1"), (0.0, ".00"), (0.3, ".30")])
def test_correlations_in_words(value, words):
    assert rho_words(value) == words
