"""How many samples a second each model answers (B, table 2), with the spread over rounds. No arithmetic here."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation import BLUE, FAINT, INK, dress, no_data
from analysis.results import TEACHER, Speed
from analysis.shapes.findings import ShapeFindings
from analysis.shapes.shape_study import ShapeStudy

COLUMNS = 4  # panels side by side
SPEEDS = ("How many samples a second each model answers", "Medians, and quartiles over rounds; dotted: the teacher")


def speed_panels(found: ShapeFindings) -> go.Figure:
    """A panel per data set, a row per model, the teacher on top."""
    study = found.study
    tasks = [task for task in study.tasks if _speeds(study, task)]
    if not tasks:
        return no_data(SPEEDS)
    rows, models = -(-len(tasks) // COLUMNS), study.models
    panel = 60 + 24 * len(models)
    height = 130 + panel * rows
    drawn = make_subplots(
        rows=rows,
        cols=min(COLUMNS, len(tasks)),
        subplot_titles=[f"<b>{task}</b>" for task in tasks],
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=min(0.3, 62 / height),
    )
    drawn.update_annotations(font={"size": 12})
    for index, task in enumerate(tasks):
        _draw(drawn, study, task, index // COLUMNS + 1, index % COLUMNS + 1)
    dress(drawn, SPEEDS, height=height, margin={"t": 110, "b": 40, "l": 90}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero", nticks=5)
    return drawn.update_yaxes(categoryorder="array", categoryarray=models[::-1], range=[-0.6, len(models) - 0.4])


def _speeds(study: ShapeStudy, task: str) -> dict[str, Speed]:
    return {model: speed for model in study.models if (speed := study.speed(model, task))}


def _draw(drawn: go.Figure, study: ShapeStudy, task: str, row: int, column: int) -> None:
    speeds = _speeds(study, task)
    drawn.add_scatter(
        x=[speed.median for speed in speeds.values()],
        y=list(speeds),
        mode="markers",
        marker={"color": [INK if name == TEACHER else BLUE for name in speeds], "size": 6},
        error_x={
            "type": "data",
            "array": [speed.high - speed.median for speed in speeds.values()],
            "arrayminus": [speed.median - speed.low for speed in speeds.values()],
            "color": BLUE,
            "thickness": 2,
            "width": 0,
        },
        customdata=[[speed.low, speed.high] for speed in speeds.values()],
        hovertemplate="<b>%{y}</b>: %{x:.1f} (%{customdata[0]:.1f} to %{customdata[1]:.1f})<extra></extra>",
        row=row,
        col=column,
    )
    if TEACHER in speeds:
        line = {"color": FAINT, "width": 1.5, "dash": "dot"}
        drawn.add_vline(x=speeds[TEACHER].median, line=line, row=row, col=column)
