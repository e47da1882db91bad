"""One figure with a row per task: do the gains hold for each? No arithmetic here."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.choices.findings import Answers, ChoiceFindings
from analysis.choices.gains import Comparison
from analysis.presentation import (
    INK,
    PERCENT,
    ROLE_COLOURS,
    SOFT,
    axis_cut,
    count,
    dress,
    no_data,
    note_cut,
    score,
    signed_percent,
    task_words,
    tinted,
)
from analysis.results import Role

TASKS = ("Gains of each task", "Relative test gains; dots are triples, bars are medians")


def gains_by_task(found: ChoiceFindings) -> go.Figure:
    """Best over worst, and stable against best: the triples of each task with their median."""
    panels = (
        ("<b>Best</b> over worst", Role.WORST, [answers.best_over_worst for answers in found.by_task.values()]),
        ("<b>Stable</b> against best", Role.STABLE, [answers.stable_to_best for answers in found.by_task.values()]),
    )
    if not any(comparison.values for _, _, comparisons in panels for comparison in comparisons):
        return no_data(TASKS)
    rows = [_row_name(answers) for answers in found.by_task.values()]
    titles = [title for title, _, _ in panels]
    drawn = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.05, subplot_titles=titles)
    for column, (_, role, comparisons) in enumerate(panels, start=1):
        gains = [value for comparison in comparisons for value in comparison.values]
        cut = axis_cut(gains)
        for row, comparison in zip(rows, comparisons, strict=True):
            _draw(drawn, row, comparison, ROLE_COLOURS[role], column, cut)
        place = {"x": 0, "xref": ("x domain", "x2 domain")[column - 1], "xanchor": "left"}
        note_cut(drawn, gains, cut, **place, y=0, yref="paper", yanchor="top", yshift=-28)
    drawn.add_vline(x=0, line={"color": INK, "width": 1})
    dress(drawn, TASKS, height=180 + 62 * len(rows), margin={"t": 124}, showlegend=False)
    drawn.update_annotations(font={"size": 13, "color": SOFT}, selector={"yref": "paper"})
    drawn.update_xaxes(tickformat=PERCENT)
    order = {"categoryorder": "array", "categoryarray": rows[::-1], "range": [-0.6, len(rows) - 0.4]}
    return drawn.update_yaxes(ticklabelstandoff=8, **order)


def _draw(drawn: go.Figure, row: str, comparison: Comparison, colour: str, column: int, cut: float) -> None:
    """Gains beyond the cut stand at the axis's end, as arrows."""
    details = [
        [g.triple_id, signed_percent(g.relative, 2), score(g.target, g.metric), score(g.baseline, g.metric), g.metric]
        for g in comparison.known
    ]
    drawn.add_scatter(
        x=[min(value, cut) for value in comparison.values],
        y=[row] * len(comparison.values),
        mode="markers",
        marker={
            "color": tinted(colour, 0.45),
            "size": 9,
            "symbol": ["triangle-right" if value > cut else "circle" for value in comparison.values],
        },
        customdata=details,
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}: %{customdata[2]} over %{customdata[3]} "
        "(%{customdata[4]})<extra></extra>",
        row=1,
        col=column,
    )
    median = comparison.decile(5)
    why_empty = f"{comparison.num_missing} missing, {comparison.num_undefined} undefined"
    drawn.add_scatter(
        x=[None if median is None else min(median, cut)],
        y=[row],
        mode="markers+text",
        marker={"symbol": "line-ns", "size": 26, "line": {"color": colour, "width": 3}},
        text=[signed_percent(median) if comparison.values else why_empty],
        textposition="top center",
        cliponaxis=False,
        hoverinfo="skip",
        row=1,
        col=column,
    )  # fmt: skip


def _row_name(answers: Answers) -> str:
    task = task_words(answers.tasks[0])
    note = f"{', '.join(answers.metrics)}; {count(len(answers.outcomes), 'triple')}"
    return f"<b>{task}</b><br><span style='font-size:10px'>{note}</span>"
