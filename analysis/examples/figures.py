"""Figures of the groups of examples: how large they are, and how their texts differ. No arithmetic here."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.examples.findings import GroupFindings
from analysis.examples.groups import Group, Measure, TaskGroups
from analysis.examples.words import GROUPS
from analysis.presentation import BLUE, INK, ORANGE, PURPLE, RED, SKY, SOFT, dress, no_data, p_words, percent

SHARES = ("Who answers which examples rightly", "Share of the test examples of each data set")
TEXTS = ("How the examples of the groups differ", "Medians and quartiles of each group's texts")
COLOURS = {Group.ALL: BLUE, Group.SOME: SKY, Group.TEACHER: ORANGE, Group.STUDENTS: PURPLE, Group.NONE: RED}
AXES = {Measure.WORDS: "words", Measure.OVERLAP: "word overlap of the two texts"}
NARROW = 0.05  # shares below this have no room for their number


def shares(found: GroupFindings) -> go.Figure:
    """One bar per data set, cut into the groups."""
    tasks = found.tasks[::-1]
    if not tasks:
        return no_data(SHARES)
    drawn = dress(
        go.Figure(), SHARES, 180 + 42 * len(tasks), barmode="stack", bargap=0.35, margin={"t": 124, "b": 48, "l": 24}
    )
    for group in Group:
        sizes = [task.share(group) or 0.0 for task in tasks]
        drawn.add_bar(
            x=sizes,
            y=[f"<b>{task.dataset}</b>" for task in tasks],
            orientation="h",
            name=GROUPS[group],
            marker={"color": COLOURS[group]},
            text=[percent(size, 0) if size >= NARROW else "" for size in sizes],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": INK if group is Group.SOME else "white"},
            customdata=[[task.counts[group], task.num_examples] for task in tasks],
            hovertemplate=f"<b>%{{y}}</b>, {GROUPS[group]}: "
            "%{customdata[0]:,} of %{customdata[1]:,}<extra></extra>",
        )
    drawn.update_layout(legend={"traceorder": "normal"})
    drawn.update_xaxes(range=[0, 1], tickformat=".0%", showgrid=False)
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=8)


def texts(found: GroupFindings) -> go.Figure:
    """A row per data set, a column per measure; a point per group."""
    tasks = found.tasks
    measures = [measure for measure in Measure if any(task.comparison(measure) for task in tasks)]
    if not measures:
        return no_data(TEXTS)
    titles = [_panel_title(task, measure) for task in tasks for measure in measures]
    height = 190 + 150 * len(tasks)
    drawn = make_subplots(
        rows=len(tasks),
        cols=len(measures),
        subplot_titles=titles,
        shared_yaxes=True,
        horizontal_spacing=0.06,
        vertical_spacing=min(0.3, 58 / height),
    )
    for row, task in enumerate(tasks, start=1):
        for column, measure in enumerate(measures, start=1):
            _draw(drawn, task, measure, row, column)
    for column, measure in enumerate(measures, start=1):
        drawn.update_xaxes(title=AXES[measure], row=len(tasks), col=column)
    dress(drawn, TEXTS, height=height, margin={"t": 112, "l": 200, "b": 64}, showlegend=False)
    drawn.update_xaxes(rangemode="tozero")
    drawn.update_annotations(font={"size": 12, "color": INK})
    order = [GROUPS[group] for group in reversed(Group)]
    return drawn.update_yaxes(
        categoryorder="array", categoryarray=order, range=[-0.6, len(order) - 0.4], tickfont={"color": SOFT, "size": 11}
    )


def _panel_title(task: TaskGroups, measure: Measure) -> str:
    comparison = task.comparison(measure)
    if comparison is None:
        return f"<b>{task.dataset}</b>: single texts"
    test = p_words(comparison.p_value) if comparison.p_value is not None else "no test"
    return f"<b>{task.dataset}</b>, {AXES[measure]} ({test})"


def _draw(drawn: go.Figure, task: TaskGroups, measure: Measure, row: int, column: int) -> None:
    comparison = task.comparison(measure)
    if comparison is None:
        drawn.update_xaxes(visible=False, row=row, col=column).update_yaxes(showgrid=False, row=row, col=column)
    spreads = comparison.spreads if comparison else {}
    for group in reversed(Group):
        spread = spreads.get(group)
        drawn.add_scatter(
            x=[spread.median if spread else None],
            y=[GROUPS[group]],
            mode="markers",
            marker={"color": COLOURS[group], "size": 10},
            error_x={
                "type": "data",
                "array": [spread.high - spread.median if spread else 0],
                "arrayminus": [spread.median - spread.low if spread else 0],
                "color": COLOURS[group],
                "thickness": 2.5,
                "width": 0,
            },
            hovertemplate=f"{GROUPS[group]} ({spread.count if spread else 0:,}): %{{x:.3~g}}<extra></extra>",
            row=row,
            col=column,
        )
