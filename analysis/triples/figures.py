"""The scores of every triple, and its training. No arithmetic here."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from analysis.presentation import MISSING, charts, score, student_words, style
from analysis.results import Role, StudyResults, TripleOutcome, relative_gain
from analysis.triples.curves import training_curves

ROW, BETWEEN, MARGINS = 34, 74, 172  # pixels: of a triple, between metrics, above and below
SCORES = ("Test scores of every triple", "Left: test score. Right: relative difference to the triple's best choice")
TRAINING = ("Training of the best and the worst choice", "Validation score over epochs; rings mark the tested weights")
TRAINING_OF_ONE = ("Training of the students", TRAINING[1])


def triple_scores(results: StudyResults) -> go.Figure:
    """A dot per role and triple: the test score, on an axis of its metric, and the relative difference to the best."""
    shown = [outcome for outcome in results.outcomes if outcome.teacher_score is not None][::-1]
    if not shown:
        return style.no_data(SCORES)
    by_metric = {metric: [o for o in shown if o.metric == metric] for metric in results.metrics}
    groups = {metric: outcomes for metric, outcomes in by_metric.items() if outcomes}
    height = 190 + ROW * len(shown) + BETWEEN * (len(groups) - 1)
    drawn = charts.panels(
        [""] * 2 * len(groups),
        2,
        across=0.04,
        down=BETWEEN / (height - MARGINS) if len(groups) > 1 else 0,
        shared_yaxes=True,
        column_widths=[0.48, 0.52],
        row_heights=[len(outcomes) for outcomes in groups.values()],
    )
    for row, (metric, outcomes) in enumerate(groups.items(), start=1):
        _draw_group(drawn, outcomes, results, row)
        drawn.update_xaxes(title=f"test score ({metric})", row=row, col=1)
    drawn.add_vline(x=0, line={"color": style.ROLE_COLOURS[Role.BEST], "width": 1.5}, col=2)
    style.dress(drawn, SCORES, height=height, margin={"t": 124}, legend={"traceorder": "reversed"})
    drawn.update_xaxes(title="difference to best", tickformat=style.PERCENT, matches="x2", col=2)
    return drawn.update_yaxes(ticklabelstandoff=8)


def training(results: StudyResults) -> go.Figure:
    """Training curves, a colour per role."""
    curves = [
        charts.Curve(
            triple_id=curve.triple_id,
            metric=curve.metric,
            name=str(curve.role),
            about=f"{curve.triple_id}, seed {curve.seed}",
            axis="epoch",
            x=curve.epochs,
            y=curve.scores,
            selected=curve.best_epoch,
            colour=style.ROLE_COLOURS[curve.role],
        )
        for curve in training_curves(results)
    ]
    return charts.curve_panels(TRAINING if results.compares_choices else TRAINING_OF_ONE, curves)


def _draw_group(drawn: go.Figure, outcomes: list[TripleOutcome], results: StudyResults, row: int) -> None:
    """The triples of one metric."""
    names = [_with_notes(outcome, results) for outcome in outcomes]
    for role in reversed(Role):  # the last one lies on top
        scores = [_drawn_score(outcome, role) for outcome in outcomes]
        hover = f"<b>{role}</b>, %{{customdata[0]}}<br>%{{customdata[1]}}"
        details = [[outcome.triple_id, _details(outcome, role)] for outcome in outcomes]
        drawn.add_trace(_dots(role, scores, names, hover, showlegend=row == 1, customdata=details), row=row, col=1)
    for role in (Role.WORST, Role.LAZY, Role.RANDOM, Role.STABLE):
        values = [relative_gain(o.final_score(role), o.final_score(Role.BEST)) for o in outcomes]
        hover = f"<b>{role}</b> against best, %{{y}}<br>%{{x:+.2%}}"
        drawn.add_trace(_dots(role, values, names, hover, showlegend=False), row=row, col=2)
    drawn.update_yaxes(range=[-0.7, len(names) - 0.3], row=row)


def _drawn_score(outcome: TripleOutcome, role: Role) -> float | None:
    """The test score; a majority that scores nothing is left out, lest all others stand side by side far from it."""
    found = outcome.test_score(role)
    return None if role is Role.MAJORITY and not found else found


def _dots(role: Role, x: charts.Values, y: charts.Values, hover: str, **more: Any) -> go.Scatter:
    """Marks for scores without variation stand as bars, those of students as shapes."""
    colour, reference = style.ROLE_COLOURS[role], role in (Role.TEACHER, Role.MAJORITY)
    line = {"color": colour if reference else "white", "width": 2.5 if reference else 1}
    look = {"marker_symbol": style.ROLE_SYMBOLS[role], "marker_line": line, "name": role, "legendgroup": role}
    return charts.dots(x, y, colour, hover, 14 if reference else 10, **look, **more)


def _with_notes(outcome: TripleOutcome, results: StudyResults) -> str:
    """The row's name, and below it which scores are not there, or not final."""
    missing = [str(role) for role in results.roles if outcome.test_score(role) is None]
    notes = [] if outcome.searched else ["not final"]
    notes += [f"{MISSING} {', '.join(missing)} missing"] if missing else []
    return row_name(outcome) + (f"<br><span style='font-size:10px'>{'; '.join(notes)}</span>" if notes else "")


def row_name(outcome: TripleOutcome) -> str:
    """Data set, teacher and student; marked while best and worst may still change."""
    triple = outcome.triple
    state = "" if outcome.searched else f" <i>({outcome.progress})</i>"
    return f"<b>{triple.dataset.name}</b> {triple.teacher.name} → {triple.student.name}{state}"


def _details(outcome: TripleOutcome, role: Role) -> str:
    test = f"test {score(outcome.test_score(role), outcome.metric)} ({outcome.metric})"
    student = outcome.configuration(role)
    if student is None:
        return test
    return f"{test}, validation {score(student.validation_score, outcome.metric)}<br>{student_words(student)}"
