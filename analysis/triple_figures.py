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
from analysis.wording import MISSING, PARAMETERS, configuration_words, score, signed_percent, value_words, versus

SCORES = ("Test scores of every triple", "Left: test score. Right: relative difference to the triple's best choice")
DECISIONS = (
    "What each search decided",
    "Relative validation gain of the alternative over the default; ✓ where it was accepted",
)


def triple_scores(findings: Findings) -> go.Figure:
    """A dot per role and triple: the test score, and the difference to the best."""
    shown = [outcome for outcome in findings.outcomes if outcome.teacher_score is not None][::-1]
    if not shown:
        return no_data(SCORES)
    drawn = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.48, 0.52], horizontal_spacing=0.04)
    rows = [_with_notes(outcome, findings) for outcome in shown]
    for role in reversed(Role):  # the last one lies on top
        scores = [outcome.test_score(role) for outcome in shown]
        details = [[outcome.triple_id, *_student_details(outcome, role)] for outcome in shown]
        hover = f"<b>{role}</b>, %{{customdata[0]}}<br>test %{{x:.4f}}%{{customdata[1]}}<extra></extra>"
        drawn.add_scatter(
            x=scores, y=rows, name=role, customdata=details, hovertemplate=hover, **_dots(role), row=1, col=1
        )
    for role, comparison in reversed(_lags(findings)):
        known = {gain.triple_id: gain.relative for gain in comparison.gains}
        values = [known[outcome.triple_id] for outcome in shown]
        hover = f"<b>{role}</b> against best, %{{y}}<br>%{{x:+.2%}}<extra></extra>"
        drawn.add_scatter(x=values, y=rows, hovertemplate=hover, showlegend=False, **_dots(role), row=1, col=2)
    drawn.add_vline(x=0, line={"color": ROLE_COLOURS[Role.BEST], "width": 1.5}, col=2)
    dress(drawn, SCORES, height=190 + 34 * len(rows), margin={"t": 124}, legend={"traceorder": "reversed"})
    drawn.update_xaxes(title="test score", col=1).update_xaxes(title="difference to best", tickformat=PERCENT, col=2)
    return drawn.update_yaxes(ticklabelstandoff=8, range=[-0.7, len(rows) - 0.3])


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


def _student_details(outcome: TripleOutcome, role: Role) -> str:
    student = outcome.configuration(role)
    if student is None:
        return ""
    return f", validation {score(student.validation_score)}<br>{configuration_words(student.choice)}"


def _cell_text(change: Change | None) -> str:
    if change is None:
        return MISSING
    if change.merged:
        return "same"
    gain = "failed" if change.after.validation_score is None else signed_percent(change.validation_gain)
    return f"<b>✓ {gain}</b>" if change.accepted else gain


def _cell_details(change: Change | None) -> str:
    if change is None:
        return "not compared"
    before, after = change.before, change.after
    values = f"{_value(change, before.choice)} → {_value(change, after.choice)}"
    return (
        f"<b>{change.triple_id}</b><br>{values}: {change.verdict}<br>"
        f"before: validation {score(before.validation_score)}, {configuration_words(before.choice)}<br>"
        f"after: validation {score(after.validation_score)}, {configuration_words(after.choice)}"
    )


def _value(change: Change, choice: object) -> str:
    return value_words(getattr(choice, change.parameter))
