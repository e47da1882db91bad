"""Figures of named configurations: against the first, by epoch (C, figure 4), by rows (C, figure 3). No arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.internals.experiments import Experiment, ExperimentTriple, ValidationCurve
from analysis.internals.findings import Families, Triples
from analysis.internals.words import interval_words
from analysis.presentation import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    SOFT,
    below_title,
    dress,
    no_data,
    score_digits,
    task_words,
)
from analysis.results import TEACHER, Bootstrap

COLOURS = (INK, FAINT, SKY, PURPLE, BLUE, ORANGE, GREEN, RED, "#8c6d31", "#7f7f7f")
AGAINST = ("What each experiment gains over the first", "Test scores; bars: 95 % intervals over test examples")
BY_EPOCH = (
    "How fast each experiment learns",
    "Validation score by epoch, mean over seeds; rings: the last epoch of a stage",
)
BY_PARAMETERS = ("What smaller students keep", "Test score by parameters, mean over seeds; dashed: the teacher")
BY_ROWS = ("What the size of the training set changes", "Test score over the first experiment's, by training rows")


def against_first(triples: Triples) -> go.Figure:
    """Differences with their intervals, triple by triple."""
    shown = [triple for triple in triples if any(each.over_first.by_seeds for each in triple.experiments)]
    if not shown:
        return no_data(AGAINST)
    titles = [f"<b>{each.name}</b><br>{task_words(each.metric)}" for each in shown]
    drawn = make_subplots(cols=len(shown), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    for column, triple in enumerate(shown, start=1):
        for experiment in triple.experiments[:0:-1]:
            if experiment.over_first.by_seeds:
                drawn.add_trace(_difference(triple, experiment), row=1, col=column)
        drawn.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=column)
    drawn.update_annotations(font={"size": 12})
    height = 186 + 34 * len(shown[0].experiments)
    dress(drawn, AGAINST, height=height, showlegend=False, margin={"t": 136})
    return drawn.update_xaxes(tickformat="+.2~f", nticks=5, showgrid=True)


def by_epoch(triples: Triples) -> go.Figure:
    """Validation curves, one panel a triple."""
    shown = [triple for triple in triples if any(each.curve for each in triple.experiments)]
    if not shown:
        return no_data(BY_EPOCH)
    titles = [f"<b>{triple.name}</b><br>{task_words(triple.metric)}" for triple in shown]
    spacing = min(0.2, 90 / (320 * len(shown)))
    drawn = make_subplots(rows=len(shown), vertical_spacing=spacing, subplot_titles=titles)
    for row, triple in enumerate(shown, start=1):
        for index, experiment in enumerate(triple.experiments):
            if experiment.curve:
                line = _curve(experiment.name, index, experiment.curve, triple.metric)
                drawn.add_trace(line.update(showlegend=row == 1), row=row, col=1)
    height = 140 + 320 * len(shown)
    dress(drawn, BY_EPOCH, height=height, margin={"t": 164}, legend=below_title(height))
    return drawn.update_xaxes(title="epoch", row=len(shown))


def by_rows(families: Families) -> go.Figure:
    """Gains over the first experiment against training rows, of triples whose data differ in their size alone."""
    drawn = _panel_each(BY_ROWS, families, _gains)
    drawn.add_hline(y=0, line={"color": INK, "width": 1}, row="all", col="all")
    rows = sorted({triple.train_rows for triples in families for triple in triples if triple.train_rows})
    ticks = {"tickvals": rows, "ticktext": [f"{number:,}" for number in rows]}
    return drawn.update_xaxes(type="log", title="training rows", **ticks).update_yaxes(tickformat="+.2~f")


def by_parameters(families: Families) -> go.Figure:
    """Test scores against the students' parameters, with the teacher's score."""
    drawn = _panel_each(BY_PARAMETERS, families, _scores)
    for column, triples in enumerate(families, start=1):
        if triples[0].teacher_test is not None:
            line = {"color": SOFT, "width": 1, "dash": "dash"}
            drawn.add_hline(y=triples[0].teacher_test, line=line, annotation_text=TEACHER, row=1, col=column)
    return drawn.update_xaxes(title="millions of parameters")


def _panel_each(
    titles: tuple[str, str], families: Families, trace: Callable[[Triples, int], go.Scatter | None]
) -> go.Figure:
    """A panel for each family, with a line for each experiment."""
    names = [_family_title(triples) for triples in families]
    drawn = make_subplots(cols=len(families), horizontal_spacing=0.08, subplot_titles=names)
    for column, triples in enumerate(families, start=1):
        for index in range(len(triples[0].experiments)):
            if line := trace(triples, index):
                drawn.add_trace(line.update(showlegend=column == 1), row=1, col=column)
    return dress(drawn, titles, height=480, margin={"t": 164}, legend=below_title(480))


def _family_title(triples: Triples) -> str:
    shortest = min((triple.outcome.triple.dataset.name for triple in triples), key=len)
    return f"<b>{shortest}</b>, {task_words(triples[0].metric)}"


def _difference(triple: ExperimentTriple, experiment: Experiment) -> go.Scatter:
    found, metric = experiment.over_first.by_examples, triple.metric
    value = found.difference if found else experiment.over_first.mean
    colour = BLUE if found and (found.low > 0 or found.high < 0) else FAINT
    interval = interval_words(experiment, metric)
    return go.Scatter(
        x=[value],
        y=[experiment.name],
        mode="markers",
        error_x={"color": colour, "thickness": 1.6, **_bars([found] if found else [])},
        marker={"color": colour, "size": 9},
        hovertemplate=f"{experiment.name}: %{{x:+.{score_digits(metric)}f}}"
        f"{interval and f'<br>95 % interval {interval}'}<extra></extra>",
    )


def _curve(name: str, index: int, curve: ValidationCurve, metric: str) -> go.Scatter:
    look = _look(name, index)
    colour = look["line"]["color"]
    ends = [a != b for a, b in zip(curve.stages, curve.stages[1:], strict=False)] + [False]
    return go.Scatter(
        x=curve.epochs,
        y=curve.scores,
        customdata=[f", stage {stage}" if stage else "" for stage in curve.stages],
        **look,
        line_dash="dot" if index == 1 else "solid",
        marker={
            "color": ["white" if end else colour for end in ends],
            "size": [10 if end else 4 for end in ends],
            "line": {"color": colour, "width": [2 if end else 0 for end in ends]},
        },
        hovertemplate=f"{name}, epoch %{{x:g}}%{{customdata}}: %{{y:.{score_digits(metric)}f}}<extra></extra>",
    )


def _gains(triples: Triples, index: int) -> go.Scatter | None:
    name = triples[0].experiments[index].name
    points = [(triple.train_rows, triple.experiments[index].over_first.by_examples) for triple in triples]
    known = [(rows, found) for rows, found in points if rows and found]
    if not known:
        return None
    shift = 1 + 0.02 * (index - 4)  # so that bars at one place can be told apart
    return go.Scatter(
        x=[rows * shift for rows, _ in known],
        y=[found.difference for _, found in known],
        error_y={"thickness": 1.2, "width": 3, **_bars([found for _, found in known])},
        **_look(name, index),
        hovertemplate=f"{name}: %{{y:+.4f}}<extra></extra>",
    )


def _scores(triples: Triples, index: int) -> go.Scatter | None:
    name = triples[0].experiments[index].name
    points = [(triple.outcome.num_parameters, triple.experiments[index].test) for triple in triples]
    known = [(size / 1e6, test) for size, test in points if size and test is not None]
    if not known:
        return None
    return go.Scatter(
        x=[size for size, _ in known],
        y=[test for _, test in known],
        **_look(name, index),
        hovertemplate=f"{name}, %{{x:.1f}} M: %{{y:.4f}}<extra></extra>",
    )


def _look(name: str, index: int) -> dict[str, Any]:
    """An experiment's line; the first one is thicker."""
    line = {"color": COLOURS[index % len(COLOURS)], "width": 2 if index == 0 else 1.5}
    return {"name": name, "legendgroup": name, "mode": "lines+markers", "line": line}


def _bars(found: Sequence[Bootstrap]) -> dict[str, Any]:
    """Their intervals, as bars."""
    above, below = [each.high - each.difference for each in found], [each.difference - each.low for each in found]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below} if found else {}
