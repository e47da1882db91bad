from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kruskal

from analysis.examples.findings import GroupFindings
from analysis.examples.groups import (
    FEWEST_EXAMPLES,
    AnsweredTask,
    Group,
    Measure,
    TaskGroups,
    group_task,
    groups_of,
    overlap,
    words,
)
from analysis.examples.tables import shortened


def task_of(labels, teacher, students, names=("no", "yes"), texts=None, pairs=None):
    texts = texts or [f"text {row}" for row in range(len(labels))]
    answers = {name: np.array(own) for name, own in students.items()}
    return AnsweredTask("data", texts, pairs, np.array(labels), np.array(teacher), answers, names)


def test_each_group_by_hand():
    students = {"a": [1, 1, 0, 1, 0], "b": [1, 0, 0, 0, 0]}
    found = group_task(task_of([1] * 5, [1, 1, 1, 0, 0], students))
    assert [found.counts[group] for group in Group] == [1, 1, 1, 1, 1]
    by_row = {example.row: example.group for example in found.sample}
    assert [by_row[row] for row in range(5)] == [Group.ALL, Group.SOME, Group.TEACHER, Group.STUDENTS, Group.NONE]
    assert found.right_among_some == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_a_partition_and_follow_their_definitions(seed):
    draw = np.random.default_rng(seed)
    students = draw.random((draw.integers(1, 6), 200)) < draw.random()
    teacher = draw.random(200) < draw.random()
    found = groups_of(teacher, students)
    # rule: definitions of B, section 7, written as sets
    definitions = {
        Group.ALL: teacher & students.all(axis=0),
        Group.SOME: teacher & students.any(axis=0) & ~students.all(axis=0),
        Group.TEACHER: teacher & ~students.any(axis=0),
        Group.STUDENTS: ~teacher & students.any(axis=0),
        Group.NONE: ~teacher & ~students.any(axis=0),
    }
    assert (np.sum(list(definitions.values()), axis=0) == 1).all()
    for group, holds in definitions.items():
        assert [own is group for own in found] == holds.tolist()


def test_groups_need_a_student():
    with pytest.raises(ValueError, match="need a student"):
        groups_of(np.array([True]), np.zeros((0, 1), dtype=bool))


def test_a_score_is_right_within_a_tenth_of_the_labels_range():
    task = task_of([0.0, 5.0, 2.0, 2.0], [0.5, 4.4, 2.0, np.nan], {"a": [0.0, 5.0, 2.6, 2.5]}, names=())
    assert task.tolerance == pytest.approx(0.5)
    assert task.right(task.teacher).tolist() == [True, False, True, False]
    assert task.right(task.students["a"]).tolist() == [True, True, False, True]


def test_words_and_overlap():
    assert words("Don't STOP, it's 5!") == ["don't", "stop", "it's", "5"]
    assert overlap("The cat sat.", "the CAT ran") == pytest.approx(2 / 4)
    assert overlap("", "!") is None
    assert overlap("", "word") == 0


def test_texts_are_compared_by_kruskal_and_wallis():
    lengths = [1, 2, 3, 4, 5, 9, 8, 7, 6, 9]
    labels, answers = [1] * 10, [1] * 5 + [0] * 5
    found = group_task(task_of(labels, answers, {"a": answers}, texts=["w " * n for n in lengths]))
    comparison = found.comparison(Measure.WORDS)
    assert comparison.spreads[Group.ALL].median == 3
    assert comparison.spreads[Group.NONE].count == FEWEST_EXAMPLES
    assert comparison.p_value == pytest.approx(kruskal(lengths[:5], lengths[5:]).pvalue)
    assert found.comparison(Measure.OVERLAP) is None


def test_no_test_where_groups_are_small_or_alike():
    few = group_task(task_of([1] * 4, [1, 1, 1, 0], {"a": [1, 1, 1, 0]}))
    assert few.comparison(Measure.WORDS).p_value is None
    alike = group_task(task_of([1] * 10, [1] * 5 + [0] * 5, {"a": [1] * 5 + [0] * 5}))
    assert alike.comparison(Measure.WORDS).p_value is None


def test_the_sample_is_small_seeded_and_of_every_group():
    draw = np.random.default_rng(0)
    labels, teacher, own = (draw.integers(2, size=500).tolist() for _ in range(3))
    task = task_of(labels, teacher, {"a": own})
    found = group_task(task, num_sampled=7)
    assert found.sample == group_task(task, num_sampled=7).sample
    counts = {group: sum(example.group is group for example in found.sample) for group in Group}
    assert counts == {group: min(7, found.counts[group]) for group in Group}


def test_long_texts_are_shortened():
    assert shortened("a  b\nc") == "a b c"
    assert len(shortened("word " * 200)) <= 320
    assert shortened("word " * 200).endswith("…")


def test_against_all_counts_data_sets():
    def task(half: int) -> TaskGroups:
        rows, answers = 2 * half, [1] * half + [0] * half
        texts = ["w"] * half + ["w w"] * half
        return group_task(task_of([1] * rows, [1] * rows, {"a": [1] * rows, "b": answers}, texts=texts))

    assert GroupFindings((task(5), task(5))).against_all(Measure.WORDS) == (2, 2)
    # few examples say nothing
    assert GroupFindings((task(5), task(4))).against_all(Measure.WORDS) == (1, 1)
