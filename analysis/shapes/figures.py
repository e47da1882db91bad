"""Figures of a study of shapes: what is lost, what is gained, what goes with what. Computes only where labels go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go

from analysis.presentation import charts, p_words, percent, signed_percent, style, times
from analysis.results import TEACHER, Factor
from analysis.shapes.findings import ShapeFindings
from analysis.shapes.fronts import Front, Gained, Point
from analysis.shapes.shape_study import Grid, ShapedStudent, ShapeStudy
from analysis.shapes.words import ASPECTS, LIKE_COST, MARKS, rho_words
from analysis.shapes.worthwhile import Aspect, Judgement, Sign

COLUMNS = 4  # panels side by side
NEAR = 0.06  # of an axis: models nearer on both share a label

PALE = "#f7f7f5"
LOSSES = [[0.0, style.BLUE], [0.5, PALE], [1.0, style.RED]]
GAINS = [[0.0, style.RED], [0.5, PALE], [1.0, style.BLUE]]
SIGNS = [[0.0, style.tinted(style.RED, 0.55)], [0.5, style.tinted(style.ORANGE, 0.4)]]
SIGNS += [[1.0, style.tinted(style.BLUE, 0.45)]]
SIGN_VALUES = {Sign.HARMFUL: -1, Sign.UNCERTAIN: 0, Sign.WORTHWHILE: 1, None: None}
COLOURS = {Factor.LAYERS: style.BLUE, Factor.HEADS: style.ORANGE, Factor.WIDTH: style.GREEN}
KINDS = {Factor.LAYERS: "fewer layers", Factor.HEADS: "fewer heads", Factor.WIDTH: "narrower"}
SEVERAL = ("several of these", style.PURPLE)
OTHER = ("another model", style.FAINT)  # no cut of the teacher's

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
SPEEDS = ("How many samples a second each model answers", "Medians, and quartiles over rounds; dotted: the teacher")
AXES = {Gained.SPEED: "times the teacher's speed", Gained.SIZE: "parameters (fewer to the right)"}
MEAN = (
    "Quality against speed and size",
    "Means over tasks; hollow: outdone by another model, which is better on one and no worse on the other",
)
HOW = "Share of the teacher's score; hollow: outdone by another model, better on one and no worse on the other"
BY_TASK = {
    Gained.SPEED: ("Quality against speed, task by task", HOW),
    Gained.SIZE: ("Quality against size, task by task", HOW),
}


# ---- maps ------------------------------------------------------------------------------------------------------------


def loss_map(found: ShapeFindings) -> go.Figure:
    """B's figure 1, with the means of rows and columns."""
    return _number_map(found.losses, LOSS, _whole_percent, means=True, colorscale=LOSSES, zmid=0.0)


def speed_map(found: ShapeFindings) -> go.Figure:
    """B's table 2 as speed-ups; no means, as those of ratios are geometric: see the fronts."""
    return _number_map(found.speed_ups, SPEED_UP, times, means=False, colorscale=GAINS, zmid=1.0)


def sign_map(found: ShapeFindings) -> go.Figure:
    """B's table 3: the signs, with the medians and bests that they rest on."""
    if not found.judgements:
        return style.no_data(WORTHWHILE)
    cells = {(judgement.aspect, judgement.task): judgement for judgement in found.judgements}
    aspects = [aspect for aspect in Aspect if any(row is aspect for row, _ in cells)]
    rows = [[cells[aspect, task] for task in found.study.tasks] for aspect in aspects]
    drawn = charts.heat_map(
        WORTHWHILE,
        [f"<b>{task}</b>" for task in found.study.tasks],
        [f"<b>{ASPECTS[aspect]}</b>" for aspect in aspects],
        [[SIGN_VALUES[judgement.sign] for judgement in row] for row in rows],
        [[_sign_text(judgement) for judgement in row] for row in rows],
        "%{y}, %{x}: %{customdata}",
        customdata=[[_sign_details(judgement) for judgement in row] for row in rows],
        height=176 + 44 * len(rows),
        colorscale=SIGNS,
        zmin=-1,
        zmax=1,
        textfont={"color": style.INK, "size": 13},
    )
    return drawn.update_yaxes(autorange="reversed")


def _number_map(
    grid: Grid, titles: style.Titles, words: Callable[[float | None], str], *, means: bool, **colours: Any
) -> go.Figure:
    """A coloured table of numbers, students downwards."""
    if not any(mean is not None for mean in grid.student_means):
        return style.no_data(titles)
    tasks, students, cells = list(grid.tasks), list(grid.students), list(grid.cells)
    if means:  # the corner stays empty, as neither set is a sample of the other
        cells = [(*row, mean) for row, mean in zip(cells, grid.student_means, strict=True)]
        tasks, students, cells = [*tasks, "mean"], [*students, "mean"], [*cells, (*grid.task_means, None)]
    drawn = charts.heat_map(
        titles,
        [f"<b>{task}</b>" for task in tasks],
        [f"<b>{student}</b>" for student in students],
        cells,
        [[words(value) for value in row] for row in cells],
        "%{y}, %{x}: %{text}",
        height=150 + 36 * len(students),
        **colours,
    )
    return drawn.update_yaxes(autorange="reversed")


def _sign_text(judgement: Judgement) -> str:
    words = times if judgement.aspect is Aspect.SPEED else _whole_percent
    number = "" if judgement.typical is None else f"  {words(judgement.typical)}"
    return f"<b>{MARKS[judgement.sign]}</b>{number}"


def _sign_details(judgement: Judgement) -> str:
    words = times if judgement.aspect is Aspect.SPEED else percent
    return f"{judgement.sign or 'not measured'}: median {words(judgement.typical)}, best {words(judgement.best)}"


def _whole_percent(value: float | None) -> str:
    return percent(value, 0)


# ---- dots ------------------------------------------------------------------------------------------------------------


def training_rows(found: ShapeFindings) -> go.Figure:
    """Mean loss of each task against its training rows, with the rank correlation."""
    effect = found.size_effect
    if not effect.mean_losses:
        return style.no_data(ROWS)
    look = {"marker_line": {"color": "white", "width": 1.5}, "textposition": "top center", "cliponaxis": False}
    losses = charts.dots(
        effect.training_rows, effect.mean_losses, style.BLUE, "%{text}: %{x:,} rows, %{y:.1%}", size=11, **look
    ).update(mode="markers+text", text=[f"<b>{task}</b>" for task in effect.tasks])
    drawn = style.dress(go.Figure(losses), (ROWS[0], f"{ROWS[1]}{_correlation_note(found)}"), showlegend=False)
    drawn.update_xaxes(type="log", title="training rows", dtick=1)
    return drawn.update_yaxes(title="mean loss", tickformat=".0%", rangemode="tozero")


def _correlation_note(found: ShapeFindings) -> str:
    effect, without = found.size_effect, found.size_effect_without
    if effect.correlation is None:
        return ""
    note = f"; Spearman's correlation {rho_words(effect.correlation)}, {p_words(effect.p_value)}"
    if without and without.correlation is not None:
        note += f" (without {without.without[0]}: {rho_words(without.correlation)})"
    return note


def levers(found: ShapeFindings) -> go.Figure:
    """Quality of shortened against narrowed students, task by task."""
    pairs = [pair for pair in found.like_for_like if pair.quality.differences]
    if not pairs:
        return style.no_data(LEVERS)
    drawn, names, colour = go.Figure(), [], style.tinted(style.BLUE, 0.45)
    for pair in pairs:
        quality, note = pair.quality, f"<span style='font-size:11px'>{LIKE_COST[pair.at]}</span>"
        name = f"<b>{quality.first}</b> over <b>{quality.second}</b><br>{note}"
        values, tasks = list(quality.differences.values()), list(quality.differences)
        drawn.add_trace(charts.dots(values, [name] * len(values), colour, "<b>%{text}</b>: %{x:+.1%}", 10, text=tasks))
        drawn.add_trace(charts.median(name, quality.median, signed_percent(quality.median), style.BLUE))
        names.append(name)
    drawn.add_vline(x=0, line=charts.ZERO)
    style.dress(drawn, LEVERS, height=190 + 74 * len(pairs), margin={"t": 110}, showlegend=False)
    drawn.update_xaxes(tickformat=style.PERCENT, title="difference in the share of the teacher's score that is kept")
    return charts.name_rows(drawn, names, ticklabelstandoff=8)


def speed_panels(found: ShapeFindings) -> go.Figure:
    """Samples a second with their spread over rounds (B, table 2): a panel per data set, a row per model."""
    models = found.study.models
    measured = {task: _speeds(found.study, task) for task in found.study.tasks}
    measured = {task: speeds for task, speeds in measured.items() if speeds}
    if not measured:
        return style.no_data(SPEEDS)
    height = 130 + (60 + 24 * len(models)) * -(-len(measured) // COLUMNS)
    headings = [f"<b>{task}</b>" for task in measured]
    drawn = charts.panels(headings, COLUMNS, across=0.04, down=min(0.3, 62 / height), shared_yaxes=True)
    for place, speeds in charts.placed(measured.values(), COLUMNS):
        medians, ends = [median for median, *_ in speeds.values()], [each[1:] for each in speeds.values()]
        colours = [style.INK if name == TEACHER else style.BLUE for name in speeds]
        hover = "<b>%{y}</b>: %{x:.1f} (%{customdata[0]:.1f} to %{customdata[1]:.1f})"
        look = {"error_x": charts.spans(medians, ends, style.BLUE, thickness=2, width=0), "customdata": ends}
        drawn.add_trace(charts.dots(medians, list(speeds), colours, hover, 6, **look), **place)
        if TEACHER in speeds:
            drawn.add_vline(x=speeds[TEACHER][0], line={"color": style.FAINT, "width": 1.5, "dash": "dot"}, **place)
    style.dress(drawn, SPEEDS, height=height, margin={"t": 110, "b": 40, "l": 90}, showlegend=False)
    return charts.name_rows(drawn.update_xaxes(rangemode="tozero", nticks=5), models)


def _speeds(study: ShapeStudy, task: str) -> dict[str, tuple[float, float, float]]:
    """Median and quartiles of the models that were timed."""
    known = ((model, study.speed(model, task)) for model in study.models)
    return {model: (speed.median, speed.low, speed.high) for model, speed in known if speed}


# ---- fronts ----------------------------------------------------------------------------------------------------------


def mean_fronts(found: ShapeFindings) -> go.Figure:
    """Quality against speed and size, as means over tasks, side by side; a line joins the models worth having."""
    fronts = [front for front in found.mean_fronts.values() if len(front.points) > 1]
    if not fronts:
        return style.no_data(MEAN)
    drawn = charts.panels([""] * len(fronts), len(fronts), across=0.06, shared_yaxes=True)
    for place, front in charts.placed(fronts, len(fronts)):
        _draw_front(drawn, front, found.study, **place)
        _label(drawn, _groups(front, front.points), 12, **place)
        drawn.update_xaxes(title=AXES[front.by], **_x_axis(front, 0.2), **place)
    _legend(drawn, fronts, found.study)
    drawn.update_yaxes(title="share of the teacher's score", col=1)
    return style.dress(drawn.update_yaxes(tickformat=".0%"), MEAN, margin={"t": 124})


def task_fronts(found: ShapeFindings, by: Gained) -> go.Figure:
    """A panel per task."""
    fronts = [front for front in found.task_fronts[by] if len(front.points) > 1]
    if not fronts:
        return style.no_data(BY_TASK[by])
    rows = -(-len(fronts) // COLUMNS)
    drawn = charts.panels([f"<b>{front.task}</b>" for front in fronts], COLUMNS, across=0.07, down=0.25 / rows)
    for place, front in charts.placed(fronts, COLUMNS):
        _draw_front(drawn, front, found.study, **place)
        _label(drawn, _groups(front, front.best), 10, **place)
        drawn.update_xaxes(**_x_axis(front, 0.38), **place)
    _legend(drawn, fronts, found.study)
    style.dress(drawn, BY_TASK[by], height=180 + 220 * rows, margin={"t": 124, "b": 80}, legend=charts.LEGEND_BELOW)
    return drawn.update_yaxes(tickformat=".0%")


def _draw_front(drawn: go.Figure, front: Front, study: ShapeStudy, **place: int) -> None:
    """The line below, then the models by what was reduced: full on the front, hollow off it."""
    gained, quality = [point.gained for point in front.best], [point.quality for point in front.best]
    drawn.add_trace(charts.line(gained, quality, style.FAINT, mode="lines", line_dash="dot", showlegend=False), **place)
    for (name, colour), points in _by_kind(front, study).items():
        dots = charts.dots(
            [point.gained for point in points],
            [point.quality for point in points],
            ["white" if point.dominated_by else colour for point in points],
            "<b>%{customdata[0]}</b>, %{customdata[1]}<br>%{customdata[2]} of the teacher's score, %{x:.3~s}",
            size=11,
            marker_line={"color": colour, "width": 2},
            name=name,
            showlegend=False,
            customdata=[[point.model, _fate(point), percent(point.quality)] for point in points],
            cliponaxis=False,
        )
        drawn.add_trace(dots, **place)


def _by_kind(front: Front, study: ShapeStudy) -> dict[tuple[str, str], list[Point]]:
    """The models of each kind of student, by its name in the legend and its colour; the teacher first."""
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in front.points:
        kind = ("teacher", style.INK) if point.model == TEACHER else _kind(study.student(point.model))
        kinds.setdefault(kind, []).append(point)
    return kinds


def _kind(student: ShapedStudent) -> tuple[str, str]:
    if student.only:
        return KINDS[student.only], COLOURS[student.only]
    return SEVERAL if student.factors else OTHER


def _groups(front: Front, points: Sequence[Point]) -> list[list[Point]]:
    """Models so near each other that they share a label."""
    wide = NEAR * _reach([point.gained for point in front.points])
    high = NEAR * _reach([point.quality for point in front.points])
    groups: list[list[Point]] = []
    for point in points:
        for group in groups:
            if abs(group[0].gained - point.gained) < wide and abs(group[0].quality - point.quality) < high:
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _label(drawn: go.Figure, groups: list[list[Point]], size: int, **place: int) -> None:
    for group in groups:
        font = {"size": size, "color": style.SOFT if group[0].dominated_by else style.INK}
        look = {"xanchor": "left", "xshift": 5, "yshift": 12, "showarrow": False, "font": font}
        x, y = group[0].gained, max(point.quality for point in group)
        drawn.add_annotation(text=", ".join(point.model for point in group), x=x, y=y, **look, **place)


def _x_axis(front: Front, right: float) -> dict[str, object]:
    """With room for labels; from large to small where it shows sizes, so that better is to the right in both."""
    values = [point.gained for point in front.points]
    reach = _reach(values)
    if front.by is Gained.SIZE:
        return {"range": [max(values) + 0.1 * reach, min(values) - right * reach], "tickformat": "~s"}
    return {"range": [min(values) - 0.1 * reach, max(values) + right * reach], "tickformat": "~g", "ticksuffix": " ×"}


def _reach(values: Sequence[float]) -> float:
    return max(values) - min(values) or 1.0


def _legend(drawn: go.Figure, fronts: Sequence[Front], study: ShapeStudy) -> None:
    """Each kind of model once, full, whether or not the first of them is beaten."""
    for name, colour in dict.fromkeys(kind for front in fronts for kind in _by_kind(front, study)):
        drawn.add_trace(charts.dots([None], [None], colour, size=11, name=name))


def _fate(point: Point) -> str:
    return f"outdone by {', '.join(point.dominated_by)}" if point.dominated_by else "outdone by none"
