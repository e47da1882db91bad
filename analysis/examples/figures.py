"""Figures of the groups of examples: how large they are, and how their texts differ. No arithmetic here."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.examples.findings import GroupFindings
from analysis.examples.groups import Group, Measure, TaskGroups
from analysis.examples.words import GROUPS
from analysis.presentation import charts, p_words, percent, style

SHARES = ("Who answers which examples rightly", "Share of the test examples of each data set")
TEXTS = ("How the examples of the groups differ", "Medians and quartiles of each group's texts")
COLOURS = {
    Group.ALL: style.BLUE,
    Group.SOME: style.SKY,
    Group.TEACHER: style.ORANGE,
    Group.STUDENTS: style.PURPLE,
    Group.NONE: style.RED,
}
AXES = {Measure.WORDS: "words", Measure.OVERLAP: "word overlap of the two texts"}
NARROW = 0.05  # shares below this have no room for their number


def shares(found: GroupFindings) -> go.Figure:
    """One bar per data set, cut into the groups."""
    tasks = found.tasks[::-1]
    if not tasks:
        return style.no_data(SHARES)
    drawn, rows = go.Figure(), [f"<b>{task.dataset}</b>" for task in tasks]
    for group in Group:
        sizes = [task.share(group) or 0.0 for task in tasks]
        numbers = [percent(size, 0) if size >= NARROW else "" for size in sizes]
        texts = charts.text_inside(numbers, style.INK if group is Group.SOME else "white")
        details = [[task.counts[group], task.num_examples] for task in tasks]
        hover = f"<b>%{{y}}</b>, {GROUPS[group]}: %{{customdata[0]:,}} of %{{customdata[1]:,}}"
        look = {"name": GROUPS[group], "customdata": details, "textangle": 0}
        drawn.add_trace(charts.bars(rows, sizes, COLOURS[group], hover, **texts, **look))
    margin = {"t": 124, "b": 48, "l": 24}
    style.dress(drawn, SHARES, 180 + 42 * len(tasks), barmode="stack", bargap=0.35, margin=margin)
    drawn.update_layout(legend={"traceorder": "normal"})
    drawn.update_xaxes(range=[0, 1], tickformat=".0%", showgrid=False)
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=8)


def texts(found: GroupFindings) -> go.Figure:
    """A row per data set, a column per measure; a point per group."""
    tasks = found.tasks
    measures = [measure for measure in Measure if any(task.comparison(measure) for task in tasks)]
    if not measures:
        return style.no_data(TEXTS)
    height, cells = 190 + 150 * len(tasks), [(task, measure) for task in tasks for measure in measures]
    headings, gap = [_panel_title(task, measure) for task, measure in cells], min(0.3, 58 / height)
    drawn = charts.panels(headings, len(measures), across=0.06, down=gap, shared_yaxes=True)
    for place, (task, measure) in charts.placed(cells, len(measures)):
        _draw(drawn, task, measure, **place)
    for column, measure in enumerate(measures, start=1):
        drawn.update_xaxes(title=AXES[measure], row=len(tasks), col=column)
    style.dress(drawn, TEXTS, height=height, margin={"t": 112, "l": 200, "b": 64}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero")
    drawn.update_annotations(font={"size": 12, "color": style.INK})
    return charts.name_rows(drawn, [GROUPS[group] for group in Group], tickfont={"color": style.SOFT, "size": 11})


def _panel_title(task: TaskGroups, measure: Measure) -> str:
    comparison = task.comparison(measure)
    if comparison is None:
        return f"<b>{task.dataset}</b>: single texts"
    test = p_words(comparison.p_value) if comparison.p_value is not None else "no test"
    return f"<b>{task.dataset}</b>, {AXES[measure]} ({test})"


def _draw(drawn: go.Figure, task: TaskGroups, measure: Measure, **place: int) -> None:
    comparison = task.comparison(measure)
    if comparison is None:
        drawn.update_xaxes(visible=False, **place).update_yaxes(showgrid=False, **place)
    for group in reversed(Group):
        spread = comparison.spreads.get(group) if comparison else None
        low, median, high = (spread.low, spread.median, spread.high) if spread else (0, 0, 0)
        between = charts.spans([median], [(low, high)], COLOURS[group], thickness=2.5, width=0)
        hover = f"{GROUPS[group]} ({spread.count if spread else 0:,}): %{{x:.3~g}}"
        x, y = [median if spread else None], [GROUPS[group]]
        drawn.add_trace(charts.dots(x, y, COLOURS[group], hover, 10, error_x=between), **place)
