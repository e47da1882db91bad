from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper_b import STUDENTS, TASKS, paper_study
from scipy.stats import gmean

from analysis.results.outcomes import TEACHER
from analysis.shapes.fronts import Gained, Point, mark_dominated, mean_front, task_fronts

PAPER = paper_study()
MODELS = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=12)


def points(pairs: list[tuple[float, float]]) -> list[Point]:
    return [Point(str(i), quality, gained) for i, (quality, gained) in enumerate(pairs)]


def dominated(by: Gained) -> dict[str, tuple[str, ...]]:
    return {point.model: point.dominated_by for point in mean_front(PAPER, by).points if point.dominated_by}


def test_fronts_of_the_paper():
    by_speed, by_size = mean_front(PAPER, Gained.SPEED), mean_front(PAPER, Gained.SIZE)
    assert [point.model for point in by_speed.best] == [TEACHER, "9L", "6L", "6L_384D"]
    assert [point.model for point in by_size.best] == [TEACHER, "9L", "6L", "516D", "384D", "6L_384D"]
    # B, section 5.2: of 3L and 6L_384D "6L_384D seems to be a better alternative"
    assert dominated(Gained.SPEED)["3L"] == ("6L_384D",)
    # fewer heads are neither faster nor smaller than the teacher
    assert TEACHER in dominated(Gained.SPEED)["8AH"]
    assert TEACHER in dominated(Gained.SIZE)["4AH"]
    six = next(point for point in by_speed.points if point.model == "6L")
    kept = [PAPER.student_scores["6L", task] / PAPER.teacher_scores[task] for task in TASKS]
    faster = [PAPER.student_speeds["6L", task].median / PAPER.teacher_speeds[task].median for task in TASKS]
    assert six.quality == pytest.approx(sum(kept) / 8)
    assert six.gained == pytest.approx(gmean(faster))


def test_each_task_has_its_front():
    fronts = task_fronts(PAPER, Gained.SPEED)
    assert [front.task for front in fronts] == list(TASKS)
    assert all(len(front.points) == 1 + len(STUDENTS) for front in fronts)
    cola = fronts[0]
    assert [point.model for point in cola.best] == [TEACHER, "6L", "6L_384D"]


@given(MODELS, st.sampled_from(Gained))
def test_fronts_match_brute_force(pairs, by):
    found = mark_dominated(points(pairs), by)
    direction = -1 if by is Gained.SIZE else 1
    for own, (quality, gained) in zip(found, pairs, strict=True):
        better = {
            str(i)
            for i, (q, g) in enumerate(pairs)
            if q >= quality and direction * g >= direction * gained and (q, g) != (quality, gained)
        }
        assert set(own.dominated_by) == better


@given(MODELS, st.sampled_from(Gained))
def test_whoever_is_off_the_front_is_outdone_by_one_on_it(pairs, by):
    found = mark_dominated(points(pairs), by)
    on_front = {point.model for point in found if not point.dominated_by}
    assert on_front
    assert all(on_front & set(point.dominated_by) for point in found if point.dominated_by)


def test_equal_models_stay_both_on_the_front():
    # rule: models with equal numbers do not dominate each other, rounding aside
    found = mark_dominated(points([(0.1 + 0.2, 2), (0.3, 2), (0.3, 1)]), Gained.SPEED)
    assert [point.dominated_by for point in found] == [(), (), ("0", "1")]


def test_students_without_all_tasks_are_left_out_and_named():
    scores = {key: score for key, score in PAPER.student_scores.items() if key != ("3L", "RTE")}
    speeds = {key: speed for key, speed in PAPER.student_speeds.items() if key != ("9L", "RTE")}
    study = replace(PAPER, student_scores=scores, student_speeds=speeds)
    assert mean_front(study, Gained.SIZE).left_out == ("3L",)
    assert mean_front(study, Gained.SPEED).left_out == ("9L", "3L")
    assert [front.left_out for front in task_fronts(study, Gained.SIZE) if front.left_out] == [("3L",)]


def test_tasks_where_the_teacher_scores_nothing_are_left_out():
    study = replace(PAPER, teacher_scores={**PAPER.teacher_scores, "CoLA": 0.0})
    assert mean_front(study, Gained.SIZE).tasks == TASKS[1:]
    nothing = mean_front(replace(PAPER, teacher_speeds={}), Gained.SPEED)
    assert (nothing.points, nothing.left_out, nothing.best) == ((), STUDENTS, ())
