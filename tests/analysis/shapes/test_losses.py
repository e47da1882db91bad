from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_b import SCORES, SPEEDS, TASKS, once, paper_study

from analysis.shapes.shape_study import by_falling_mean, losses, speed_ups

PAPER = paper_study()


def relative_to_baseline(table: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(table, index=TASKS).T
    return (frame / frame.loc["baseline"]).drop("baseline")


def test_three_layers_are_35_percent_weaker_on_cola():
    # B, figure 1; its scores are rounded, .62 -> .40 is 35.48 %
    found = losses(PAPER).at("3L", "CoLA")
    assert found == pytest.approx((0.62 - 0.40) / 0.62)
    assert round(100 * found) == 35


def test_losses_and_means_match_pandas():
    grid, expected = losses(PAPER), 1 - relative_to_baseline(SCORES)
    found = pd.DataFrame(grid.cells, grid.students, grid.tasks)
    pd.testing.assert_frame_equal(found, expected)
    assert grid.student_means == pytest.approx(tuple(expected.mean(axis=1)))
    assert grid.task_means == pytest.approx(tuple(expected.mean()))


def test_what_the_paper_says_of_its_heatmap():
    students, tasks = by_falling_mean(losses(PAPER))
    # "the highest losses belong to 3L models and more challenging datasets are RTE and CoLA on average"
    assert students[0] == "3L"
    assert tasks[:2] == ("RTE", "CoLA")
    # "SST2 and QQP are the most resistant"
    assert set(tasks[-2:]) == {"SST2", "QQP"}
    # "MNLI is in the middle"
    assert tasks[2] == "MNLI"
    # "Combining both ideas ... is harmful": worse than each of them
    assert students[1] == "6L_384D"


def test_speed_ups_match_pandas_and_heads_are_not_faster():
    grid = speed_ups(PAPER)
    pd.testing.assert_frame_equal(pd.DataFrame(grid.cells, grid.students, grid.tasks), relative_to_baseline(SPEEDS))
    # B, section 5.1: "students with fewer attention heads break this pattern"
    assert max(grid.known(["8AH"], task)[0] for task in TASKS) < 1
    assert max(grid.known(["4AH"], task)[0] for task in TASKS) < 1
    # ... and of "across all configurations we see a faster response time" nine layers are an exception in three tasks
    assert [task for task in TASKS if grid.at("9L", task) < 1] == ["MNLI", "QNLI", "QQP"]


@pytest.mark.parametrize("teacher", [0.0, -0.2, None])
def test_a_loss_needs_a_teacher_above_zero(teacher):
    scores = {task: score for task, score in PAPER.teacher_scores.items() if task != "CoLA"}
    changed = replace(PAPER, teacher_scores=scores if teacher is None else {**scores, "CoLA": teacher})
    grid = losses(changed)
    assert grid.task_means[TASKS.index("CoLA")] is None
    assert grid.num_missing == len(grid.students)
    assert by_falling_mean(grid)[1][0] == "RTE"


def test_missing_numbers_are_not_filled_in():
    study = replace(PAPER, student_scores={("6L", "RTE"): 0.4}, student_speeds={("6L", "RTE"): once(331.2)})
    assert losses(study).num_missing == speed_ups(study).num_missing == 63
    assert losses(study).at("6L", "RTE") == pytest.approx(0.5)
    assert speed_ups(study).at("6L", "RTE") == pytest.approx(2)


@given(st.floats(0.01, 100))
def test_losses_do_not_depend_on_the_unit(scale):
    scaled = replace(
        PAPER,
        teacher_scores={task: scale * score for task, score in PAPER.teacher_scores.items()},
        student_scores={key: scale * score for key, score in PAPER.student_scores.items()},
    )
    assert losses(scaled).task_means == pytest.approx(losses(PAPER).task_means)
