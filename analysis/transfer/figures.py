"""Figures of D's questions: scores and differences, teachers, schedules, sizes. No arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY, Value, at, below_title, dress
from analysis.results import Difference, in_points
from analysis.transfer.findings import BetterTeacher
from analysis.transfer.models import StudentSize, TeacherCertainty
from analysis.transfer.students import DistilledStudent, Students
from analysis.transfer.words import schedule_words
from search_spaces import Schedule

GAINS = ("What a teacher is worth", "Left: test scores. Right: points over no distillation; bars: 95 % intervals")
TEACHERS = ("Better teachers, better students?", "Test scores of the distilled student and of its teacher")
SOFT = ("Soft against hard labels", "Left: test scores. Right: points of soft over hard; bars: 95 % intervals")
CERTAIN = ("How sure the teachers are", "Variance of their probabilities, as a share of that of hard labels")
SCHEDULES = ("In which order to learn", "Left: test scores. Right: points over joint training; bars: 95 % intervals")
SIZES = ("How much smaller and faster", "Parameters; samples a second by data set, bars: quartiles over rounds")
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, INK)

Marks = dict[str, tuple[str, str, Value[DistilledStudent]]]  # name: colour, symbol, whose score
KINDS: Marks = {
    "RNN encoder": (FAINT, "x", "rnn.test"),
    "no distillation": (ORANGE, "circle", "untaught.test"),
    "hard": (SKY, "triangle-up", "hard.test"),
    "soft": (BLUE, "circle", "soft.test"),
    "distilled": (BLUE, "circle", "taught.test"),
    "teacher": (INK, "line-ns", "teacher_test"),
}
OF_SCHEDULES = {
    Schedule.JOINT: (INK, "circle"),
    Schedule.STAGED: (BLUE, "square"),
    Schedule.DISTIL_ONCE: (ORANGE, "diamond"),
    Schedule.PROGRESSIVE: (GREEN, "triangle-up"),
    Schedule.STACKED: (PURPLE, "triangle-down"),
}


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
    marks: Marks = {schedule_words(name): (*OF_SCHEDULES[name], _test_of(name)) for name in names}
    return _scores_and_differences(
        students, marks, {schedule_words(name): _over_joint(name) for name in others}, SCHEDULES
    )


def _test_of(name: Schedule) -> Callable[[DistilledStudent], float | None]:
    return lambda each: each.schedules[name].test if name in each.schedules else None


def _over_joint(name: Schedule) -> Callable[[DistilledStudent], Difference]:
    return lambda each: each.over_joint.get(name, Difference())


def teachers(found: Sequence[BetterTeacher]) -> go.Figure:
    """The student's score against its teacher's, one line a student and data set."""
    drawn = go.Figure()
    several = len({each.students[0].student for each in found}) > 1
    for index, own in enumerate(found):
        first = own.students[0]
        drawn.add_scatter(
            x=[each.teacher_test for each in own.students],
            y=[at(each, "taught.test") for each in own.students],
            text=[each.teacher for each in own.students],
            name=f"{first.dataset}, {first.student}" if several else first.dataset,
            mode="lines+markers",
            line={"color": COLOURS[index % len(COLOURS)], "width": 1.5},
            marker={"size": 9},
            hovertemplate="%{text}: %{x:.4f}, student %{y:.4f}<extra>%{fullData.name}</extra>",
        )
    dress(drawn, TEACHERS, height=460, margin={"t": 130}, showlegend=True, legend=below_title(460))
    return drawn.update_xaxes(title="test score of the teacher", showgrid=True).update_yaxes(title="of the student")


def certainties(found: Sequence[TeacherCertainty]) -> go.Figure:
    """Shares of the maximum, a row per teacher and data set."""
    several = len({each.checkpoint for each in found}) > 1
    rows = [
        f"{each.dataset}, {each.teacher}" + (f", {each.checkpoint.replace('_', ' ')}" if several else "")
        for each in found
    ]
    drawn = go.Figure(
        go.Bar(
            x=[each.share for each in found],
            y=rows,
            orientation="h",
            width=0.5,
            marker={"color": BLUE},
            customdata=[[each.variance, each.maximum] for each in found],
            hovertemplate="%{y}: %{customdata[0]:.4f} of %{customdata[1]:.4f}<extra></extra>",
        )
    )
    drawn.add_vline(x=1, line={"color": INK, "width": 1, "dash": "dash"}, annotation_text="hard labels")
    dress(drawn, CERTAIN, height=150 + 32 * len(rows))
    drawn.update_xaxes(range=[0, 1.12], tickformat=".0%", showgrid=True)
    return drawn.update_yaxes(autorange="reversed", ticksuffix=" ")


def sizes(found: Sequence[StudentSize]) -> go.Figure:
    """Compression and speed-up, a row per student and teacher."""
    known = [each for each in found if each.compression]
    rows = [f"{each.student} of {each.teacher}" for each in known]
    timed = any(each.speed_ups for each in known)
    titles = ["<b>Compression</b>, teacher / student", "<b>Speed-up</b>, student / teacher"][: 1 + timed]
    drawn = make_subplots(cols=1 + timed, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=titles)
    hover, marker = "%{y}: %{x:.1f} ×<extra></extra>", {"color": BLUE, "size": 10}
    drawn.add_scatter(x=[e.compression for e in known], y=rows, mode="markers", marker=marker, hovertemplate=hover)
    for row, each in zip(rows, known, strict=True):
        if each.speed_ups:
            drawn.add_trace(_speed_ups(row, each), row=1, col=2)
    drawn.update_annotations(font={"size": 13})
    dress(drawn, SIZES, height=190 + 44 * len(rows), margin={"t": 120}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero", showgrid=True, ticksuffix=" ×")
    return drawn.update_yaxes(categoryorder="array", categoryarray=rows[::-1], range=[-0.6, len(rows) - 0.4])


def _speed_ups(row: str, size: StudentSize) -> go.Scatter:
    speeds = list(size.speed_ups.values())
    middles = [speed.median for speed in speeds]
    return go.Scatter(
        x=middles,
        y=[row] * len(speeds),
        mode="markers",
        marker={"color": BLUE, "size": 8},
        error_x=_bars(middles, [(speed.low, speed.high) for speed in speeds], FAINT),
        customdata=list(size.speed_ups),
        hovertemplate="%{y} on %{customdata}: %{x:.1f} ×<extra></extra>",
    )


def _scores_and_differences(
    students: Students,
    marks: Marks,
    differences: Mapping[str, Callable[[DistilledStudent], Difference]],
    titles: tuple[str, str],
) -> go.Figure:
    """A row per data set: scores on the left, differences with their intervals on the right."""
    rows = [each.triple.name for each in students]
    drawn = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    for name, (colour, symbol, score) in marks.items():
        known = {place: value for place, each in enumerate(students) if (value := at(each, score)) is not None}
        if known:
            drawn.add_trace(_dots(name, colour, symbol, known, rows), row=1, col=1)
    for index, (name, of) in enumerate(differences.items()):
        shift = 0.24 * (index - (len(differences) - 1) / 2)  # so that bars of one row can be told apart
        drawn.add_trace(_intervals(students, of, name, marks[name][0] if name else None, shift), row=1, col=2)
    drawn.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=2)
    height = 200 + 36 * max(2, len(rows))
    dress(drawn, titles, height=height, margin={"t": 140}, legend=below_title(height))
    drawn.update_yaxes(tickvals=list(range(len(rows))), ticktext=rows, range=[len(rows) - 0.4, -0.6], showgrid=True)
    return drawn.update_xaxes(showgrid=True, nticks=6).update_xaxes(tickformat="+.2~f", col=2)


def _dots(name: str, colour: str, symbol: str, known: Mapping[int, float], rows: Sequence[str]) -> go.Scatter:
    return go.Scatter(
        x=list(known.values()),
        y=list(known),
        text=[rows[place] for place in known],
        name=name,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 10, "line": {"color": colour, "width": 2}},
        hovertemplate=f"{name}, %{{text}}: %{{x:.4f}}<extra></extra>",
    )


def _intervals(
    students: Students, of: Callable[[DistilledStudent], Difference], name: str, colour: str | None, shift: float
) -> go.Scatter:
    """Differences with their intervals; without a colour of their own blue beyond the noise, and grey within."""
    known = [(place, each, own) for place, each in enumerate(students) if (own := of(each)).mean is not None]
    means = [in_points(own.mean or 0.0, each.metric) for _, each, own in known]
    ends = [own.interval or (own.mean or 0.0, own.mean or 0.0) for _, _, own in known]
    spans = [
        (in_points(low, e.metric), in_points(high, e.metric))
        for (low, high), (_, e, _) in zip(ends, known, strict=True)
    ]
    return go.Scatter(
        x=means,
        y=[place + shift for place, _, _ in known],
        text=[each.triple.name for _, each, _ in known],
        customdata=spans,
        mode="markers",
        showlegend=False,
        error_x=_bars(means, spans, colour or FAINT) | {"symmetric": False},
        marker={"color": colour or [BLUE if own.verdict else FAINT for _, _, own in known], "size": 9},
        hovertemplate="%{text}: %{x:+.2f} (%{customdata[0]:+.2f} to %{customdata[1]:+.2f})" + f"<extra>{name}</extra>",
    )


def _bars(middles: Sequence[float], spans: Sequence[Sequence[float]], colour: str) -> dict[str, Any]:
    """Error bars that reach from the low to the high end of each span."""
    return {
        "type": "data",
        "array": [high - middle for middle, (_, high) in zip(middles, spans, strict=True)],
        "arrayminus": [middle - low for middle, (low, _) in zip(middles, spans, strict=True)],
        "color": colour,
        "thickness": 1.6,
    }
