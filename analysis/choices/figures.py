"""Paper A's figures 1 to 3 and its table 3 as bars: no arithmetic but for the places of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.choices.findings import ChoiceFindings
from analysis.choices.gains import Comparison
from analysis.choices.parameters import ParameterEffect
from analysis.choices.words import versus
from analysis.presentation import (
    BLUE,
    INK,
    PARAMETER_COLOURS,
    PARAMETERS,
    PERCENT,
    RED,
    ROLE_COLOURS,
    SOFT,
    axis_cut,
    count,
    dress,
    no_data,
    note_cut,
    p_words,
    score,
    signed,
    signed_percent,
    spread,
    tinted,
)
from analysis.results import Role

STEPS = list(range(1, 11))
DECILES = [f"D{k}" for k in STEPS]
COST = ("What the best choice gains", "Relative test gain of each triple's best choice, by decile of triples")
PARAMETER = ("What changing one parameter does", "Relative test gain of the alternative over the default, by decile")
LAG = ("How far one configuration lags behind each triple's best", "Relative test difference, by decile of triples")
REWARDS = ("Overriding a default: wins and losses", "Triples in which the alternative validates better, or worse")


class Line(NamedTuple):
    """One comparison of a decile figure."""

    label: str
    comparison: Comparison
    colour: str


def cost_of_choices(found: ChoiceFindings) -> go.Figure:
    """A's figure 1."""
    worst = Line("over the worst", found.best_over_worst, ROLE_COLOURS[Role.WORST])
    random = Line("over a random one", found.best_over_random, ROLE_COLOURS[Role.RANDOM])
    return decile_figure(COST, [worst, random])


def parameter_lines(found: ChoiceFindings) -> go.Figure:
    """A's figure 2."""
    pairs = zip(found.effects, PARAMETER_COLOURS, strict=False)
    return decile_figure(PARAMETER, [Line(effect_name(effect), effect.comparison, colour) for effect, colour in pairs])


def one_for_all(found: ChoiceFindings) -> go.Figure:
    """A's figure 3."""
    stable = Line("stable", found.stable_to_best, ROLE_COLOURS[Role.STABLE])
    random = Line("random", found.random_to_best, ROLE_COLOURS[Role.RANDOM])
    lazy = Line("lazy", found.lazy_to_best, ROLE_COLOURS[Role.LAZY])
    return decile_figure(LAG, [stable, random, lazy])


def decile_figure(titles: tuple[str, str], lines: Sequence[Line]) -> go.Figure:
    """Deciles as lines with their triples as dots, the random choice's draws as a band; labels at the lines' ends."""
    lines = [line for line in lines if line.comparison.values]
    if not lines:
        return no_data(titles)
    drawn = dress(go.Figure(), titles, margin={"r": 210}, showlegend=False, hovermode="closest")
    drawn.add_hline(y=0, line={"color": INK, "width": 1})
    for line in lines:
        _draw_draws(drawn, line)
        _draw_line(drawn, line)
        _draw_triples(drawn, line)
    gains = [value for line in lines for value in line.comparison.values]
    cut = axis_cut(gains)
    _label_ends(drawn, lines, cut)
    drawn.update_xaxes(range=[-0.3, 10.2], tickvals=[0, *STEPS], ticktext=["min", *DECILES], showgrid=False)
    drawn.update_yaxes(tickformat=PERCENT)
    if cut < max(gains):
        drawn.update_yaxes(range=[min(*gains, 0) - 0.05 * cut, cut])
        note_cut(drawn, gains, cut, x=0, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom")
    return drawn


def reward_bars(found: ChoiceFindings) -> go.Figure:
    """A's table 3 as bars: losses to the left, wins to the right, ties named."""
    effects = [effect for effect in found.effects if effect.changes][::-1]
    if not effects:
        return no_data(REWARDS)
    rows, rewards = [effect_name(effect) for effect in effects], [effect.reward for effect in effects]
    margin = {"l": 210, "r": 190, "t": 124, "b": 24}
    drawn = dress(go.Figure(), REWARDS, 150 + 64 * len(rows), barmode="relative", bargap=0.4, margin=margin)
    drawn.update_layout(legend={"traceorder": "normal"})
    _bars(drawn, rows, [-reward.losses for reward in rewards], "alternative loses", RED)
    _bars(drawn, rows, [reward.wins for reward in rewards], "alternative wins", BLUE)
    for row, effect in zip(rows, effects, strict=True):
        place = {"x": 1.02, "xref": "paper", "xanchor": "left", "y": row, "align": "left"}
        drawn.add_annotation(text=_strength(effect), showarrow=False, **place)
    drawn.add_vline(x=0, line={"color": INK, "width": 1})
    reach = max(reward.wins + reward.losses + reward.ties for reward in rewards)
    drawn.update_xaxes(range=[-reach, reach], showgrid=False, showticklabels=False)
    return drawn.update_yaxes(showgrid=False, ticklabelstandoff=12)


def _draw_line(drawn: go.Figure, line: Line) -> None:
    deciles = line.comparison.deciles
    details = [[name, signed_percent(value, 2)] for name, value in zip(DECILES, deciles, strict=True)]
    drawn.add_scatter(
        x=STEPS,
        y=deciles,
        name=line.label,
        mode="lines+markers",
        line={"color": line.colour, "width": 2.5},
        marker={"size": 8, "line": {"color": "white", "width": 1.5}},
        customdata=details,
        hovertemplate=f"<b>{line.label}</b><br>%{{customdata[0]}}: %{{customdata[1]}}<extra></extra>",
    )


def _draw_triples(drawn: go.Figure, line: Line) -> None:
    drawn.add_scatter(
        x=line.comparison.positions,
        y=line.comparison.values,
        mode="markers",
        marker={"color": tinted(line.colour, 0.4), "size": 6},
        customdata=[
            [
                g.triple_id,
                signed_percent(g.relative, 2),
                score(g.target, g.metric),
                score(g.baseline, g.metric),
                g.metric,
            ]
            for g in line.comparison.known
        ],
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}: %{customdata[2]} over %{customdata[3]} "
        "(%{customdata[4]})<extra></extra>",
    )


def _draw_draws(drawn: go.Figure, line: Line) -> None:
    if line.comparison.draws is None:
        return
    low, middle, high = zip(*line.comparison.draws, strict=True)
    band = {"x": [*STEPS, *STEPS[::-1]], "y": [*low, *high[::-1]], "fill": "toself"}
    drawn.add_scatter(**band, fillcolor=tinted(line.colour, 0.12), line={"width": 0}, mode="lines", hoverinfo="skip")
    dotted = {"color": line.colour, "width": 1.5, "dash": "dot"}
    drawn.add_scatter(x=STEPS, y=middle, mode="lines", line=dotted, hoverinfo="skip")


def _label_ends(drawn: go.Figure, lines: Sequence[Line], cut: float) -> None:
    """Name each line at its right end."""
    drawn_values = [value for line in lines for value in line.comparison.values]
    drawn_values += [value for line in lines for row in line.comparison.draws or () for value in row]
    reach = min(max(*drawn_values, 0), cut) - min(*drawn_values, 0)
    gap = (0.27 if "<br>" in lines[0].label else 0.14) * reach
    heights = spread([min(line.comparison.deciles[-1], cut) for line in lines], gap)
    for line, height in zip(lines, heights, strict=True):
        place = {"x": 1.01, "xref": "paper", "xanchor": "left", "y": height, "align": "left"}
        drawn.add_annotation(text=_end_label(line), font={"color": line.colour}, showarrow=False, **place)


def _end_label(line: Line) -> str:
    comparison = line.comparison
    notes = [count(len(comparison.known), "triple")]
    notes += [f"{comparison.num_missing} missing"] if comparison.num_missing else []
    notes += [f"{comparison.num_undefined} undefined"] if comparison.num_undefined else []
    note = f"<span style='color:{SOFT};font-size:11px'>{', '.join(notes)}</span>"
    name = line.label if line.label.startswith("<b>") else f"<b>{line.label}</b>"
    return f"{name}<br>{note}"


def _bars(drawn: go.Figure, rows: list[str], sizes: list[int], name: str, colour: str) -> None:
    texts = [str(abs(size)) if size else "" for size in sizes]
    look = {"marker": {"color": colour, "cornerradius": 3}, "textfont": {"color": "white"}, "textposition": "inside"}
    drawn.add_bar(
        x=sizes, y=rows, orientation="h", name=name, text=texts, insidetextanchor="middle", hoverinfo="skip", **look
    )


def effect_name(effect: ParameterEffect) -> str:
    """A parameter with its two values, on two lines."""
    return f"<b>{PARAMETERS[effect.parameter]}</b><br>{versus(effect.reward)}"


def _strength(effect: ParameterEffect) -> str:
    ties = count(effect.reward.ties, "tie")
    merged = f" ({effect.num_merged} merged)" if effect.num_merged else ""
    return f"<b>R = {signed(effect.reward.reward)}</b>, {p_words(effect.p_value)}<br>{ties}{merged}"
