"""Figures of named configurations: against the first, by epoch, by rows, attention (C, figures 3 to 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from analysis.internals.attention import Attention, HeadView
from analysis.internals.experiments import Experiment, ExperimentTriple, ValidationCurve
from analysis.internals.findings import Families, Triples
from analysis.internals.words import interval_words
from analysis.presentation import charts, score_digits, style, task_words
from analysis.results import TEACHER

COLOURS = [style.INK, style.FAINT, style.SKY, style.PURPLE, style.BLUE, style.ORANGE, style.GREEN, style.RED]
COLOURS += ["#8c6d31", "#7f7f7f"]
AGAINST = ("What each experiment gains over the first", "Test scores; bars: 95 % intervals over test examples")
BY_EPOCH = (
    "How fast each experiment learns",
    "Validation score by epoch, mean over seeds; rings: the last epoch of a stage",
)
BY_PARAMETERS = ("What smaller students keep", "Test score by parameters, mean over seeds; dashed: the teacher")
BY_ROWS = ("What the size of the training set changes", "Test score over the first experiment's, by training rows")
SIDE_BY_SIDE = (
    "What students attend to, beside their teacher",
    "Each row is a token, each column what it attends to; KL: divergence from the teacher's head",
)
PANEL, GAP = 270, 110  # pixels: the height of a panel of attention, and what stands between two


# ---- against the first -----------------------------------------------------------------------------------------------


def against_first(triples: Triples) -> go.Figure:
    """Differences with their intervals, triple by triple."""
    shown = [triple for triple in triples if any(each.over_first.by_seeds for each in triple.experiments)]
    if not shown:
        return style.no_data(AGAINST)
    drawn = charts.panels([_triple_title(triple) for triple in shown], len(shown), across=0.04, shared_yaxes=True)
    for place, triple in charts.placed(shown, len(shown)):
        for experiment in triple.experiments[:0:-1]:
            if experiment.over_first.by_seeds:
                drawn.add_trace(_difference(triple, experiment), **place)
        drawn.add_vline(x=0, line=charts.ZERO, **place)
    height = 186 + 34 * len(shown[0].experiments)
    style.dress(drawn, AGAINST, height=height, showlegend=False, margin={"t": 136})
    return drawn.update_xaxes(tickformat="+.2~f", nticks=5, showgrid=True)


def _difference(triple: ExperimentTriple, experiment: Experiment) -> go.Scatter:
    found, metric = experiment.over_first.by_examples, triple.metric
    value = found.difference if found else experiment.over_first.mean
    colour = style.BLUE if found and (found.low > 0 or found.high < 0) else style.FAINT
    interval = interval_words(experiment, metric)
    hover = f"{experiment.name}: %{{x:+.{score_digits(metric)}f}}{interval and f'<br>95 % interval {interval}'}"
    between = charts.spans([found.difference], [(found.low, found.high)], colour, thickness=1.6) if found else None
    return charts.dots([value], [experiment.name], colour, hover, error_x=between)


# ---- a line for each experiment --------------------------------------------------------------------------------------


def by_epoch(triples: Triples) -> go.Figure:
    """Validation curves, one panel a triple."""
    shown = [triple for triple in triples if any(each.curve for each in triple.experiments)]
    if not shown:
        return style.no_data(BY_EPOCH)
    gap = min(0.2, 90 / (320 * len(shown)))
    drawn = charts.panels([_triple_title(triple) for triple in shown], 1, across=0, down=gap, size=16)
    for place, triple in charts.placed(shown, 1):
        for index, experiment in enumerate(triple.experiments):
            if experiment.curve:
                drawn.add_trace(_curve(experiment.name, index, experiment.curve, triple.metric), **place)
    height = 140 + 320 * len(shown)
    style.dress(drawn, BY_EPOCH, height=height, margin={"t": 164}, legend=style.below_title(height))
    charts.name_once(drawn)
    return drawn.update_xaxes(title="epoch", row=len(shown))


def by_rows(families: Families) -> go.Figure:
    """Gains over the first experiment against training rows, of triples whose data differ in their size alone."""
    drawn = _panel_each(BY_ROWS, families, _gains)
    drawn.add_hline(y=0, line=charts.ZERO, row="all", col="all")
    rows = sorted({triple.train_rows for triples in families for triple in triples if triple.train_rows})
    ticks = {"tickvals": rows, "ticktext": [f"{number:,}" for number in rows]}
    return drawn.update_xaxes(type="log", title="training rows", **ticks).update_yaxes(tickformat="+.2~f")


def by_parameters(families: Families) -> go.Figure:
    """Test scores against the students' parameters, with the teacher's score."""
    drawn = _panel_each(BY_PARAMETERS, families, _scores)
    for column, triples in enumerate(families, start=1):
        if triples[0].teacher_test is not None:
            line = {"color": style.SOFT, "width": 1, "dash": "dash"}
            drawn.add_hline(y=triples[0].teacher_test, line=line, annotation_text=TEACHER, row=1, col=column)
    return drawn.update_xaxes(title="millions of parameters")


def _panel_each(
    titles: style.Titles, families: Families, trace: Callable[[Triples, int], go.Scatter | None]
) -> go.Figure:
    """A panel for each family, with a line for each experiment."""
    headings = [_family_title(triples) for triples in families]
    drawn = charts.panels(headings, len(families), across=0.08, size=16)
    for place, triples in charts.placed(families, len(families)):
        for index in range(len(triples[0].experiments)):
            if line := trace(triples, index):
                drawn.add_trace(line, **place)
    charts.name_once(drawn)
    return style.dress(drawn, titles, height=480, margin={"t": 164}, legend=style.below_title(480))


def _triple_title(triple: ExperimentTriple) -> str:
    return f"<b>{triple.name}</b><br>{task_words(triple.metric)}"


def _family_title(triples: Triples) -> str:
    shortest = min((triple.outcome.triple.dataset.name for triple in triples), key=len)
    return f"<b>{shortest}</b>, {task_words(triples[0].metric)}"


def _line(name: str, index: int, x: charts.Values, y: charts.Values, hover: str, **more: Any) -> go.Scatter:
    """An experiment's line; the first one is thicker."""
    width = 2 if index == 0 else 1.5
    return charts.line(x, y, COLOURS[index % len(COLOURS)], f"{name}{hover}", width, name=name, **more)


def _curve(name: str, index: int, curve: ValidationCurve, metric: str) -> go.Scatter:
    ends = [a != b for a, b in zip(curve.stages, curve.stages[1:], strict=False)] + [False]
    return _line(
        name,
        index,
        curve.epochs,
        curve.scores,
        f", epoch %{{x:g}}%{{customdata}}: %{{y:.{score_digits(metric)}f}}",
        customdata=[f", stage {stage}" if stage else "" for stage in curve.stages],
        line_dash="dot" if index == 1 else "solid",
        marker=charts.rings(ends, COLOURS[index % len(COLOURS)], size=4, width=2),
    )


def _gains(triples: Triples, index: int) -> go.Scatter | None:
    points = [(triple.train_rows, triple.experiments[index].over_first.by_examples) for triple in triples]
    known = [(rows, found) for rows, found in points if rows and found]
    if not known:
        return None
    shift = 1 + 0.02 * (index - 4)  # so that bars at one place can be told apart
    places, gains = [rows * shift for rows, _ in known], [found.difference for _, found in known]
    between = charts.spans(gains, [(found.low, found.high) for _, found in known], thickness=1.2, width=3)
    return _line(triples[0].experiments[index].name, index, places, gains, ": %{y:+.4f}", error_y=between)


def _scores(triples: Triples, index: int) -> go.Scatter | None:
    points = [(triple.outcome.num_parameters, triple.experiments[index].test) for triple in triples]
    known = [(size / 1e6, test) for size, test in points if size and test is not None]
    if not known:
        return None
    sizes, tests = zip(*known, strict=True)
    return _line(triples[0].experiments[index].name, index, sizes, tests, ", %{x:.1f} M: %{y:.4f}")


# ---- attention -------------------------------------------------------------------------------------------------------


def side_by_side(triples: Triples) -> go.Figure:
    """One head of the teacher and of two students, triple by triple."""
    shown = [(triple.name, triple.attention) for triple in triples if triple.attention]
    rows = len(shown)
    headings = [title for name, found in shown for title in _titles(name, found)]
    gap = GAP / (rows * PANEL + (rows - 1) * GAP)
    drawn = charts.panels(headings, 3, across=0.02, down=gap, size=13, shared_yaxes=True)
    for row, (_, found) in enumerate(shown, start=1):
        view = found.view
        for column, values in enumerate((view.teacher, view.before, view.after), start=1):
            drawn.add_trace(_attention(view, values), row=row, col=column)
            drawn.update_xaxes(**_axis(view), tickangle=-90, row=row, col=column)
            drawn.update_yaxes(**_axis(view), autorange="reversed", row=row, col=column)
    style.dress(drawn, SIDE_BY_SIDE, height=110 + rows * PANEL + rows * GAP, margin={"t": 110, "l": 96, "b": 90})
    title = {"text": "attention", "font": {"size": 12, "color": style.SOFT}}
    bar = {"title": title, "thickness": 10, "outlinewidth": 0, "len": 200, "lenmode": "pixels", "y": 1}
    bar["yanchor"] = "top"
    scale = {"colorscale": [[0, "#f4f6f8"], [1, style.BLUE]], "cmin": 0, "cmax": 1, "colorbar": bar}
    return drawn.update_layout(coloraxis=scale)


def _titles(name: str, found: Attention) -> tuple[str, str, str]:
    view = found.view
    before, after = (f"KL {value:.3f}" for value in view.divergences)
    return (
        f"<b>{name}</b>, teacher: layer {view.teacher_layer}, head {view.head}",
        f"<b>{found.first}</b>, layer {view.layer}: {before}",
        f"<b>{found.other}</b>, layer {view.layer}: {after}",
    )


def _attention(view: HeadView, values: object) -> go.Heatmap:
    names = [[(own, other) for other in view.tokens] for own in view.tokens]
    hover = "%{customdata[0]} attends to %{customdata[1]}: %{z:.3f}<extra></extra>"
    return go.Heatmap(z=values, customdata=names, coloraxis="coloraxis", xgap=1, ygap=1, hovertemplate=hover)


def _axis(view: HeadView) -> dict[str, object]:
    """Tokens by their places: one may stand twice."""
    places = {"tickvals": list(range(len(view.tokens))), "ticktext": list(view.tokens)}
    return {**places, "showgrid": False, "tickfont": {"size": 10, "color": style.SOFT}, "ticklabelstandoff": 3}
