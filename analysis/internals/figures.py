"""Figures of named configurations: against the first, by epoch (C, figure 4), by rows (C, figure 3). No arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.internals.experiments import Experiment, ExperimentTriple
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
)
from analysis.results import Bootstrap

COLOURS = (INK, FAINT, SKY, PURPLE, BLUE, ORANGE, GREEN, RED, "#8c6d31", "#7f7f7f")
AGAINST = ("What each experiment gains over the first", "Test scores; bars: 95 % intervals over test examples")
BY_EPOCH = (
    "How fast each experiment learns",
    "Validation score by epoch, mean over seeds; rings: the last epoch of a stage",
)
BY_PARAMETERS = ("What smaller students keep", "Test score by parameters, mean over seeds; dashed: the teacher")
BY_ROWS = ("What the size of the training set changes", "Test score over the first experiment's, by training rows")


def against_first(triples: Sequence[ExperimentTriple]) -> go.Figure:
    """Differences with their intervals, triple by triple."""
    shown = [triple for triple in triples if any(each.over_first.by_seeds for each in triple.experiments)]
    if not shown:
        return no_data(AGAINST)
    titles = [_title(each).replace("</b>, ", "</b><br>") for each in shown]
    drawn = make_subplots(cols=len(shown), shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    for column, triple in enumerate(shown, start=1):
        for experiment in triple.experiments[:0:-1]:
            if experiment.over_first.by_seeds:
                drawn.add_trace(_difference(triple, experiment), row=1, col=column)
        drawn.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=column)
    rows = len(shown[0].experiments)
    drawn.update_annotations(font={"size": 12})
    dress(drawn, AGAINST, height=186 + 34 * rows, showlegend=False, margin={"t": 136})
    return drawn.update_xaxes(tickformat="+.2~f", nticks=5, showgrid=True)


def by_epoch(triples: Sequence[ExperimentTriple]) -> go.Figure:
    """Validation curves, one panel a triple."""
    shown = [triple for triple in triples if any(each.line for each in triple.experiments)]
    if not shown:
        return no_data(BY_EPOCH)
    drawn = make_subplots(
        rows=len(shown), vertical_spacing=min(0.2, 90 / (320 * len(shown))), subplot_titles=[_title(t) for t in shown]
    )
    for row, triple in enumerate(shown, start=1):
        for index, experiment in enumerate(triple.experiments):
            if experiment.line:
                drawn.add_trace(_curve(triple, experiment, index, legend=row == 1), row=row, col=1)
    height = 140 + 320 * len(shown)
    dress(drawn, BY_EPOCH, height=height, margin={"t": 164}, legend=below_title(height))
    return drawn.update_xaxes(title="epoch", row=len(shown))


def by_rows(families: Sequence[Sequence[ExperimentTriple]]) -> go.Figure:
    """Gains over the first experiment against training rows, of triples whose data differ in their size alone."""
    if not families:
        return no_data(BY_ROWS)
    drawn = make_subplots(
        cols=len(families), horizontal_spacing=0.08, subplot_titles=[_family(triples) for triples in families]
    )
    for column, triples in enumerate(families, start=1):
        for index, experiment in enumerate(triples[0].experiments):
            points = [(triple.train_rows, triple.experiments[index].over_first.by_examples) for triple in triples]
            known = [(rows, found) for rows, found in points if rows and found]
            if index and known:
                drawn.add_trace(_gains(experiment.name, index, known, legend=column == 1), row=1, col=column)
        drawn.add_hline(y=0, line={"color": INK, "width": 1}, row=1, col=column)
    dress(drawn, BY_ROWS, height=480, margin={"t": 164}, legend=below_title(480))
    rows = sorted({triple.train_rows for triples in families for triple in triples if triple.train_rows})
    ticks = {"tickvals": rows, "ticktext": [f"{number:,}" for number in rows]}
    return drawn.update_xaxes(type="log", title="training rows", **ticks).update_yaxes(tickformat="+.2~f")


def by_parameters(families: Sequence[Sequence[ExperimentTriple]]) -> go.Figure:
    """Test scores against the students' parameters, with the teacher's score."""
    if not families:
        return no_data(BY_PARAMETERS)
    drawn = make_subplots(
        cols=len(families), horizontal_spacing=0.08, subplot_titles=[_family(triples) for triples in families]
    )
    for column, triples in enumerate(families, start=1):
        for index, experiment in enumerate(triples[0].experiments):
            points = [(triple.outcome.num_parameters, triple.experiments[index].test) for triple in triples]
            known = [(size / 1e6, test) for size, test in points if size and test is not None]
            if known:
                drawn.add_trace(_scores(experiment.name, index, known, legend=column == 1), row=1, col=column)
        if triples[0].teacher_test is not None:
            line = {"color": SOFT, "width": 1, "dash": "dash"}
            drawn.add_hline(y=triples[0].teacher_test, line=line, annotation_text="teacher", row=1, col=column)
    dress(drawn, BY_PARAMETERS, height=480, margin={"t": 164}, legend=below_title(480))
    return drawn.update_xaxes(title="millions of parameters")


def _scores(name: str, index: int, known: Sequence[tuple[float, float]], *, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=[size for size, _ in known],
        y=[test for _, test in known],
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers",
        line={"color": COLOURS[index % len(COLOURS)], "width": 2 if index == 0 else 1.5},
        hovertemplate=f"{name}, %{{x:.1f}} M: %{{y:.4f}}<extra></extra>",
    )


def _title(triple: ExperimentTriple) -> str:
    return f"<b>{triple.name}</b><br>{triple.outcome.metric.replace('_', ' ')}"


def _family(triples: Sequence[ExperimentTriple]) -> str:
    shortest = min((triple.outcome.triple.dataset.name for triple in triples), key=len)
    return f"<b>{shortest}</b>, {triples[0].outcome.metric.replace('_', ' ')}"


def _difference(triple: ExperimentTriple, experiment: Experiment) -> go.Scatter:
    assert experiment.over_first.by_seeds is not None  # seen by the caller
    found = experiment.over_first.by_examples
    value = found.difference if found else experiment.over_first.by_seeds.mean
    bars = {"array": [found.high - value], "arrayminus": [value - found.low]} if found else {}
    sure = found is not None and (found.low > 0 or found.high < 0)
    digits = score_digits(triple.outcome.metric)
    interval = f"<br>95 % interval {found.low:+.{digits}f} to {found.high:+.{digits}f}" if found else ""
    return go.Scatter(
        x=[value],
        y=[experiment.name],
        mode="markers",
        error_x={"type": "data", "symmetric": False, "color": BLUE if sure else FAINT, "thickness": 1.6, **bars},
        marker={"color": BLUE if sure else FAINT, "size": 9},
        hovertemplate=f"{experiment.name}: %{{x:+.{digits}f}}{interval}<extra></extra>",
    )


def _curve(triple: ExperimentTriple, experiment: Experiment, index: int, *, legend: bool) -> go.Scatter:
    assert experiment.line is not None  # seen by the caller
    line, colour = experiment.line, COLOURS[index % len(COLOURS)]
    ends = [a != b for a, b in zip(line.stages, line.stages[1:], strict=False)] + [False]
    stages = [f", stage {stage}" if stage else "" for stage in line.stages]
    return go.Scatter(
        x=line.epochs,
        y=line.scores,
        customdata=stages,
        name=experiment.name,
        legendgroup=experiment.name,
        showlegend=legend,
        mode="lines+markers",
        line={"color": colour, "width": 2 if index == 0 else 1.5, "dash": "dot" if index == 1 else "solid"},
        marker={
            "color": ["white" if end else colour for end in ends],
            "size": [10 if end else 4 for end in ends],
            "line": {"color": colour, "width": [2 if end else 0 for end in ends]},
        },
        hovertemplate=f"{experiment.name}, epoch %{{x:g}}%{{customdata}}: "
        f"%{{y:.{score_digits(triple.outcome.metric)}f}}<extra></extra>",
    )


def _gains(name: str, index: int, known: Sequence[tuple[int, Bootstrap]], *, legend: bool) -> go.Scatter:
    found = [each for _, each in known]
    shift = 1 + 0.02 * (index - 4)  # so that bars at one place can be told apart
    return go.Scatter(
        x=[rows * shift for rows, _ in known],
        y=[each.difference for each in found],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [each.high - each.difference for each in found],
            "arrayminus": [each.difference - each.low for each in found],
            "thickness": 1.2,
            "width": 3,
        },
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="lines+markers",
        line={"color": COLOURS[index % len(COLOURS)], "width": 1.5},
        hovertemplate=f"{name}: %{{y:+.4f}}<extra></extra>",
    )
