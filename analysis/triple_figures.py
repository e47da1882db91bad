"""Figures with one row per triple: all its scores, and what its search decided. No arithmetic here."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.findings import Findings
from analysis.gains import Comparison
from analysis.outcomes import Role, TripleOutcome
from analysis.parameters import Change
from analysis.style import DIVERGING, PERCENT, ROLE_COLOURS, ROLE_SYMBOLS, dress, no_data
from analysis.wording import MISSING, PARAMETERS, score, signed_percent, student_words, value_words, versus

ROW, BETWEEN, MARGINS = 34, 74, 172  # pixels: of a triple, between metrics, above and below
SCORES = ("Test scores of every triple", "Left: test score. Right: relative difference to the triple's best choice")
DECISIONS = (
    "What each search decided",
    "Relative validation gain of the alternative over the default; ✓ where it was accepted",
)


def triple_scores(findings: Findings) -> go.Figure:
    """A dot per role and triple: the test score, on an axis of its metric, and the relative difference to the best."""
    shown = [outcome for outcome in findings.outcomes if outcome.teacher_score is not None][::-1]
    if not shown:
        return no_data(SCORES)
    by_metric = {metric: [o for o in shown if o.metric == metric] for metric in findings.metrics}
    groups = {metric: outcomes for metric, outcomes in by_metric.items() if outcomes}
    height = 190 + ROW * len(shown) + BETWEEN * (len(groups) - 1)
    drawn = make_subplots(
        rows=len(groups),
        cols=2,
        shared_yaxes=True,
        column_widths=[0.48, 0.52],
        row_heights=[len(outcomes) for outcomes in groups.values()],
        horizontal_spacing=0.04,
        vertical_spacing=BETWEEN / (height - MARGINS) if len(groups) > 1 else 0,
    )
    for row, (metric, outcomes) in enumerate(groups.items(), start=1):
        _draw_group(drawn, outcomes, findings, row)
        drawn.update_xaxes(title=f"test score ({metric})", row=row, col=1)
    drawn.add_vline(x=0, line={"color": ROLE_COLOURS[Role.BEST], "width": 1.5}, col=2)
    dress(drawn, SCORES, height=height, margin={"t": 124}, legend={"traceorder": "reversed"})
    drawn.update_xaxes(title="difference to best", tickformat=PERCENT, matches="x2", col=2)
    return drawn.update_yaxes(ticklabelstandoff=8)


def decisions(findings: Findings) -> go.Figure:
    """A map of triples by parameters: which alternative was tried, what it gained on validation, what was kept."""
    if not findings.changes:
        return no_data(DECISIONS)
    parameters = [effect.parameter for effect in findings.effects]
    made = {(change.triple_id, change.parameter): change for change in findings.changes}
    shown = [outcome for outcome in findings.outcomes if outcome.candidates][::-1]
    cells = [[made.get((outcome.triple_id, parameter)) for parameter in parameters] for outcome in shown]
    drawn = go.Figure()
    drawn.add_heatmap(
        x=[f"<b>{PARAMETERS[effect.parameter]}</b><br>{versus(effect.reward)}" for effect in findings.effects],
        y=[_row_name(outcome) for outcome in shown],
        z=[[change.validation_gain if change else None for change in row] for row in cells],
        text=[[_cell_text(change) for change in row] for row in cells],
        customdata=[[_cell_details(change) for change in row] for row in cells],
        texttemplate="%{text}",
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
        colorscale=DIVERGING,
        zmid=0,
        xgap=3,
        ygap=3,
        showscale=False,
    )
    dress(drawn, DECISIONS, height=170 + 36 * len(shown), margin={"t": 140, "b": 24})
    drawn.update_xaxes(side="top", showgrid=False, tickangle=0)
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=8)


def _draw_group(drawn: go.Figure, outcomes: list[TripleOutcome], findings: Findings, row: int) -> None:
    """The triples of one metric."""
    names = [_with_notes(outcome, findings) for outcome in outcomes]
    for role in reversed(Role):  # the last one lies on top
        drawn.add_scatter(
            x=[_drawn_score(outcome, role) for outcome in outcomes],
            y=names,
            name=role,
            customdata=[[outcome.triple_id, _details(outcome, role)] for outcome in outcomes],
            hovertemplate=f"<b>{role}</b>, %{{customdata[0]}}<br>%{{customdata[1]}}<extra></extra>",
            legendgroup=role,
            showlegend=row == 1,
            **_dots(role),
            row=row,
            col=1,
        )
    for role, comparison in reversed(_lags(findings)):
        known = {gain.triple_id: gain.relative for gain in comparison.gains}
        values = [known[outcome.triple_id] for outcome in outcomes]
        hover = f"<b>{role}</b> against best, %{{y}}<br>%{{x:+.2%}}<extra></extra>"
        drawn.add_scatter(
            x=values, y=names, hovertemplate=hover, legendgroup=role, showlegend=False, **_dots(role), row=row, col=2
        )
    drawn.update_yaxes(range=[-0.7, len(names) - 0.3], row=row)


def _drawn_score(outcome: TripleOutcome, role: Role) -> float | None:
    """The test score; a majority that scores nothing is left out, lest all others stand side by side far from it."""
    found = outcome.test_score(role)
    return None if role is Role.MAJORITY and not found else found


def _dots(role: Role) -> dict[str, Any]:
    """Marks for scores without variation stand as bars, those of students as shapes."""
    reference = role in (Role.TEACHER, Role.MAJORITY)
    line = {"color": ROLE_COLOURS[role] if reference else "white", "width": 2.5 if reference else 1}
    size = 14 if reference else 10
    marker = {"color": ROLE_COLOURS[role], "symbol": ROLE_SYMBOLS[role], "size": size, "line": line}
    return {"mode": "markers", "marker": marker}


def _with_notes(outcome: TripleOutcome, findings: Findings) -> str:
    """The row's name, and below it which scores are not there, or not final."""
    missing = [str(role) for role in findings.roles if outcome.test_score(role) is None]
    notes = [] if outcome.searched else ["not final"]
    notes += [f"{MISSING} {', '.join(missing)} missing"] if missing else []
    return _row_name(outcome) + (f"<br><span style='font-size:10px'>{'; '.join(notes)}</span>" if notes else "")


def _lags(findings: Findings) -> tuple[tuple[Role, Comparison], ...]:
    return (
        (Role.STABLE, findings.stable_to_best),
        (Role.RANDOM, findings.random_to_best),
        (Role.LAZY, findings.lazy_to_best),
        (Role.WORST, findings.worst_to_best),
    )


def _row_name(outcome: TripleOutcome) -> str:
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


def _cell_text(change: Change | None) -> str:
    if change is None:
        return MISSING
    if change.merged:
        return "same"
    gain = signed_percent(change.validation_gain)
    if change.validation_gain is None:  # without a score, or over one that is not above 0
        gain = "failed" if change.after.validation_score is None else str(change.verdict)
    return f"<b>✓ {gain}</b>" if change.accepted else gain


def _cell_details(change: Change | None) -> str:
    if change is None:
        return "not compared"
    before, after, metric = change.before, change.after, change.gain.metric
    values = f"{_value(change, before.choice)} → {_value(change, after.choice)}"
    return (
        f"<b>{change.triple_id}</b><br>{values}: {change.verdict}<br>"
        f"before: validation {score(before.validation_score, metric)}, {student_words(before)}<br>"
        f"after: validation {score(after.validation_score, metric)}, {student_words(after)}"
    )


def _value(change: Change, choice: object) -> str:
    return value_words(getattr(choice, change.parameter))
