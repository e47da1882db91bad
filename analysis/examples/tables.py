"""The tables of examples and their groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

from analysis.examples.findings import GroupFindings
from analysis.examples.groups import Example, Group, TaskGroups
from analysis.examples.words import GROUPS, missing_sentence
from analysis.presentation import MISSING, Column, Table, millions, percent, shown
from analysis.results import TEACHER
from analysis.triples import OF_DATASET, OF_MODEL, OF_TEACHER
from search_spaces import counted

Row = dict[str, Any]
LONGEST = 320  # characters of a text that the page shows
IN_GROUP = Column[Row]("group", lambda row: GROUPS[row["group"]], "who is right: " + "; ".join(GROUPS.values()))


def _groups(found: GroupFindings) -> Iterator[Row]:
    for task in found.tasks:
        for group, number in task.counts.items():
            own = {"group": group, "number": number, "share": task.share(group)}
            yield {"teacher": found.teacher, "dataset": task.dataset, "task": task, **own}


EXAMPLE_GROUPS = Table[GroupFindings, Row](
    name="example_groups",
    description="One row per teacher, data set and group: test examples by who answers them rightly.",
    rows=_groups,
    columns=(
        OF_TEACHER,
        OF_DATASET,
        IN_GROUP,
        Column("examples", "number", "test examples in it"),
        Column("share", "share", "their share of all"),
        Column("students", lambda row: ", ".join(row["task"].students), "students whose answers count"),
        Column("tolerance", "task.tolerance", "of scores: how far off the label a right one may be"),
    ),
)


def _group_column(group: Group) -> Column[TaskGroups]:
    return shown(GROUPS[group], lambda task: f"{task.counts[group]:,} ({percent(task.share(group))})", number=True)


COUNTS = Table[GroupFindings, TaskGroups](
    caption=missing_sentence,
    rows=lambda found: found.tasks,
    columns=(shown("data set", "dataset"), *map(_group_column, Group)),
)


def _right_column(task: TaskGroups) -> Column[str]:
    return shown(task.dataset, lambda student: percent(task.right_among_some.get(student), 0), number=True)


RIGHT_AMONG_SOME = Table[GroupFindings, str](  # which students hold on to such examples (B: those of more capacity)
    title=f"Of the examples right for “{GROUPS[Group.SOME]}”: the share that each student gets right",
    rows=lambda found: found.students,
    columns=lambda found: [
        shown("student", lambda student: student),
        shown("parameters", lambda student: millions(found.parameters.get(student)), number=True),
        *map(_right_column, found.tasks),
    ],
)


def _texts(found: GroupFindings) -> Iterator[Row]:
    for task in found.tasks:
        for comparison in task.comparisons:
            for group, spread in comparison.spreads.items():
                own = {"comparison": comparison, "group": group, "spread": spread}
                yield {"teacher": found.teacher, "dataset": task.dataset, **own}


MEASURE = "words (of both texts), or overlap (Jaccard's index of two texts' words)"
TEXTS = Table[GroupFindings, Row](
    name="example_texts",
    description="One row per teacher, data set, measure of the texts and group.",
    rows=_texts,
    columns=(
        OF_TEACHER,
        OF_DATASET,
        Column("measure", "comparison.measure", MEASURE),
        IN_GROUP,
        Column("examples", "spread.count", "test examples measured"),
        Column("low", "spread.low", "first quartile"),
        Column("median", "spread.median", "median"),
        Column("high", "spread.high", "third quartile"),
        Column("p_value", "comparison.p_value", "Kruskal-Wallis over the groups; the same in all rows of a measure"),
    ),
)


def _answers(found: GroupFindings) -> Iterator[Row]:
    for example in (example for task in found.tasks for example in task.sample):
        for model, answer in example.answers.items():
            yield {"teacher": found.teacher, **vars(example), "model": model, "answer": answer}


EXAMPLES = Table[GroupFindings, Row](
    name="examples",
    description="One row per sampled test example and model: the examples that the page shows.",
    rows=_answers,
    columns=(
        OF_TEACHER,
        OF_DATASET,
        Column("row", "row", "position in the test split, from 0"),
        IN_GROUP,
        Column("text", "text", "the text, whole"),
        Column("text_pair", "text_pair", "the second text"),
        Column("label", "label", "the right answer"),
        OF_MODEL,
        Column("answer", "answer.words", "what it answered"),
        Column("right", "answer.right", "whether that is right"),
    ),
)


def _sample(found: GroupFindings) -> list[Example]:
    """All sampled examples, group by group."""
    order = list(Group)
    return sorted((e for task in found.tasks for e in task.sample), key=lambda example: order.index(example.group))


def _text(example: Example) -> str:
    first = escape(shortened(example.text))
    return first if example.text_pair is None else first + Markup("<br><i>and</i> ") + shortened(example.text_pair)


def shortened(text: str, most: int = LONGEST) -> str:
    """A text on one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _answer_column(model: str) -> Column[Example]:
    def said(example: Example) -> tuple[str, str]:
        """What the page shows, and in what style."""
        answer = example.answers.get(model)
        return (MISSING, "") if answer is None else ("✓", "right") if answer.right else (answer.words, "wrong")

    return shown(model, lambda example: said(example)[0], kind=lambda example: said(example)[1])


SAMPLE = Table[GroupFindings, Example](
    title=lambda found: f"{counted(len(_sample(found)), 'example')}, drawn at random, at most some dozens a group",
    caption="✓: right; else what the model answered instead. Long texts are shortened.",
    rows=_sample,
    filters=lambda example: (GROUPS[example.group], example.dataset),
    columns=lambda found: [
        shown("data set", "dataset"),
        shown("right", lambda example: GROUPS[example.group]),
        shown("example", _text, kind=lambda _: "text"),
        shown("label", "label"),
        *map(_answer_column, (TEACHER, *found.students)),
    ],
)
