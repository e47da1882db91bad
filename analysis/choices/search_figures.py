"""How each search decided, and how scores move with the temperature. No arithmetic here."""

from __future__ import annotations

import plotly.graph_objects as go

from analysis.choices.figures import effect_name
from analysis.choices.findings import ChoiceFindings
from analysis.choices.parameters import Change
from analysis.choices.temperatures import TemperatureCurve
from analysis.presentation import (
    BLUE,
    DIVERGING,
    GREEN,
    MISSING,
    ORANGE,
    PURPLE,
    RED,
    Curve,
    configuration_words,
    curve_panels,
    dress,
    no_data,
    score,
    signed_percent,
    student_words,
    value_words,
)
from analysis.triples import row_name

DECISIONS = (
    "What each search decided",
    "Relative validation gain of the alternative over the default; ✓ where it was accepted",
)
TEMPERATURES = ("Temperature", "Validation score against the teacher's temperature; rings mark the selected one")
COLOURS = {("ce", "equal"): BLUE, ("ce", "one"): GREEN, ("mse", "equal"): RED, ("mse", "one"): PURPLE}
DASHES = {"highest_score": "solid", "lowest_loss": "dot"}


def decisions(found: ChoiceFindings) -> go.Figure:
    """A map of triples by parameters: which alternative was tried, what it gained on validation, what was kept."""
    if not found.changes:
        return no_data(DECISIONS)
    parameters = [effect.parameter for effect in found.effects]
    made = {(change.triple_id, change.parameter): change for change in found.changes}
    shown = [outcome for outcome in found.outcomes if outcome.candidates][::-1]
    cells = [[made.get((outcome.triple_id, parameter)) for parameter in parameters] for outcome in shown]
    drawn = go.Figure()
    drawn.add_heatmap(
        x=[effect_name(effect) for effect in found.effects],
        y=[row_name(outcome) for outcome in shown],
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


def temperatures(found: ChoiceFindings) -> go.Figure:
    """A colour per distance and student temperature, a dash per teacher checkpoint."""
    curves = [_drawn(curve) for curve in found.temperature_curves]
    drawn = curve_panels(TEMPERATURES, curves)
    return drawn.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64]) if drawn.data else drawn


def _drawn(curve: TemperatureCurve) -> Curve:
    choice = curve.choice
    values = (choice.distance, choice.student_temperature, choice.teacher_checkpoint)
    return Curve(
        triple_id=curve.triple_id,
        metric=curve.metric,
        name=", ".join(map(value_words, values)),
        about=configuration_words(choice),
        axis="τt",
        x=curve.temperatures,
        y=curve.scores,
        selected=choice.canonical().temperature,
        colour=COLOURS.get((choice.distance.value, choice.student_temperature.value), ORANGE),
        dash=DASHES[choice.teacher_checkpoint],
    )


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
