"""Small multiples of curves, one panel per triple: temperature and training. No arithmetic here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.curves import TemperatureCurve, TrainingCurve
from analysis.findings import Findings
from analysis.style import BLUE, GREEN, PURPLE, RED, ROLE_COLOURS, dress, no_data
from analysis.wording import configuration_words, score_digits, value_words

COLUMNS = 3  # panels side by side
CURVE_COLOURS = {("ce", "equal"): BLUE, ("ce", "one"): GREEN, ("mse", "equal"): RED, ("mse", "one"): PURPLE}
CHECKPOINT_DASHES = {"highest_score": "solid", "lowest_loss": "dot"}
TEMPERATURES = ("Temperature", "Validation score against the teacher's temperature; rings mark the selected one")
TRAINING = ("Training of the best and the worst choice", "Validation score over epochs; rings mark the tested weights")
TRAINING_OF_ONE = ("Training of the students", TRAINING[1])

Curve = TypeVar("Curve", TemperatureCurve, TrainingCurve)
Trace = Callable[[Curve], go.Scatter]


def temperatures(findings: Findings) -> go.Figure:
    """`TemperatureCurve`s: a colour per distance and student temperature, a dash per teacher checkpoint."""
    curves = [curve for curve in findings.temperature_curves if curve.scores]
    drawn = _panels(curves, TEMPERATURES, _temperature_trace)
    return drawn.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64]) if curves else drawn


def training(findings: Findings) -> go.Figure:
    """`TrainingCurve`s: a colour per role."""
    curves = [curve for curve in findings.training_curves if curve.scores]
    return _panels(curves, TRAINING if findings.compares_choices else TRAINING_OF_ONE, _training_trace)


def _panels(curves: Sequence[Curve], titles: tuple[str, str], trace: Trace[Curve]) -> go.Figure:
    """A panel per triple with its curves; each curve's name stands once in the legend."""
    if not curves:
        return no_data(titles)
    metrics = {curve.triple_id: curve.metric for curve in curves}
    names = list(metrics)
    several = len(set(metrics.values())) > 1
    rows = -(-len(names) // COLUMNS)
    drawn = make_subplots(
        rows=rows,
        cols=min(COLUMNS, len(names)),
        subplot_titles=[_panel_title(name, metric if several else "") for name, metric in metrics.items()],
        horizontal_spacing=0.08,
        vertical_spacing=0.34 / rows,
    )
    shown: set[str] = set()
    for curve in curves:
        row, column = divmod(names.index(curve.triple_id), COLUMNS)
        line = trace(curve)
        line.update(legendgroup=line.name, showlegend=line.name not in shown)
        shown.add(line.name)
        drawn.add_trace(line, row=row + 1, col=column + 1)
    legend = {"y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": 12}}
    dress(drawn, titles, height=190 + 190 * rows, margin={"t": 124, "b": 110}, legend=legend)
    return drawn.update_annotations(font={"size": 12})


def _panel_title(triple_id: str, metric: str) -> str:
    title = triple_id.replace("/", " / ")
    return f"{title}<br><span style='font-size:10px'>{metric}</span>" if metric else title


def _temperature_trace(curve: TemperatureCurve) -> go.Scatter:
    choice = curve.choice
    name = ", ".join(value_words(v) for v in (choice.distance, choice.student_temperature, choice.teacher_checkpoint))
    colour = CURVE_COLOURS[choice.distance.value, choice.student_temperature.value]
    return _trace(
        name, colour, curve.temperatures, curve.scores, choice.canonical().temperature, metric=curve.metric,
        dash=CHECKPOINT_DASHES[choice.teacher_checkpoint], about=configuration_words(choice), axis="τt",
    )  # fmt: skip


def _training_trace(curve: TrainingCurve) -> go.Scatter:
    colour = ROLE_COLOURS[curve.role]
    about = f"{curve.triple_id}, seed {curve.seed}"
    return _trace(
        str(curve.role), colour, curve.epochs, curve.scores, curve.best_epoch, metric=curve.metric, about=about,
        axis="epoch",
    )  # fmt: skip


def _trace(
    name: str,
    colour: str,
    x: Sequence[float],
    y: Sequence[float],
    selected: float,
    *,
    metric: str,
    about: str,
    axis: str,
    dash: str = "solid",
) -> go.Scatter:
    ringed = [value == selected for value in x]
    return go.Scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": colour, "width": 1.8, "dash": dash},
        marker={
            "color": ["white" if ring else colour for ring in ringed],
            "size": [10 if ring else 5 for ring in ringed],
            "line": {"color": colour, "width": [2.5 if ring else 0 for ring in ringed]},
        },
        hovertemplate=f"{about}<br>{axis} %{{x:g}}: %{{y:.{score_digits(metric)}f}}<extra>{name}</extra>",
    )
