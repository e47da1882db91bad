"""Quality against speed and size; a line joins the models worth having. No arithmetic but for the places of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.presentation import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SOFT, dress, no_data, percent
from analysis.results import TEACHER, Factor
from analysis.shapes.findings import ShapeFindings
from analysis.shapes.fronts import Front, Gained, Point
from analysis.shapes.shape_study import ShapedStudent, ShapeStudy

COLUMNS = 4  # panels side by side
NEAR = 0.06  # of an axis: models nearer on both share a label
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
COLOURS = {Factor.LAYERS: BLUE, Factor.HEADS: ORANGE, Factor.WIDTH: GREEN}
KINDS = {Factor.LAYERS: "fewer layers", Factor.HEADS: "fewer heads", Factor.WIDTH: "narrower"}
SEVERAL = ("several of these", PURPLE)
OTHER = ("another model", FAINT)  # no cut of the teacher's


def mean_fronts(found: ShapeFindings) -> go.Figure:
    """Both fronts of the means, side by side."""
    fronts = [front for front in found.mean_fronts.values() if len(front.points) > 1]
    if not fronts:
        return no_data(MEAN)
    drawn = make_subplots(cols=len(fronts), shared_yaxes=True, horizontal_spacing=0.06)
    for column, front in enumerate(fronts, start=1):
        _draw(drawn, front, found.study, 1, column)
        _label(drawn, _groups(front, front.points), 1, column)
        drawn.update_xaxes(title=AXES[front.by], **_x_axis(front, 0.2), row=1, col=column)
    _legend(drawn, fronts, found.study)
    drawn.update_yaxes(title="share of the teacher's score", col=1)
    return dress(drawn.update_yaxes(tickformat=".0%"), MEAN, margin={"t": 124})


def task_fronts(found: ShapeFindings, by: Gained) -> go.Figure:
    """A panel per task."""
    fronts = [front for front in found.task_fronts[by] if len(front.points) > 1]
    if not fronts:
        return no_data(BY_TASK[by])
    rows = -(-len(fronts) // COLUMNS)
    titles = [f"<b>{front.task}</b>" for front in fronts]
    drawn = make_subplots(
        rows=rows,
        cols=min(COLUMNS, len(fronts)),
        subplot_titles=titles,
        horizontal_spacing=0.07,
        vertical_spacing=0.25 / rows,
    )
    drawn.update_annotations(font={"size": 12})
    for index, front in enumerate(fronts):
        row, column = index // COLUMNS + 1, index % COLUMNS + 1
        _draw(drawn, front, found.study, row, column)
        _label(drawn, _groups(front, front.best), row, column, size=10)
        drawn.update_xaxes(**_x_axis(front, 0.38), row=row, col=column)
    _legend(drawn, fronts, found.study)
    legend = {"y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": 12}}
    dress(drawn, BY_TASK[by], height=180 + 220 * rows, margin={"t": 124, "b": 80}, legend=legend)
    return drawn.update_yaxes(tickformat=".0%")


def _draw(drawn: go.Figure, front: Front, study: ShapeStudy, row: int, column: int) -> None:
    """The line below, then the models by what was reduced: full on the front, hollow off it."""
    best = front.best
    drawn.add_scatter(
        x=[point.gained for point in best],
        y=[point.quality for point in best],
        mode="lines",
        line={"color": FAINT, "width": 1.5, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
        row=row,
        col=column,
    )
    for name, colour, points in _by_kind(front, study):
        drawn.add_scatter(
            x=[point.gained for point in points],
            y=[point.quality for point in points],
            name=name,
            showlegend=False,
            mode="markers",
            marker={
                "color": ["white" if point.dominated_by else colour for point in points],
                "size": 11,
                "line": {"color": colour, "width": 2},
            },
            customdata=[[point.model, _fate(point), percent(point.quality)] for point in points],
            hovertemplate="<b>%{customdata[0]}</b>, %{customdata[1]}<br>%{customdata[2]} of the teacher's score, "
            "%{x:.3~s}<extra></extra>",
            cliponaxis=False,
            row=row,
            col=column,
        )


def _by_kind(front: Front, study: ShapeStudy) -> Iterator[tuple[str, str, list[Point]]]:
    """Name in the legend, colour and models of each kind of student; the teacher first."""
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in front.points:
        kind = ("teacher", INK) if point.model == TEACHER else _kind(study.student(point.model))
        kinds.setdefault(kind, []).append(point)
    yield from ((name, colour, points) for (name, colour), points in kinds.items())


def _kind(student: ShapedStudent) -> tuple[str, str]:
    if student.only:
        return KINDS[student.only], COLOURS[student.only]
    return SEVERAL if student.factors else OTHER


def _groups(front: Front, points: Sequence[Point]) -> list[list[Point]]:
    """Models so near each other that they share a label."""
    wide, high = _reach([point.gained for point in front.points]), _reach([point.quality for point in front.points])
    groups: list[list[Point]] = []
    for point in points:
        for group in groups:
            if (
                abs(group[0].gained - point.gained) < NEAR * wide
                and abs(group[0].quality - point.quality) < NEAR * high
            ):
                group.append(point)
                break
        else:
            groups.append([point])
    return groups


def _label(drawn: go.Figure, groups: list[list[Point]], row: int, column: int, size: int = 12) -> None:
    for group in groups:
        drawn.add_annotation(
            text=", ".join(point.model for point in group),
            x=group[0].gained,
            y=max(point.quality for point in group),
            xanchor="left",
            xshift=5,
            yshift=12,
            showarrow=False,
            font={"size": size, "color": SOFT if group[0].dominated_by else INK},
            row=row,
            col=column,
        )


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
    kinds = {name: colour for front in fronts for name, colour, _ in _by_kind(front, study)}
    for name, colour in kinds.items():
        drawn.add_scatter(x=[None], y=[None], name=name, mode="markers", marker={"color": colour, "size": 11})


def _fate(point: Point) -> str:
    return f"outdone by {', '.join(point.dominated_by)}" if point.dominated_by else "outdone by none"
