"""Figures of D's questions: scores and differences, teachers, schedules, sizes, learning curves. No arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import plotly.graph_objects as go

from analysis.presentation import Value, at, charts, style
from analysis.results import Difference, in_points
from analysis.transfer.findings import BetterTeacher, Groups
from analysis.transfer.models import StudentSize, TeacherCertainty
from analysis.transfer.students import DistilledStudent, Students
from analysis.transfer.words import group_name, schedule_words
from search_spaces import Schedule

GAINS = ("What a teacher is worth", "Left: test scores. Right: points over no distillation; bars: 95 % intervals")
TEACHERS = ("Better teachers, better students?", "Test scores of the distilled student and of its teacher")
SOFT = ("Soft against hard labels", "Left: test scores. Right: points of soft over hard; bars: 95 % intervals")
CERTAIN = ("How sure the teachers are", "Variance of their probabilities, as a share of that of hard labels")
SCHEDULES = ("In which order to learn", "Left: test scores. Right: points over joint training; bars: 95 % intervals")
SIZES = ("How much smaller and faster", "Parameters; samples a second by data set, bars: quartiles over rounds")
LABELS = ("What few labels cost", "Test score by labelled training examples, means over seeds")
ROWS = ("What the transfer set is worth", "Test score by rows that the teacher predicts, means over seeds")
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.RED, style.INK)

Marks = dict[str, tuple[str, str, Value[DistilledStudent]]]  # name: colour, symbol, whose score
KINDS: Marks = {
    "RNN encoder": (style.FAINT, "x", "rnn.test"),
    "no distillation": (style.ORANGE, "circle", "untaught.test"),
    "hard": (style.SKY, "triangle-up", "hard.test"),
    "soft": (style.BLUE, "circle", "soft.test"),
    "distilled": (style.BLUE, "circle", "taught.test"),
    "teacher": (style.INK, "line-ns", "teacher_test"),
}
OF_SCHEDULES = {
    Schedule.JOINT: (style.INK, "circle"),
    Schedule.STAGED: (style.BLUE, "square"),
    Schedule.DISTIL_ONCE: (style.ORANGE, "diamond"),
    Schedule.PROGRESSIVE: (style.GREEN, "triangle-up"),
    Schedule.STACKED: (style.PURPLE, "triangle-down"),
}
DRAWN = ("teacher", "no distillation", "hard", "soft")  # in learning curves
TALLER = 1.4  # learning curves than other panels, so that curves near each other can be told apart


# ---- scores and differences ------------------------------------------------------------------------------------------


def gains(students: Students) -> go.Figure:
    """Scores of RNN encoder, student without and with a teacher, teacher; and what the teacher adds."""
    marks = {name: KINDS[name] for name in ("RNN encoder", "no distillation", "distilled", "teacher")}
    return _scores_and_differences(students, marks, {"": lambda each: each.gain}, GAINS)


def soft_and_hard(students: Students) -> go.Figure:
    """Scores of softly and of hard taught students, and the difference."""
    marks = {name: KINDS[name] for name in ("hard", "soft", "teacher")}
    return _scores_and_differences(students, marks, {"": lambda each: each.soft_over_hard}, SOFT)


def schedules(students: Students) -> go.Figure:
    """Scores of each schedule, and what they add to joint training."""
    names = [name for name in Schedule if any(name in each.schedules for each in students)]
    others = [name for name in names if any(name in each.over_joint for each in students)]
    marks: Marks = {schedule_words(name): (*OF_SCHEDULES[name], partial(_test_of, name)) for name in names}
    differences = {schedule_words(name): partial(_over_joint, name) for name in others}
    return _scores_and_differences(students, marks, differences, SCHEDULES)


def _test_of(name: Schedule, student: DistilledStudent) -> float | None:
    return student.schedules[name].test if name in student.schedules else None


def _over_joint(name: Schedule, student: DistilledStudent) -> Difference:
    return student.over_joint.get(name, Difference())


def _scores_and_differences(
    students: Students,
    marks: Marks,
    differences: Mapping[str, Callable[[DistilledStudent], Difference]],
    titles: style.Titles,
) -> go.Figure:
    """A row per data set: scores on the left, differences with their intervals on the right."""
    rows = [each.triple.name for each in students]
    drawn = charts.panels(["", ""], 2, across=0.05, shared_yaxes=True)
    for name, (colour, symbol, score) in marks.items():
        known = {place: value for place, each in enumerate(students) if (value := at(each, score)) is not None}
        if known:
            look = {"marker_symbol": symbol, "marker_line": {"color": colour, "width": 2}, "name": name}
            texts, hover = [rows[place] for place in known], f"{name}, %{{text}}: %{{x:.4f}}"
            dots = charts.dots(list(known.values()), list(known), colour, hover, 10, text=texts, **look)
            drawn.add_trace(dots, row=1, col=1)
    for index, (name, of) in enumerate(differences.items()):
        shift = 0.24 * (index - (len(differences) - 1) / 2)  # so that bars of one row can be told apart
        drawn.add_trace(_intervals(students, of, name, marks[name][0] if name else None, shift), row=1, col=2)
    drawn.add_vline(x=0, line=charts.ZERO, row=1, col=2)
    height = 200 + 36 * max(2, len(rows))
    style.dress(drawn, titles, height=height, margin={"t": 140}, legend=style.below_title(height))
    drawn.update_yaxes(tickvals=list(range(len(rows))), ticktext=rows, range=[len(rows) - 0.4, -0.6], showgrid=True)
    return drawn.update_xaxes(showgrid=True, nticks=6).update_xaxes(tickformat="+.2~f", col=2)


def _intervals(
    students: Students, of: Callable[[DistilledStudent], Difference], name: str, colour: str | None, shift: float
) -> go.Scatter:
    """Differences with their intervals; without a colour of their own blue beyond the noise, and grey within."""
    means, places, ends, names, colours = [], [], [], [], []
    for place, each in enumerate(students):
        found = of(each)
        if found.mean is not None:
            means.append(in_points(found.mean, each.metric))
            places.append(place + shift)
            ends.append([in_points(end, each.metric) for end in found.interval or (found.mean, found.mean)])
            names.append(each.triple.name)
            colours.append(style.BLUE if found.verdict else style.FAINT)
    hover = f"%{{text}}: %{{x:+.2f}} (%{{customdata[0]:+.2f}} to %{{customdata[1]:+.2f}})<extra>{name}</extra>"
    between = charts.spans(means, ends, colour or style.FAINT, thickness=1.6)
    look: dict[str, Any] = {"text": names, "customdata": ends, "showlegend": False, "error_x": between}
    return charts.dots(means, places, colour or colours, hover, **look)


# ---- teachers and sizes ----------------------------------------------------------------------------------------------


def teachers(found: Sequence[BetterTeacher]) -> go.Figure:
    """The student's score against its teacher's, one line a student and data set."""
    drawn = go.Figure()
    several = len({each.students[0].student for each in found}) > 1
    for index, own in enumerate(found):
        first = own.students[0]
        name = f"{first.dataset}, {first.student}" if several else first.dataset
        line = charts.line(
            [each.teacher_test for each in own.students],
            [at(each, "taught.test") for each in own.students],
            COLOURS[index % len(COLOURS)],
            "%{text}: %{x:.4f}, student %{y:.4f}<extra>%{fullData.name}</extra>",
        )
        drawn.add_trace(line.update(name=name, text=[each.teacher for each in own.students], marker_size=9))
    style.dress(drawn, TEACHERS, height=460, margin={"t": 130}, showlegend=True, legend=style.below_title(460))
    return drawn.update_xaxes(title="test score of the teacher", showgrid=True).update_yaxes(title="of the student")


def certainties(found: Sequence[TeacherCertainty]) -> go.Figure:
    """Shares of the maximum, a row per teacher and data set."""
    rows = [f"{each.dataset}, {each.teacher}" for each in found]
    if len({each.checkpoint for each in found}) > 1:
        rows = [f"{row}, {each.checkpoint.replace('_', ' ')}" for row, each in zip(rows, found, strict=True)]
    details = [[each.variance, each.maximum] for each in found]
    hover = "%{y}: %{customdata[0]:.4f} of %{customdata[1]:.4f}"
    shares = [each.share for each in found]
    drawn = go.Figure(charts.bars(rows, shares, style.BLUE, hover, width=0.5, customdata=details))
    drawn.add_vline(x=1, line={"color": style.INK, "width": 1, "dash": "dash"}, annotation_text="hard labels")
    style.dress(drawn, CERTAIN, height=150 + 32 * len(rows))
    drawn.update_xaxes(range=[0, 1.12], tickformat=".0%", showgrid=True)
    return drawn.update_yaxes(autorange="reversed", ticksuffix=" ")


def sizes(found: Sequence[StudentSize]) -> go.Figure:
    """Compression and speed-up, a row per student and teacher."""
    known = {f"{each.student} of {each.teacher}": each for each in found if each.compression}
    timed = any(each.speed_ups for each in known.values())
    titles = ["<b>Compression</b>, teacher / student", "<b>Speed-up</b>, student / teacher"][: 1 + timed]
    drawn = charts.panels(titles, 2, across=0.05, size=13, shared_yaxes=True)
    ratios = [each.compression for each in known.values()]
    drawn.add_trace(charts.dots(ratios, list(known), style.BLUE, "%{y}: %{x:.1f} ×", 10), row=1, col=1)
    for row, each in known.items():
        if each.speed_ups:
            speeds, hover = each.speed_ups.values(), "%{y} on %{customdata}: %{x:.1f} ×"
            middles = [speed.median for speed in speeds]
            between = charts.spans(middles, [(s.low, s.high) for s in speeds], style.FAINT, thickness=1.6)
            look = {"error_x": between, "customdata": list(each.speed_ups)}
            drawn.add_trace(charts.dots(middles, [row] * len(middles), style.BLUE, hover, 8, **look), row=1, col=2)
    style.dress(drawn, SIZES, height=190 + 44 * len(known), margin={"t": 120}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero", showgrid=True, ticksuffix=" ×")
    return charts.name_rows(drawn, list(known))


# ---- learning curves -------------------------------------------------------------------------------------------------


def by_labels(groups: Groups) -> go.Figure:
    """Scores by labelled examples, a panel per teacher, student and source."""
    return _learning_curves(groups, "labelled", "labelled examples", LABELS)


def by_transfer_rows(groups: Groups) -> go.Figure:
    """Scores by transfer rows, a panel per teacher, student, source and number of labelled examples."""
    return _learning_curves(groups, "transfer", "transfer rows", ROWS)


def _learning_curves(groups: Groups, size: str, axis: str, titles: style.Titles) -> go.Figure:
    drawn = charts.curve_panels(titles, (_curve(group, name, size, axis) for group in groups for name in DRAWN))
    for panel, group in zip(drawn.select_xaxes(), groups, strict=False):
        ticks = [getattr(each, size) for each in group]
        panel.update(tickvals=ticks, ticktext=[f"{number:,}" for number in ticks])
    drawn.update_layout(height=TALLER * drawn.layout.height)
    return drawn.update_xaxes(type="log", title=axis, minor={"ticks": ""})


def _curve(group: Students, name: str, size: str, axis: str) -> charts.Curve:
    panel = group_name(group) + (f", {group[0].labelled:,} labels" if size == "transfer" else "")
    colour, _, score = KINDS[name]
    known = [(getattr(each, size), value) for each in group if (value := at(each, score)) is not None]
    return charts.Curve(
        triple_id=panel,
        metric=group[0].metric,
        name=name,
        about=panel,
        axis=axis,
        x=[rows for rows, _ in known],
        y=[value for _, value in known],
        selected=0,  # none
        colour=colour,
        dash="dash" if name == "teacher" else "solid",
    )
