"""Which test examples are lost? Each is in one group by who answers it rightly (B, section 7), and groups are compared.

B has four groups. A fifth, which it leaves out, holds what the teacher gets wrong and some student right; with it the
groups are a partition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kruskal

from analysis.results import TEACHER
from search_spaces import digest

TOLERANCE = 0.1  # of the range of the test labels: how far off a score may be to count as right
FEWEST_EXAMPLES = 5  # of a group, to be compared
MOST_SAMPLED = 40  # examples of a group that the page shows, over all data sets
WORD = re.compile(r"\w+(?:['\u2019]\w+)*")

Flags = NDArray[np.bool_]


class Group(StrEnum):
    """Who is right."""

    ALL = "all"  # B's i: teacher and all students
    SOME = "some students"  # B's ii: the teacher and some students
    TEACHER = "only the teacher"  # B's iii
    STUDENTS = "students without the teacher"  # not in B
    NONE = "none"  # B's iv


class Measure(StrEnum):
    """What of a text is compared."""

    WORDS = "words"  # of the text, or of both texts together
    OVERLAP = "overlap"  # of two texts: the share of their words that both have (Jaccard), case aside


@dataclass(frozen=True)
class AnsweredTask:
    """The test examples of one data set with what a teacher and its students answered."""

    dataset: str  # its name
    texts: Sequence[str]  # one per example; no pairs where examples are single texts
    text_pairs: Sequence[str] | None
    labels: NDArray[np.generic]  # class numbers, or scores; one per example
    teacher: NDArray[np.generic]
    students: Mapping[str, NDArray[np.generic]]  # the same by student
    label_names: tuple[str, ...] = ()  # names of the classes; empty where answers are scores

    @property
    def models(self) -> Mapping[str, NDArray[np.generic]]:
        """All answers by model, the teacher's as `TEACHER` first."""
        return {TEACHER: self.teacher, **self.students}

    @property
    def tolerance(self) -> float | None:
        """How far off a score may be to count as right; None where answers are classes."""
        if self.label_names or not len(self.labels):
            return None
        return TOLERANCE * float(np.ptp(self.labels.astype(np.float64)))

    def right(self, answers: NDArray[np.generic]) -> Flags:
        """Where some answers are right: the very class, or a score within `tolerance`; no number never is."""
        if (tolerance := self.tolerance) is None:
            return np.asarray(answers == self.labels, dtype=np.bool_)
        off = np.abs(answers.astype(np.float64) - self.labels.astype(np.float64))
        return np.asarray(off <= tolerance + 1e-6, dtype=np.bool_)


@dataclass(frozen=True)
class Spread:
    """Numbers of a group: how many, their median and quartiles."""

    count: int
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class TextComparison:
    """One measure of the texts, group by group."""

    measure: Measure  # what is measured
    spreads: Mapping[Group, Spread]  # by group; groups without examples are left out
    # kruskal-Wallis over the groups of at least `FEWEST_EXAMPLES`; None with fewer than two of them, or where all
    # examples are alike
    p_value: float | None


@dataclass(frozen=True)
class Answer:
    """What a model said: in words, and whether it is right."""

    words: str
    right: bool


@dataclass(frozen=True)
class Example:
    """A test example of the sample."""

    dataset: str  # its data set
    row: int  # its position in the test split, from 0
    group: Group  # who is right
    text: str  # the texts, whole
    text_pair: str | None
    label: str  # the right answer in words
    answers: Mapping[str, Answer]  # by model, the teacher (`TEACHER`) first


@dataclass(frozen=True)
class TaskGroups:
    """The groups of one data set."""

    dataset: str  # its name
    students: tuple[str, ...]  # whose answers are known: "all students" are these
    without: tuple[str, ...]  # students whose answers are not there
    tolerance: float | None  # of scores, how far off a right one may be; None of classes
    counts: Mapping[Group, int]  # examples by group
    # of the examples that some students get right, the share that each gets right; empty without
    right_among_some: Mapping[str, float]
    comparisons: tuple[TextComparison, ...]  # lengths and overlaps by group
    sample: tuple[Example, ...]  # some examples of each group, drawn by a seed

    @property
    def num_examples(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def share(self, group: Group) -> float | None:
        """A group's share of the examples."""
        return self.counts[group] / self.num_examples if self.num_examples else None

    def comparison(self, measure: Measure) -> TextComparison | None:
        """One of the comparisons; None where there is none, as single texts have no overlap."""
        return next((found for found in self.comparisons if found.measure is measure), None)


def groups_of(teacher: Flags, students: Flags) -> list[Group]:
    """The group of each example.

    Args:
        teacher: Where the teacher is right, [rows].
        students: Where each student is right, [students, rows]; at least one student.
    """
    if not len(students):
        raise ValueError("groups need a student")
    right = students.sum(axis=0).tolist()  # students, by row
    flags = zip(teacher.tolist(), right, strict=True)
    return [_group(own, number == len(students), number > 0) for own, number in flags]


def group_task(task: AnsweredTask, without: Sequence[str] = (), num_sampled: int = MOST_SAMPLED) -> TaskGroups:
    """Group the examples of a data set, and compare the groups' texts."""
    flags = {name: task.right(answers) for name, answers in task.models.items()}
    found = groups_of(flags[TEACHER], np.stack([flags[name] for name in task.students]))
    rows = {group: [row for row, own in enumerate(found) if own is group] for group in Group}
    some = rows[Group.SOME]
    shares = {name: float(flags[name][some].mean()) for name in task.students} if some else {}
    sampled = [(row, group) for group in Group for row in _sample(rows[group], f"{task.dataset}:{group}", num_sampled)]
    return TaskGroups(
        dataset=task.dataset,
        students=tuple(task.students),
        without=tuple(without),
        tolerance=task.tolerance,
        counts={group: len(own) for group, own in rows.items()},
        right_among_some=shares,
        comparisons=tuple(_compare(measure, values, rows) for measure, values in _measures(task).items()),
        sample=tuple(_example(task, flags, row, group) for row, group in sampled),
    )


def words(text: str) -> list[str]:
    """The words of a text, case aside: runs of letters and digits, apostrophes inside them included."""
    return WORD.findall(text.lower())


def overlap(first: str, second: str) -> float | None:
    """Jaccard's index of two texts' words; None where neither has any."""
    own, other = set(words(first)), set(words(second))
    return len(own & other) / len(own | other) if own | other else None


def _group(teacher: bool, every: bool, some: bool) -> Group:
    if teacher:
        return Group.ALL if every else Group.SOME if some else Group.TEACHER
    return Group.STUDENTS if some else Group.NONE


def _measures(task: AnsweredTask) -> dict[Measure, list[float | None]]:
    pairs = task.text_pairs or [""] * len(task.texts)
    both = list(zip(task.texts, pairs, strict=True))
    found: dict[Measure, list[float | None]] = {Measure.WORDS: [float(len(words(a)) + len(words(b))) for a, b in both]}
    if task.text_pairs:
        found[Measure.OVERLAP] = [overlap(a, b) for a, b in both]
    return found


def _compare(measure: Measure, values: Sequence[float | None], rows: Mapping[Group, Sequence[int]]) -> TextComparison:
    own = {group: [value for row in rows[group] if (value := values[row]) is not None] for group in Group}
    return TextComparison(
        measure, {group: _spread(numbers) for group, numbers in own.items() if numbers}, _p_value(list(own.values()))
    )


def _spread(numbers: Sequence[float]) -> Spread:
    low, middle, high = (float(value) for value in np.quantile(numbers, (0.25, 0.5, 0.75)))
    return Spread(len(numbers), low, middle, high)


def _p_value(samples: Sequence[Sequence[float]]) -> float | None:
    compared = [sample for sample in samples if len(sample) >= FEWEST_EXAMPLES]
    if len(compared) < 2 or len({value for sample in compared for value in sample}) < 2:
        return None
    return float(kruskal(*compared).pvalue)


def _sample(rows: Sequence[int], seed: str, most: int) -> list[int]:
    """Some of them, in order; equal seeds draw equally."""
    drawn = np.random.default_rng(int(digest(f"examples:{seed}")[:16], 16)).permutation(len(rows))
    return sorted(rows[index] for index in drawn[:most])


def _example(task: AnsweredTask, right: Mapping[str, Flags], row: int, group: Group) -> Example:
    return Example(
        dataset=task.dataset,
        row=row,
        group=group,
        text=task.texts[row],
        text_pair=task.text_pairs[row] if task.text_pairs else None,
        label=_words(task, task.labels[row]),
        answers={
            name: Answer(_words(task, answers[row]), bool(right[name][row])) for name, answers in task.models.items()
        },
    )


def _words(task: AnsweredTask, answer: np.generic) -> str:
    if not task.label_names:
        return f"{float(answer):.2f}"
    known = 0 <= int(answer) < len(task.label_names)
    return task.label_names[int(answer)] if known else str(answer)
