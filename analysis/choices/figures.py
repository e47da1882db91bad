"""Figures of a study of choices: paper A's figures 1 to 3, its table 3 as bars, and more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from analysis.choices.findings import Answers, ChoiceFindings
from analysis.choices.gains import Comparison
from analysis.choices.parameters import Change, ParameterEffect
from analysis.choices.words import versus
from analysis.presentation import (
    MISSING,
    PARAMETERS,
    charts,
    configuration_words,
    p_words,
    score,
    signed,
    signed_percent,
    student_words,
    style,
    task_words,
    value_words,
)
from analysis.results import Role
from analysis.triples import row_name
from search_spaces import counted

STEPS = list(range(1, 11))
DECILES = [f"D{k}" for k in STEPS]
COST = ("What the best choice gains", "Relative test gain of each triple's best choice, by decile of triples")
PARAMETER = ("What changing one parameter does", "Relative test gain of the alternative over the default, by decile")
LAG = ("How far one configuration lags behind each triple's best", "Relative test difference, by decile of triples")
REWARDS = ("Overriding a default: wins and losses", "Triples in which the alternative validates better, or worse")
TASKS = ("Gains of each task", "Relative test gains; dots are triples, bars are medians")
DECISIONS = (
    "What each search decided",
    "Relative validation gain of the alternative over the default; ✓ where it was accepted",
)
TEMPERATURES = ("Temperature", "Validation score against the teacher's temperature; rings mark the selected one")
OF_TEMPERATURES = {
    ("ce", "equal"): style.BLUE,
    ("ce", "one"): style.GREEN,
    ("mse", "equal"): style.RED,
    ("mse", "one"): style.PURPLE,
}
DASHES = {"highest_score": "solid", "lowest_loss": "dot"}
OF_TRIPLE = "<b>%{customdata[0]}</b><br>%{customdata[1]}: %{customdata[2]} over %{customdata[3]} (%{customdata[4]})"


# ---- deciles ---------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """One comparison of a decile figure."""

    label: str
    comparison: Comparison
    colour: str


def cost_of_choices(found: ChoiceFindings) -> go.Figure:
    """A's figure 1."""
    worst = Line("over the worst", found.best_over_worst, style.ROLE_COLOURS[Role.WORST])
    random = Line("over a random one", found.best_over_random, style.ROLE_COLOURS[Role.RANDOM])
    return decile_figure(COST, [worst, random])


def parameter_lines(found: ChoiceFindings) -> go.Figure:
    """A's figure 2."""
    pairs = zip(found.effects, style.PARAMETER_COLOURS, strict=False)
    return decile_figure(PARAMETER, [Line(_effect_name(effect), effect.comparison, colour) for effect, colour in pairs])


def one_for_all(found: ChoiceFindings) -> go.Figure:
    """A's figure 3."""
    stable = Line("stable", found.stable_to_best, style.ROLE_COLOURS[Role.STABLE])
    random = Line("random", found.random_to_best, style.ROLE_COLOURS[Role.RANDOM])
    lazy = Line("lazy", found.lazy_to_best, style.ROLE_COLOURS[Role.LAZY])
    return decile_figure(LAG, [stable, random, lazy])


def decile_figure(titles: style.Titles, lines: Sequence[Line]) -> go.Figure:
    """Deciles as lines with their triples as dots, the random choice's draws as a band; labels at the lines' ends."""
    lines = [line for line in lines if line.comparison.values]
    if not lines:
        return style.no_data(titles)
    drawn = style.dress(go.Figure(), titles, margin={"r": 210}, showlegend=False, hovermode="closest")
    drawn.add_hline(y=0, line=charts.ZERO)
    for label, comparison, colour in lines:
        _draw_draws(drawn, comparison, colour)
        details = [[name, signed_percent(value, 2)] for name, value in zip(DECILES, comparison.deciles, strict=True)]
        hover = f"<b>{label}</b><br>%{{customdata[0]}}: %{{customdata[1]}}"
        marker = {"size": 8, "line": {"color": "white", "width": 1.5}}
        look = {"name": label, "marker": marker, "customdata": details}
        drawn.add_trace(charts.line(STEPS, comparison.deciles, colour, hover, 2.5, **look))
        places = comparison.positions
        drawn.add_trace(_triples(places, comparison.values, comparison, style.tinted(colour, 0.4), 6))
    gains = [value for line in lines for value in line.comparison.values]
    cut = charts.axis_cut(gains)
    _label_ends(drawn, lines, cut)
    drawn.update_xaxes(range=[-0.3, 10.2], tickvals=[0, *STEPS], ticktext=["min", *DECILES], showgrid=False)
    drawn.update_yaxes(tickformat=style.PERCENT)
    if cut < max(gains):
        drawn.update_yaxes(range=[min(*gains, 0) - 0.05 * cut, cut])
        charts.note_cut(drawn, gains, cut, x=0, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom")
    return drawn


def _triples(
    x: charts.Values, y: charts.Values, comparison: Comparison, colour: str, size: float, **more: object
) -> go.Scatter:
    """The triples of a comparison, a dot each."""
    details = [
        [g.triple_id, signed_percent(g.relative, 2), score(g.target, g.metric), score(g.baseline, g.metric), g.metric]
        for g in comparison.known
    ]
    return charts.dots(x, y, colour, OF_TRIPLE, size, customdata=details, **more)


def _draw_draws(drawn: go.Figure, comparison: Comparison, colour: str) -> None:
    if comparison.draws is None:
        return
    low, middle, high = zip(*comparison.draws, strict=True)
    band = {"fill": "toself", "fillcolor": style.tinted(colour, 0.12), "line_width": 0, "mode": "lines"}
    drawn.add_scatter(x=[*STEPS, *STEPS[::-1]], y=[*low, *high[::-1]], hoverinfo="skip", **band)
    drawn.add_trace(charts.line(STEPS, middle, colour, mode="lines", line_dash="dot"))


def _label_ends(drawn: go.Figure, lines: Sequence[Line], cut: float) -> None:
    """Name each line at its right end."""
    drawn_values = [value for line in lines for value in line.comparison.values]
    drawn_values += [value for line in lines for row in line.comparison.draws or () for value in row]
    reach = min(max(*drawn_values, 0), cut) - min(*drawn_values, 0)
    gap = (0.27 if "<br>" in lines[0].label else 0.14) * reach
    heights = style.spread([min(line.comparison.deciles[-1], cut) for line in lines], gap)
    for line, height in zip(lines, heights, strict=True):
        place = {"x": 1.01, "xref": "paper", "xanchor": "left", "y": height, "align": "left"}
        drawn.add_annotation(text=_end_label(line), font={"color": line.colour}, showarrow=False, **place)


def _end_label(line: Line) -> str:
    comparison = line.comparison
    notes = [counted(len(comparison.known), "triple")]
    notes += [f"{comparison.num_missing} missing"] if comparison.num_missing else []
    notes += [f"{comparison.num_undefined} undefined"] if comparison.num_undefined else []
    note = f"<span style='color:{style.SOFT};font-size:11px'>{', '.join(notes)}</span>"
    name = line.label if line.label.startswith("<b>") else f"<b>{line.label}</b>"
    return f"{name}<br>{note}"


# ---- rows ------------------------------------------------------------------------------------------------------------


def reward_bars(found: ChoiceFindings) -> go.Figure:
    """A's table 3 as bars: losses to the left, wins to the right, ties named."""
    effects = [effect for effect in found.effects if effect.changes][::-1]
    if not effects:
        return style.no_data(REWARDS)
    rows, rewards = [_effect_name(effect) for effect in effects], [effect.reward for effect in effects]
    drawn = go.Figure()
    for name, sign, numbers, colour in (
        ("alternative loses", -1, [reward.losses for reward in rewards], style.RED),
        ("alternative wins", 1, [reward.wins for reward in rewards], style.BLUE),
    ):
        sizes, texts = [sign * number for number in numbers], [str(number or "") for number in numbers]
        look: dict[str, Any] = {**charts.text_inside(texts), "name": name, "marker_cornerradius": 3}
        drawn.add_trace(charts.bars(rows, sizes, colour, **look))
    for row, effect in zip(rows, effects, strict=True):
        place = {"x": 1.02, "xref": "paper", "xanchor": "left", "y": row, "align": "left"}
        drawn.add_annotation(text=_strength(effect), showarrow=False, **place)
    drawn.add_vline(x=0, line=charts.ZERO)
    margin = {"l": 210, "r": 190, "t": 124, "b": 24}
    style.dress(drawn, REWARDS, 150 + 64 * len(rows), barmode="relative", bargap=0.4, margin=margin)
    reach = max(reward.wins + reward.losses + reward.ties for reward in rewards)
    drawn.update_xaxes(range=[-reach, reach], showgrid=False, showticklabels=False)
    drawn.update_layout(legend={"traceorder": "normal"})
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=12)


def _effect_name(effect: ParameterEffect) -> str:
    """A parameter with its two values, on two lines."""
    return f"<b>{PARAMETERS[effect.parameter]}</b><br>{versus(effect.reward)}"


def _strength(effect: ParameterEffect) -> str:
    ties = counted(effect.reward.ties, "tie")
    merged = f" ({effect.num_merged} merged)" if effect.num_merged else ""
    return f"<b>R = {signed(effect.reward.reward)}</b>, {p_words(effect.p_value)}<br>{ties}{merged}"


def gains_by_task(found: ChoiceFindings) -> go.Figure:
    """Best over worst, and stable against best: the triples of each task with their median."""
    columns = (
        ("<b>Best</b> over worst", Role.WORST, [answers.best_over_worst for answers in found.by_task.values()]),
        ("<b>Stable</b> against best", Role.STABLE, [answers.stable_to_best for answers in found.by_task.values()]),
    )
    if not any(comparison.values for _, _, comparisons in columns for comparison in comparisons):
        return style.no_data(TASKS)
    rows = [_row_name(answers) for answers in found.by_task.values()]
    drawn = charts.panels([title for title, _, _ in columns], 2, across=0.05, shared_yaxes=True)
    for place, (_, role, comparisons) in charts.placed(columns, 2):
        gains = [value for comparison in comparisons for value in comparison.values]
        cut = charts.axis_cut(gains)
        for row, comparison in zip(rows, comparisons, strict=True):
            drawn.add_traces(_task_row(row, comparison, style.ROLE_COLOURS[role], cut), place["row"], place["col"])
        note = {"x": 0, "xref": ("x domain", "x2 domain")[place["col"] - 1], "xanchor": "left"}
        charts.note_cut(drawn, gains, cut, **note, y=0, yref="paper", yanchor="top", yshift=-28)
    drawn.add_vline(x=0, line=charts.ZERO)
    style.dress(drawn, TASKS, height=180 + 62 * len(rows), margin={"t": 124}, showlegend=False)
    drawn.update_annotations(font={"size": 13, "color": style.SOFT}, selector={"yref": "paper"})
    return charts.name_rows(drawn.update_xaxes(tickformat=style.PERCENT), rows, ticklabelstandoff=8)


def _task_row(row: str, comparison: Comparison, colour: str, cut: float) -> list[go.Scatter]:
    """Gains beyond the cut stand at the axis's end, as arrows."""
    values, middle = comparison.values, comparison.decile(5)
    symbols = ["triangle-right" if value > cut else "circle" for value in values]
    cut_values, tint = [min(value, cut) for value in values], style.tinted(colour, 0.45)
    triples = _triples(cut_values, [row] * len(values), comparison, tint, 9, marker_symbol=symbols)
    why_empty = f"{comparison.num_missing} missing, {comparison.num_undefined} undefined"
    text, drawn_middle = signed_percent(middle) if values else why_empty, None if middle is None else min(middle, cut)
    return [triples, charts.median(row, drawn_middle, text, colour, cliponaxis=False)]


def _row_name(answers: Answers) -> str:
    task = task_words(answers.tasks[0])
    note = f"{', '.join(answers.metrics)}; {counted(len(answers.outcomes), 'triple')}"
    return f"<b>{task}</b><br><span style='font-size:10px'>{note}</span>"


# ---- searches --------------------------------------------------------------------------------------------------------


def decisions(found: ChoiceFindings) -> go.Figure:
    """A map of triples by parameters: which alternative was tried, what it gained on validation, what was kept."""
    if not found.changes:
        return style.no_data(DECISIONS)
    made = {(change.triple_id, change.parameter): change for change in found.changes}
    shown = [outcome for outcome in found.outcomes if outcome.candidates][::-1]
    cells = [[made.get((outcome.triple_id, effect.parameter)) for effect in found.effects] for outcome in shown]
    return charts.heat_map(
        DECISIONS,
        [_effect_name(effect) for effect in found.effects],
        [row_name(outcome) for outcome in shown],
        [[change.validation_gain if change else None for change in row] for row in cells],
        [[_cell_text(change) for change in row] for row in cells],
        "%{customdata}",
        customdata=[[_cell_details(change) for change in row] for row in cells],
        height=170 + 36 * len(shown),
        top=140,
        colorscale=style.DIVERGING,
        zmid=0,
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
    old, new = (value_words(getattr(each.choice, change.parameter)) for each in (before, after))
    return (
        f"<b>{change.triple_id}</b><br>{old} → {new}: {change.verdict}<br>"
        f"before: validation {score(before.validation_score, metric)}, {student_words(before)}<br>"
        f"after: validation {score(after.validation_score, metric)}, {student_words(after)}"
    )


def temperatures(found: ChoiceFindings) -> go.Figure:
    """A colour per distance and student temperature, a dash per teacher checkpoint."""
    curves = []
    for curve in found.temperature_curves:
        choice = curve.choice
        drawn_curve = charts.Curve(
            triple_id=curve.triple_id,
            metric=curve.metric,
            name=", ".join(map(value_words, (choice.distance, choice.student_temperature, choice.teacher_checkpoint))),
            about=configuration_words(choice),
            axis="τt",
            x=curve.temperatures,
            y=curve.scores,
            selected=choice.canonical().temperature,
            colour=OF_TEMPERATURES.get((choice.distance.value, choice.student_temperature.value), style.ORANGE),
            dash=DASHES[choice.teacher_checkpoint],
        )
        curves.append(drawn_curve)
    drawn = charts.curve_panels(TEMPERATURES, curves)
    return drawn.update_xaxes(type="log", tickvals=[1, 2, 4, 8, 16, 32, 64]) if drawn.data else drawn
