"""Figures of a study of shapes: what is lost (B, figure 1), what is gained, what goes with what. No arithmetic here."""

from __future__ import annotations

from collections.abc import Callable

import plotly.graph_objects as go

from analysis.presentation import (
    BLUE,
    INK,
    MISSING,
    ORANGE,
    PERCENT,
    RED,
    dress,
    no_data,
    p_words,
    percent,
    signed_percent,
    times,
    tinted,
)
from analysis.shapes.findings import ShapeFindings
from analysis.shapes.same_cost import Pairing
from analysis.shapes.shape_study import Grid
from analysis.shapes.words import ASPECTS, LIKE_COST, MARKS, rho_words
from analysis.shapes.worthwhile import Aspect, Judgement, Sign

Colours = list[list[float | str]]

PALE = "#f7f7f5"
LOSSES: Colours = [[0.0, BLUE], [0.5, PALE], [1.0, RED]]
GAINS: Colours = [[0.0, RED], [0.5, PALE], [1.0, BLUE]]
SIGNS: Colours = [[0.0, tinted(RED, 0.55)], [0.5, tinted(ORANGE, 0.4)], [1.0, tinted(BLUE, 0.45)]]
SIGN_VALUES = {Sign.HARMFUL: -1, Sign.UNCERTAIN: 0, Sign.WORTHWHILE: 1, None: None}
LOSS = ("How much distillation degrades the student", "Relative loss against the teacher, per student and task")
SPEED_UP = ("How much faster the students are", "Samples per second over the teacher's, medians")
WORTHWHILE = (
    "Where reducing a factor is worthwhile",
    "✓ worthwhile, ✗ harmful, ? uncertain; with the median student's loss, or speed-up",
)
ROWS = ("Training rows and loss", "Mean relative loss of all students against the size of the training set")
LEVERS = (
    "Shortening against narrowing",
    "Shortened minus narrowed student, of like cost; dots are tasks, bars are medians",
)


def loss_map(found: ShapeFindings) -> go.Figure:
    """B's figure 1, with the means of rows and columns."""
    grid = found.losses
    if not any(mean is not None for mean in grid.student_means):
        return no_data(LOSS)
    return _map(_with_means(grid), LOSS, LOSSES, 0.0, _whole_percent)


def speed_map(found: ShapeFindings) -> go.Figure:
    """B's table 2 as speed-ups; no means, as those of ratios are geometric: see the fronts."""
    grid = found.speed_ups
    if not any(mean is not None for mean in grid.student_means):
        return no_data(SPEED_UP)
    return _map(grid, SPEED_UP, GAINS, 1.0, _times)


def sign_map(found: ShapeFindings) -> go.Figure:
    """B's table 3: the signs, with the medians and bests that they rest on."""
    if not found.judgements:
        return no_data(WORTHWHILE)
    cells = {(judgement.aspect, judgement.task): judgement for judgement in found.judgements}
    aspects = [aspect for aspect in Aspect if any(row is aspect for row, _ in cells)]
    rows = [[cells[aspect, task] for task in found.study.tasks] for aspect in aspects]
    drawn = go.Figure()
    drawn.add_heatmap(
        x=[f"<b>{task}</b>" for task in found.study.tasks],
        y=[f"<b>{ASPECTS[aspect]}</b>" for aspect in aspects],
        z=[[SIGN_VALUES[judgement.sign] for judgement in row] for row in rows],
        text=[[_sign_text(judgement) for judgement in row] for row in rows],
        colorscale=SIGNS,
        zmin=-1,
        zmax=1,
        textfont={"color": INK, "size": 13},
        customdata=[[_sign_details(judgement) for judgement in row] for row in rows],
        **{**_LOOK, "hovertemplate": "%{y}, %{x}: %{customdata}<extra></extra>"},
    )
    return _table_axes(dress(drawn, WORTHWHILE, height=176 + 44 * len(rows), margin={"t": 120, "b": 24}))


def training_rows(found: ShapeFindings) -> go.Figure:
    """Mean loss of each task against its training rows, with the rank correlation."""
    effect = found.size_effect
    if not effect.mean_losses:
        return no_data(ROWS)
    drawn = dress(go.Figure(), (ROWS[0], f"{ROWS[1]}{_correlation_note(found)}"), showlegend=False)
    drawn.add_scatter(
        x=effect.training_rows,
        y=effect.mean_losses,
        text=[f"<b>{task}</b>" for task in effect.tasks],
        mode="markers+text",
        textposition="top center",
        marker={"color": BLUE, "size": 11, "line": {"color": "white", "width": 1.5}},
        hovertemplate="%{text}: %{x:,} rows, %{y:.1%}<extra></extra>",
        cliponaxis=False,
    )
    drawn.update_xaxes(type="log", title="training rows", dtick=1)
    return drawn.update_yaxes(title="mean loss", tickformat=".0%", rangemode="tozero")


def levers(found: ShapeFindings) -> go.Figure:
    """Quality of shortened against narrowed students, task by task."""
    pairs = [pair for pair in found.like_for_like if pair.quality.differences]
    if not pairs:
        return no_data(LEVERS)
    drawn = dress(go.Figure(), LEVERS, height=190 + 74 * len(pairs), margin={"t": 110}, showlegend=False)
    drawn.add_vline(x=0, line={"color": INK, "width": 1})
    names = [
        f"<b>{pair.quality.first}</b> over <b>{pair.quality.second}</b><br>"
        f"<span style='font-size:11px'>{LIKE_COST[pair.at]}</span>"
        for pair in pairs
    ]
    for name, pair in zip(names, pairs, strict=True):
        _draw_pairing(drawn, name, pair.quality)
    drawn.update_xaxes(tickformat=PERCENT, title="difference in the share of the teacher's score that is kept")
    order = {"categoryorder": "array", "categoryarray": names[::-1], "range": [-0.6, len(names) - 0.4]}
    return drawn.update_yaxes(ticklabelstandoff=8, **order)


_LOOK = {
    "texttemplate": "%{text}",
    "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
    "hoverongaps": False,
    "xgap": 3,
    "ygap": 3,
    "showscale": False,
}


def _map(
    grid: Grid, titles: tuple[str, str], colours: Colours, middle: float, words: Callable[[float | None], str]
) -> go.Figure:
    """A coloured table of numbers, students downwards."""
    drawn = go.Figure()
    drawn.add_heatmap(
        x=[f"<b>{task}</b>" for task in grid.tasks],
        y=[f"<b>{student}</b>" for student in grid.students],
        z=grid.cells,
        text=[[words(value) for value in row] for row in grid.cells],
        colorscale=colours,
        zmid=middle,
        **_LOOK,
    )
    return _table_axes(dress(drawn, titles, height=150 + 36 * len(grid.students), margin={"t": 120, "b": 24}))


def _with_means(grid: Grid) -> Grid:
    """The table with its row and column of means; the corner stays empty, as neither set is a sample of the other."""
    rows = tuple((*row, mean) for row, mean in zip(grid.cells, grid.student_means, strict=True))
    return Grid((*grid.students, "mean"), (*grid.tasks, "mean"), (*rows, (*grid.task_means, None)))


def _table_axes(drawn: go.Figure) -> go.Figure:
    drawn.update_xaxes(side="top", showgrid=False, tickangle=0)
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=8, autorange="reversed")


def _sign_text(judgement: Judgement) -> str:
    words = _times if judgement.aspect is Aspect.SPEED else _whole_percent
    number = "" if judgement.typical is None else f"  {words(judgement.typical)}"
    return f"<b>{MARKS[judgement.sign]}</b>{number}"


def _sign_details(judgement: Judgement) -> str:
    words = _times if judgement.aspect is Aspect.SPEED else percent
    return f"{judgement.sign or 'not measured'}: median {words(judgement.typical)}, best {words(judgement.best)}"


def _whole_percent(value: float | None) -> str:
    return percent(value, 0)


def _times(value: float | None) -> str:
    return MISSING if value is None else times(value)


def _correlation_note(found: ShapeFindings) -> str:
    effect, without = found.size_effect, found.size_effect_without
    if effect.correlation is None:
        return ""
    note = f"; Spearman's correlation {rho_words(effect.correlation)}, {p_words(effect.p_value)}"
    if without and without.correlation is not None:
        note += f" (without {without.without[0]}: {rho_words(without.correlation)})"
    return note


def _draw_pairing(drawn: go.Figure, row: str, pairing: Pairing) -> None:
    values = list(pairing.differences.values())
    drawn.add_scatter(
        x=values,
        y=[row] * len(values),
        mode="markers",
        marker={"color": tinted(BLUE, 0.45), "size": 10},
        text=list(pairing.differences),
        hovertemplate="<b>%{text}</b>: %{x:+.1%}<extra></extra>",
    )
    drawn.add_scatter(
        x=[pairing.median],
        y=[row],
        mode="markers+text",
        marker={"symbol": "line-ns", "size": 26, "line": {"color": BLUE, "width": 3}},
        text=[signed_percent(pairing.median)],
        textposition="top center",
        hoverinfo="skip",
    )
