"""The tables of D's questions (D, tables 5 to 12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from analysis.internals import p_value_columns
from analysis.presentation import Column, Strong, Table, at, score_column, shown, words
from analysis.results import Difference
from analysis.transfer.findings import BetterTeacher, Groups, without_and_with_teacher
from analysis.transfer.models import StudentSize, TeacherCertainty
from analysis.transfer.students import DistilledStudent, Students
from analysis.transfer.words import points, schedule_words
from search_spaces import Schedule

Row = dict[str, Any]
Columns = tuple[Column[Any], ...]
LABELLED = "labelled examples that the student sees; at most, where classes have fewer than are asked for"


def _student_columns(*between: Column[Any], of: str = "") -> Columns:
    """Which student a row is about, and what it sees.

    Args:
        *between: Columns between the two.
        of: Where a row has the student, with a dot.
    """
    return (
        Column("teacher", f"{of}teacher", "name of the teacher"),
        Column("student", f"{of}student", "name of the student"),
        Column("dataset", f"{of}dataset", "name of the data set"),
        Column("metric", f"{of}metric", "what is scored"),
        *between,
        Column("labelled", f"{of}labelled", LABELLED),
        Column("transfer_rows", f"{of}transfer", "rows that the teacher predicts"),
    )


def _difference_columns(key: str, description: str, heading: str | None = None, metric: str = "metric") -> Columns:
    """A difference in points, and its interval."""

    def of(row: Any) -> Difference:
        found: Difference = at(row, key)
        return found

    def end(place: int) -> Callable[[Any], float | None]:
        return lambda row: interval[place] if (interval := of(row).interval) else None

    def gain(row: Any) -> str:
        return points(of(row).mean, at(row, metric))

    def span(row: Any) -> str:
        return " to ".join(points(end, at(row, metric)) for end in of(row).interval or ()) or words.MISSING

    low = "lower end of its 95 % interval: over test examples, or over seeds where answers are not kept"
    return (
        Column(key, f"{key}.mean", description, heading, gain, number=True),
        Column(f"{key}_low", end(0), low, "95 % interval" if heading else None, span, number=True),
        Column(f"{key}_high", end(1), "upper end"),
    )


def _test_columns(key: str) -> Columns:
    """What all tests say of a difference."""
    return tuple(replace(column, key=f"{key}_{column.key}") for column in p_value_columns(key))


def _test(kind: str, description: str, heading: str) -> Column[DistilledStudent]:
    return score_column(f"{kind}_test", f"{kind}.test", "metric", description, heading)


NAME = Column[DistilledStudent]("", "triple.name", heading="data set")
RNN = replace(_test("rnn", "the RNN encoder, of labels alone", "RNN encoder"), optional=True)
UNTAUGHT = _test("untaught", "the student without distillation", "no distillation")
HARD = _test("hard", "taught by the teacher's likeliest classes", "hard")
SOFT = _test("soft", "taught by more than those", "soft")
TAUGHT = _test("taught", "the better of the two, selected on validation", "distilled")
TEACHER: Column[DistilledStudent] = score_column("teacher_test", "teacher_test", "metric", "the teacher", "teacher")
GAIN = _difference_columns("gain", "taught_test - untaught_test, over the seeds that both have", "gain")
SOFT_GAIN = _difference_columns("soft_over_hard", "soft_test - hard_test, likewise", "soft − hard")


def _all_tests(key: str) -> tuple[Column[DistilledStudent], ...]:
    return (NAME, shown("metric", lambda student: student.metric.replace("_", " ")), *_test_columns(key))


def _all_columns(students: Students) -> Columns:
    sources = list(dict.fromkeys(each.source for each in students))
    group = "data sets with one number differ in their labels and transfer rows alone"
    kinds = ("untaught", "hard", "soft", "taught")
    return (
        *_student_columns(Column("group", lambda student: 1 + sources.index(student.source), group)),
        *(RNN, UNTAUGHT, HARD, SOFT, TAUGHT, TEACHER),
        *(Column[Any](f"{kind}_experiment", f"{kind}.name", "its name") for kind in kinds),
        *(*GAIN, *_test_columns("gain")),
        *(*SOFT_GAIN, *_test_columns("soft_over_hard")),
    )


STUDENTS = Table[Students, DistilledStudent](
    name="distillation",
    description="One row per teacher, student, data set, number of labels and of transfer rows (D, tables 5, 6, 8, 10 "
    "and 11): test scores, means over seeds; of each kind the experiment that validates best.",
    rows=lambda students: students or None,
    columns=_all_columns,
    on_page=lambda _: False,  # each section shows some of the columns
)
GAINS = Table[Students, DistilledStudent](
    rows=without_and_with_teacher, columns=(NAME, RNN, UNTAUGHT, TAUGHT, shown("by", "taught.name"), TEACHER, *GAIN)
)
GAIN_TESTS = Table[Students, DistilledStudent](
    title="All tests", rows=without_and_with_teacher, columns=_all_tests("gain")
)
SOFT_AND_HARD = Table[Students, DistilledStudent](
    rows=lambda students: students, columns=(NAME, SOFT, HARD, *SOFT_GAIN)
)
SOFT_TESTS = Table[Students, DistilledStudent](
    title="All tests", rows=lambda students: students, columns=_all_tests("soft_over_hard")
)
DATA_SIZES = Table[Groups, DistilledStudent](
    rows=lambda groups: (student for group in groups for student in group),
    columns=(
        NAME,
        Column("", "labelled", heading="labelled", format="{:,}".format, number=True),
        Column("", "transfer", heading="transfer rows", format="{:,}".format, number=True),
        *(UNTAUGHT, HARD, SOFT, TEACHER, *GAIN),
    ),
)
TEACHERS = Table[Sequence[BetterTeacher], DistilledStudent](
    rows=lambda found: (student for each in found for student in each.students),
    columns=(
        shown("data set", "dataset"),
        shown("student", "student"),
        shown("teacher", "teacher"),
        replace(TEACHER, heading="teacher's test"),
        replace(TAUGHT, heading="student's test"),
        shown("student − teacher", lambda student: points(student.over_teacher, student.metric), number=True),
    ),
)


def _schedules(students: Students) -> Iterator[Row]:
    for each in students:
        for schedule, own in each.schedules.items():
            over = each.over_joint.get(schedule, Difference())
            yield {"of": each, "schedule": schedule, "own": own, "over_joint": over}


OVER_JOINT = "test score over joint training's, over the seeds that both have"
SCHEDULES = Table[Students, Row](
    name="schedules",
    description="One row per teacher, student, data set and schedule of soft distillation (D, table 12): of each the "
    "experiment that validates best.",
    rows=_schedules,
    on_page=lambda _: False,  # the page has a column per schedule
    columns=(
        *_student_columns(of="of."),
        Column("schedule", "schedule", "joint, or what is learned in stages"),
        Column("experiment", "own.name", "its name"),
        Column("validation", "own.validation", "validation score, mean over seeds"),
        Column("test", "own.test", "test score, mean over seeds"),
        *_difference_columns("over_joint", OVER_JOINT, metric="of.metric"),
        *_test_columns("over_joint"),
    ),
)


def _schedule_column(schedule: Schedule) -> Column[DistilledStudent]:
    def test(student: DistilledStudent) -> str:
        """The test score, bold where no schedule has a better one."""
        tests = {name: words.score(own.test, student.metric) for name, own in student.schedules.items()}
        best = max((own.test for own in student.schedules.values() if own.test is not None), default=None)
        text = tests.get(schedule, words.MISSING)
        return Strong(text) if text != words.MISSING and text == words.score(best, student.metric) else text

    return shown(schedule_words(schedule), test, number=True)


def _schedule_columns(students: Students) -> Columns:
    learned = [schedule for schedule in Schedule if any(schedule in each.schedules for each in students)]
    return (NAME, *map(_schedule_column, learned))


BY_SCHEDULE = Table[Students, DistilledStudent](rows=lambda students: students, columns=_schedule_columns)
CHECKPOINT = "the teaching checkpoint: highest_score or lowest_loss"
OVER = "the split that it predicted: unlabeled (the transfer set) or train"
SPLITS = {"unlabeled": "transfer set", "train": "training rows"}
VARIANCE = "population variance over classes of its probabilities, mean over rows"
MAXIMUM = "that of one-hot probabilities, (1/C) (1 - 1/C)"
CERTAINTY = Table[Sequence[TeacherCertainty], TeacherCertainty](
    name="teacher_certainty",
    description="One row per teacher, data set and teaching checkpoint (D, table 9); none of records from before it "
    "was noted.",
    rows=lambda found: found,
    columns=(
        shown("data set", "dataset"),
        Column("teacher", "teacher", "name of the teacher", "teacher"),
        Column("dataset", "dataset", "name of the data set"),
        Column("checkpoint", "checkpoint", CHECKPOINT, "checkpoint", format=words.value_words),
        Column("over", "rows", OVER, "over", format=SPLITS.__getitem__),
        Column("classes", "classes", "number of classes C"),
        Column("variance", "variance", VARIANCE, "variance", format="{:.4f}".format, number=True),
        Column("maximum", "maximum", MAXIMUM, "maximum", format="{:.4f}".format, number=True),
        Column("share", "share", "variance / maximum", "share", format=words.percent, number=True),
        shown("classes", "classes", number=True),
    ),
)


def _timed(sizes: Sequence[StudentSize]) -> Iterator[Row]:
    for size in sizes:
        for dataset, speed in size.speed_ups.items() or [(None, None)]:
            yield {"size": size, "dataset": dataset, "speed": speed}


SIZES = Table[Sequence[StudentSize], Row](
    name="model_sizes",
    description="One row per teacher and student (D, table 7), and per data set where response times are measured.",
    rows=lambda sizes: _timed(sizes) if sizes else None,
    on_page=lambda _: False,  # the page has a row per model
    columns=(
        Column("teacher", "size.teacher", "name of the teacher"),
        Column("student", "size.student", "name of the student"),
        Column("teacher_parameters", "size.teacher_parameters", "the teacher's parameters, mean over data sets"),
        Column("student_parameters", "size.parameters", "the student's, likewise"),
        Column("compression", "size.compression", "the first over the second"),
        Column("dataset", "dataset", "where speed was measured"),
        Column("speed_up", "speed.median", "samples a second of the student over the teacher's, median over rounds"),
        Column("low", "speed.low", "first quartile"),
        Column("high", "speed.high", "third quartile"),
    ),
)


def _models(sizes: Sequence[StudentSize]) -> Iterator[Row]:
    """The teachers, then their students."""
    known = [size for size in sizes if size.compression]
    for teacher, parameters in {size.teacher: size.teacher_parameters for size in known}.items():
        yield {"model": teacher, "of": None, "parameters": parameters, "size": None}
    for size in known:
        yield {"model": size.student, "of": size.teacher, "parameters": size.parameters, "size": size}


def _quartiles(row: Row) -> str:
    """The lowest and the highest of all data sets."""
    speeds = row["size"].speed_ups.values() if row["size"] else ()
    low, high = (min(e.low for e in speeds), max(e.high for e in speeds)) if speeds else (None, None)
    return f"{words.times(low)} to {words.times(high)}" if speeds else words.MISSING


MODELS = Table[Sequence[StudentSize], Row](
    rows=_models,
    columns=(
        shown("model", "model"),
        shown("of teacher", "of"),
        Column("", "parameters", heading="parameters", format=words.millions, number=True),
        Column("", "size.compression", heading="compression", format=words.times, number=True),
        Column("", "size.speed_up", heading="speed-up", format=words.times, number=True),
        shown("quartiles over rounds", _quartiles, number=True),
    ),
)
