"""Figures of D's questions: without and with a teacher, by labels, by transfer rows, by schedule. No arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.internals import Experiment
from analysis.presentation import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, RED, SKY, below_title, dress, no_data
from analysis.results import Difference, in_points
from analysis.transfer import BetterTeacher, Distilled
from analysis.transfer_findings import Certainty, Size
from analysis.transfer_wording import schedule_words
from search_spaces import Schedule

GAINS = ("What a teacher is worth", "Left: test scores. Right: points over no distillation; bars: 95 % intervals")
TEACHERS = ("Better teachers, better students?", "Test scores of the distilled student and of its teacher")
SOFT = ("Soft against hard labels", "Left: test scores. Right: points of soft over hard; bars: 95 % intervals")
CERTAIN = ("How sure the teachers are", "Variance of their probabilities, as a share of that of hard labels")
SCHEDULES = ("In which order to learn", "Left: test scores. Right: points over joint training; bars: 95 % intervals")
SIZES = ("How much smaller and faster", "Parameters; samples a second by data set, bars: quartiles over rounds")

Pick = Callable[[Distilled], float | None]
Compare = Callable[[Distilled], Difference]
Marks = dict[str, tuple[str, str, Pick]]
OF_SCHEDULES = {
    Schedule.JOINT: (INK, "circle"),
    Schedule.STAGED: (BLUE, "square"),
    Schedule.DISTIL_ONCE: (ORANGE, "diamond"),
    Schedule.PROGRESSIVE: (GREEN, "triangle-up"),
    Schedule.STACKED: (PURPLE, "triangle-down"),
}


def _score(experiment: Experiment | None) -> float | None:
    return experiment.test if experiment else None


KINDS: Marks = {  # name: colour, symbol, whose score
    "RNN encoder": (FAINT, "x", lambda each: _score(each.rnn)),
    "no distillation": (ORANGE, "circle", lambda each: _score(each.untaught)),
    "hard": (SKY, "triangle-up", lambda each: _score(each.hard)),
    "soft": (BLUE, "circle", lambda each: _score(each.soft)),
    "distilled": (BLUE, "circle", lambda each: _score(each.taught)),
    "teacher": (INK, "line-ns", lambda each: each.triple.teacher_test),
}


def gains(found: Sequence[Distilled]) -> go.Figure:
    """Scores of RNN encoder, student without and with a teacher, teacher; and what the teacher adds."""
    marks = {name: KINDS[name] for name in ("RNN encoder", "no distillation", "distilled", "teacher")}
    return _scores_and_differences(found, marks, {"": lambda each: each.gain}, GAINS)


def soft_and_hard(found: Sequence[Distilled]) -> go.Figure:
    """Scores of softly and of hard taught students, and the difference."""
    marks = {name: KINDS[name] for name in ("hard", "soft", "teacher")}
    return _scores_and_differences(found, marks, {"": lambda each: each.soft_over_hard}, SOFT)


def schedules(found: Sequence[Distilled]) -> go.Figure:
    """Scores of each schedule, and what they add to joint training."""
    names = [name for name in Schedule if any(name in each.schedules for each in found)]
    others = [name for name in names if any(name in each.over_joint for each in found)]
    marks = {schedule_words(name): (*OF_SCHEDULES[name], _of_schedule(name)) for name in names}
    over = {schedule_words(name): _over_joint(name) for name in others}
    return _scores_and_differences(found, marks, over, SCHEDULES)


def _of_schedule(name: Schedule) -> Pick:
    return lambda each: _score(each.schedules.get(name))


def _over_joint(name: Schedule) -> Compare:
    return lambda each: each.over_joint.get(name, Difference())


def teachers(found: Sequence[BetterTeacher]) -> go.Figure:
    """The student's score against its teacher's, one line a student and data set."""
    if not found:
        return no_data(TEACHERS)
    drawn, colours = go.Figure(), (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, INK)
    several = len({group.students[0].student for group in found}) > 1
    for index, group in enumerate(found):
        first = group.students[0]
        drawn.add_scatter(
            x=[each.triple.teacher_test for each in group.students],
            y=[_score(each.taught) for each in group.students],
            text=[each.teacher for each in group.students],
            name=f"{first.dataset}, {first.student}" if several else first.dataset,
            mode="lines+markers",
            line={"color": colours[index % len(colours)], "width": 1.5},
            marker={"size": 9},
            hovertemplate="%{text}: %{x:.4f}, student %{y:.4f}<extra>%{fullData.name}</extra>",
        )
    dress(drawn, TEACHERS, height=460, margin={"t": 130}, showlegend=True, legend=below_title(460))
    return drawn.update_xaxes(title="test score of the teacher", showgrid=True).update_yaxes(title="of the student")


def certainties(found: Sequence[Certainty]) -> go.Figure:
    """Shares of the maximum, a row per teacher and data set."""
    if not found:
        return no_data(CERTAIN)
    several = len({each.checkpoint for each in found}) > 1
    rows = [
        ", ".join([each.dataset, each.teacher, *([each.checkpoint.replace("_", " ")] if several else [])])
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
    return drawn.update_xaxes(range=[0, 1.12], tickformat=".0%", showgrid=True).update_yaxes(
        autorange="reversed", ticksuffix=" "
    )


def sizes(found: Sequence[Size]) -> go.Figure:
    """Compression and speed-up, a row per student and teacher."""
    shown = [each for each in found if each.compression]
    if not shown:
        return no_data(SIZES)
    timed = any(each.speed_ups for each in shown)
    titles = ["<b>Compression</b>, teacher / student", "<b>Speed-up</b>, student / teacher"]
    drawn = make_subplots(
        cols=1 + timed, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=titles[: 1 + timed]
    )
    rows = [f"{each.student} of {each.teacher}" for each in shown]
    hover = "%{y}: %{x:.1f} ×<extra></extra>"
    marker = {"color": BLUE, "size": 10}
    drawn.add_scatter(x=[e.compression for e in shown], y=rows, mode="markers", marker=marker, hovertemplate=hover)
    for row, each in zip(rows, shown, strict=True):
        if each.speed_ups:
            drawn.add_trace(_speed_ups(row, each), row=1, col=2)
    drawn.update_annotations(font={"size": 13})
    dress(drawn, SIZES, height=190 + 44 * len(rows), margin={"t": 120}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero", showgrid=True, ticksuffix=" ×")
    return drawn.update_yaxes(categoryorder="array", categoryarray=rows[::-1], range=[-0.6, len(rows) - 0.4])


def _speed_ups(row: str, size: Size) -> go.Scatter:
    speeds = list(size.speed_ups.values())
    return go.Scatter(
        x=[speed.median for speed in speeds],
        y=[row] * len(speeds),
        mode="markers",
        marker={"color": BLUE, "size": 8},
        error_x={
            "type": "data",
            "array": [speed.high - speed.median for speed in speeds],
            "arrayminus": [speed.median - speed.low for speed in speeds],
            "color": FAINT,
            "thickness": 1.6,
        },
        customdata=list(size.speed_ups),
        hovertemplate="%{y} on %{customdata}: %{x:.1f} ×<extra></extra>",
    )


def _scores_and_differences(
    found: Sequence[Distilled],
    marks: Marks,
    differences: Mapping[str, Compare],
    titles: tuple[str, str],
) -> go.Figure:
    """A row per data set: scores on the left, differences with their intervals on the right."""
    if not found:
        return no_data(titles)
    rows = [each.triple.name for each in found]
    drawn = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    for name, (colour, symbol, pick) in marks.items():
        known = {place: value for place, each in enumerate(found) if (value := pick(each)) is not None}
        if known:
            drawn.add_trace(_dots(name, colour, symbol, known, rows), row=1, col=1)
    for index, (name, of) in enumerate(differences.items()):
        shift = 0.24 * (index - (len(differences) - 1) / 2)  # so that bars of one row can be told apart
        known_differences = {place: own for place, each in enumerate(found) if (own := of(each)).mean is not None}
        own_colour = marks[name][0] if name else None
        drawn.add_trace(_intervals(name, own_colour, known_differences, found, shift), row=1, col=2)
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
    name: str, colour: str | None, known: Mapping[int, Difference], found: Sequence[Distilled], shift: float
) -> go.Scatter:
    """Differences with their intervals; without a colour of their own blue beyond the noise, and grey within."""
    means, spans = [], []
    for place, own in known.items():
        mean = own.mean or 0.0
        means.append(in_points(mean, found[place].metric))
        spans.append([in_points(end, found[place].metric) for end in own.interval or (mean, mean)])
    told = [BLUE if own.verdict else FAINT for own in known.values()]
    return go.Scatter(
        x=means,
        y=[place + shift for place in known],
        text=[found[place].triple.name for place in known],
        customdata=spans,
        mode="markers",
        showlegend=False,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - mean for (_, high), mean in zip(spans, means, strict=True)],
            "arrayminus": [mean - low for (low, _), mean in zip(spans, means, strict=True)],
            "color": colour or FAINT,
            "thickness": 1.6,
        },
        marker={"color": colour or told, "size": 9},
        hovertemplate="%{text}: %{x:+.2f} (%{customdata[0]:+.2f} to %{customdata[1]:+.2f})" + f"<extra>{name}</extra>",
    )
