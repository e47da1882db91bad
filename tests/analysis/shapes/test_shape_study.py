from __future__ import annotations

import pytest
from paper_b import paper_study

from analysis.results.speeds import Speed
from analysis.results.study_kind import Factor
from analysis.shapes.shape_study import Grid, ShapedStudent


def test_a_student_of_several_factors_belongs_to_none_alone():
    study = paper_study()
    assert [student.name for student in study.with_only(Factor.LAYERS)] == ["9L", "6L", "3L"]
    assert [student.name for student in study.with_only(Factor.HEADS)] == ["8AH", "4AH"]
    assert [student.name for student in study.with_only(Factor.WIDTH)] == ["516D", "384D"]
    assert study.student("6L_384D").factors == {Factor.LAYERS, Factor.WIDTH}
    assert study.student("6L_384D").only is None
    assert ShapedStudent("copy", frozenset(), 1).only is None


@pytest.mark.parametrize("bad", [(1.0, 2.0, 3.0), (3.0, 1.0, 2.0), (0.0, 0.0, 0.0)])
def test_a_speed_lies_within_its_spread(bad):
    with pytest.raises(ValueError, match="0 < low <= median <= high"):
        Speed(*bad)


def test_means_are_of_what_is_known():
    grid = Grid(("a", "b"), ("x", "y", "z"), ((0.1, None, None), (0.3, 0.5, None)))
    assert grid.student_means == pytest.approx((0.1, 0.4))
    assert grid.task_means == (pytest.approx(0.2), 0.5, None)
    assert grid.num_missing == 3
    assert grid.complete_students(["x"]) == ("a", "b")
    assert grid.complete_students(["x", "y"]) == ("b",)
