"""Layer maps: those of the papers, and what all maps have in common."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search_spaces.layer_maps import FORMULAS, TABLES, layer_map


@pytest.mark.parametrize(
    ("name", "student", "teacher", "layers"),
    [
        ("paper_b", 9, 12, (1, 2, 4, 6, 8, 9, 10, 11, 12)),
        ("paper_b", 6, 12, (1, 3, 6, 8, 10, 12)),
        ("paper_b", 3, 12, (1, 5, 12)),
        ("paper_b", 12, 12, tuple(range(1, 13))),
        ("uniform", 3, 6, (2, 4, 6)),
        ("uniform", 4, 6, (1, 3, 4, 6)),
        ("ends", 3, 12, (1, 7, 12)),
        ("ends", 2, 6, (1, 6)),
        ("ends", 1, 6, (6,)),
        ("distilbert", 6, 12, (1, 3, 5, 8, 10, 12)),
        ("bart", 3, 12, (4, 8, 12)),
        ("pkd_skip", 6, 12, (2, 4, 6, 8, 10)),
        ("pkd_last", 6, 12, (7, 8, 9, 10, 11)),
        ("pkd_skip", 3, 12, (4, 8)),
        ("pkd_last", 3, 12, (10, 11)),
    ],
)
def test_maps_are_those_of_the_papers(name, student, teacher, layers):
    assert layer_map(name, student, teacher) == tuple(enumerate(layers, start=1))


@given(st.sampled_from(sorted(FORMULAS)), st.integers(1, 30), st.integers(0, 30))
def test_maps_of_any_depths_rise(name, student, more):
    teacher = student + more
    assume(student > 1 or not name.startswith("pkd"))
    pairs = layer_map(name, student, teacher)
    assert [own for own, _ in pairs] == list(range(1, len(pairs) + 1))
    others = [other for _, other in pairs]
    assert others == sorted(set(others))  # no layer teaches two
    assert all(1 <= other <= teacher for other in others)
    if name == "ends" and student > 1:  # B: first and last always tied
        assert pairs[0] == (1, 1)
        assert pairs[-1] == (student, teacher)
    if name in ("uniform", "ends") and student == teacher:
        assert all(own == other for own, other in pairs)


@pytest.mark.parametrize("name", TABLES)
def test_tables_rise_and_fit_their_depths(name):
    for teacher, students in TABLES[name].items():
        for student, layers in students.items():
            assert len(layers) == student
            assert list(layers) == sorted(set(layers))
            assert layers[-1] == teacher


@pytest.mark.parametrize(
    ("name", "student", "teacher", "message"),
    [
        ("paper_b", 4, 12, "exists for 3, 6, 9 of 12 layers, not for 4 of 12"),
        ("bart", 5, 7, "exists for 1, 2, 3, 4 of 6; 1, 2, 3, 6 of 12; 1, 4, 8 of 16 layers"),
        ("uniform", 7, 6, "has 7 layers, more than the teacher's 6"),
        ("pkd_last", 1, 6, "but it has only one layer"),
        (((1, 1), (3, 6)), 2, 6, "layers outside a student of 2 and a teacher of 6"),
        ("skip", 3, 6, "no such layer map; known: uniform, ends"),
    ],
)
def test_maps_that_cannot_be_say_why(name, student, teacher, message):
    with pytest.raises(ValueError, match=message):
        layer_map(name, student, teacher)


def test_given_pairs_are_taken_as_they_are():
    assert layer_map(((2, 5), (1, 5)), 2, 6) == ((2, 5), (1, 5))
