"""The findings as figures: HTML beside the results file, and PNG where kaleido and a browser can draw it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go
import plotly.io as pio
from plotly.subplots import make_subplots

from analysis.presentation.images import CONFIG, write_figures
from analysis.presentation.style import BLUE, GREEN, INK, ORANGE, PURPLE, SOFT, dress
from benchmarks.findings import Comparison, Findings, Quality, Spread
from benchmarks.grid import BASELINE, VARIANTS
from benchmarks.throughput import Throughputs

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)  # of data sets
SCORE = "test accuracy"  # the one that is drawn
SPEED = (
    "kdstudy's trials against two peers",
    "Bars: median over rounds; whiskers: least and greatest round; difference: mean over seeds, 95 % interval",
)
ROOFLINE = (
    "Work done against what the processor can do",
    "Needed floating-point operations of the training steps over their time; lines: the same products alone",
)
GPU = (
    "Trials that one GPU does in an hour",
    "Bars: median over rounds; whiskers: least and greatest round; difference: mean over seeds, 95 % interval",
)


def write(figures: Mapping[str, go.Figure], folder: Path) -> list[Path]:
    """Write figures by name; returns the files."""
    written = []
    for name, figure in figures.items():
        path = folder / f"{name}.html"
        pio.write_html(figure, path, config=CONFIG, include_plotlyjs="cdn", div_id=name)
        written.append(path)
    if reason := write_figures(figures, folder, ["png"]):
        print(reason)
        return written
    return written + [folder / f"{name}.png" for name in figures]


def speed_figure(findings: Findings) -> go.Figure:
    """Ratios per trial and per grid, shares of the floor, differences of the students' scores."""
    titles = (
        "A trial's time: peer over kdstudy",
        "A whole grid's time: peer over kdstudy",
        "Share of the matrix-multiply floor",
        f"Difference in {SCORE} to {VARIANTS[BASELINE].label}",
    )
    rows = len({(c.peer, c.ours) for c in findings.comparisons}) + len({s.variant for s in findings.speeds})
    drawn = make_subplots(
        2, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.06, vertical_spacing=0.12
    )
    layout = {"barmode": "group", "scattermode": "group", "bargap": 0.3, "legend": {"y": 1.06, "traceorder": "normal"}}
    dress(drawn, SPEED, 260 + 52 * rows, margin={"t": 150, "l": 24, "r": 40}, **layout)
    for dataset, colour in _coloured(findings):
        compared = [found for found in findings.comparisons if found.dataset == dataset]
        speeds = [speed for speed in findings.speeds if speed.dataset == dataset]
        versus, labels = [_versus(found) for found in compared], [VARIANTS[speed.variant].label for speed in speeds]
        panels = [
            ((1, 1), versus, [found.per_trial for found in compared], "{:.1f}×"),
            ((1, 2), versus, [found.whole_grid for found in compared], "{:.1f}×"),
            ((2, 1), labels, [speed.share for speed in speeds], "{:.0%}"),
        ]
        for (row, column), names, values, form in panels:
            _bars(drawn, row, column, names, values, form, Look(dataset, colour, legend=(row, column) == (1, 1)))
        shown = [q for q in findings.qualities if q.dataset == dataset and q.score == SCORE]
        drawn.add_trace(_differences(shown, Look(dataset, colour)), 2, 2)
    for column in (1, 2):
        drawn.add_vline(x=1, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=column)
    drawn.add_vline(x=0, line={"color": INK, "width": 1}, row=2, col=2)
    drawn.update_xaxes(rangemode="tozero", row=1)
    drawn.update_xaxes(rangemode="tozero", tickformat=".0%", row=2, col=1)
    drawn.update_xaxes(tickformat="+.1~%", row=2, col=2)
    drawn.update_annotations(font={"size": 14, "color": SOFT})
    return drawn.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)


def roofline_figure(findings: Findings) -> go.Figure:
    """Achieved operations a second, against the measured rates of the same products alone."""
    coloured = list(_coloured(findings))
    names = [dataset for dataset, _ in coloured]
    drawn = make_subplots(1, len(names), subplot_titles=names, shared_yaxes=True, horizontal_spacing=0.06)
    drawn.update_annotations(yshift=24)
    rows = len({speed.variant for speed in findings.speeds})
    layout = {"margin": {"t": 150, "l": 24, "r": 40, "b": 64}, "bargap": 0.35, "barmode": "overlay"}
    dress(drawn, ROOFLINE, 224 + 44 * rows, showlegend=False, **layout)
    for column, (dataset, colour) in enumerate(coloured, start=1):
        speeds = [speed for speed in findings.speeds if speed.dataset == dataset]
        labels, rates = [VARIANTS[speed.variant].label for speed in speeds], [speed.gigaflops for speed in speeds]
        _bars(drawn, 1, column, labels, rates, "{:.0f}", Look(dataset, colour))
        for precision, dash in (("fp32", "dot"), ("bf16", "solid")):
            line = {"color": INK, "width": 1.5, "dash": dash}
            rate = findings.roofs[dataset, precision].median
            words = {"annotation_text": f"{precision} {rate:.0f}", "annotation_position": "top"}
            drawn.add_vline(x=rate, line=line, row=1, col=column, **words)
    drawn.update_traces(offsetgroup=None)  # one data set a panel: bars lie in the middle of their rows
    drawn.update_annotations(font={"size": 13, "color": SOFT})
    drawn.update_xaxes(rangemode="tozero", title_text="GFLOP/s of a worker")
    return drawn.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)


def gpu_figure(found: Throughputs) -> go.Figure:
    """Trials per GPU-hour from the first start to the last end, and differences of the students' scores."""
    titles = ("Trials per GPU-hour, steady", f"Difference in {SCORE} to {VARIANTS[BASELINE].label}")
    drawn = make_subplots(1, 2, subplot_titles=titles, shared_yaxes=True, horizontal_spacing=0.08)
    steady = [each for each in found.throughputs if each.count == "steady"]
    plot, margin = 60 + 28 * len(steady), {"t": 150, "l": 24, "r": 40, "b": 50}
    legend = {"y": 1 + 30 / plot, "traceorder": "normal"}  # just above the panels' titles, however high the plot is
    dress(drawn, GPU, plot + 200, margin=margin, barmode="group", scattermode="group", bargap=0.3, legend=legend)
    for dataset, colour in zip(dict.fromkeys(each.dataset for each in steady), COLOURS, strict=False):
        rates = [each for each in steady if each.dataset == dataset]
        labels, values = [VARIANTS[each.variant].label for each in rates], [each.per_hour for each in rates]
        _bars(drawn, 1, 1, labels, values, "{:.0f}", Look(dataset, colour, legend=True))
        shown = [quality for quality in found.qualities if quality.dataset == dataset and quality.score == SCORE]
        drawn.add_trace(_differences(shown, Look(dataset, colour)), 1, 2)
    drawn.add_vline(x=0, line={"color": INK, "width": 1}, row=1, col=2)
    drawn.update_xaxes(rangemode="tozero", row=1, col=1)
    drawn.update_xaxes(tickformat="+.1~%", row=1, col=2)
    drawn.update_annotations(font={"size": 14, "color": SOFT})
    return drawn.update_yaxes(autorange="reversed", showgrid=False, ticklabelstandoff=8)


class Look(NamedTuple):
    """How a data set's traces look."""

    dataset: str
    colour: str
    legend: bool = False

    @property
    def keys(self) -> dict[str, object]:
        """Keys of a trace."""
        return {"name": self.dataset, "legendgroup": self.dataset, "offsetgroup": self.dataset}


def _bars(
    drawn: go.Figure, row: int, column: int, names: Sequence[str], values: Sequence[Spread], form: str, look: Look
) -> None:
    """Horizontal bars of medians, whiskers from least to greatest, and the median in words behind them."""
    whiskers = {
        "array": [value.high - value.median for value in values],
        "arrayminus": [value.median - value.low for value in values],
        "color": INK,
        "thickness": 1.2,
        "width": 3,
    }
    bars = go.Bar(
        y=names,
        x=[value.median for value in values],
        error_x={"type": "data", **whiskers},
        orientation="h",
        marker={"color": look.colour},
        showlegend=look.legend,
        **look.keys,
    )
    words = go.Scatter(
        y=names,
        x=[value.high for value in values],
        text=[f" {form.format(value.median)}" for value in values],
        mode="text",
        textposition="middle right",
        textfont={"size": 12},
        cliponaxis=False,
        hoverinfo="skip",
        orientation="h",
        showlegend=False,
        **look.keys,
    )
    drawn.add_trace(bars, row, column)
    drawn.add_trace(words, row, column)


def _differences(shown: Sequence[Quality], look: Look) -> go.Scatter:
    """Differences as points, with their intervals; the baseline has a row, but no point."""
    reach = [0.0 if q.interval is None else q.interval[1] - (q.difference or 0.0) for q in shown]
    return go.Scatter(
        y=[VARIANTS[found.variant].label for found in shown],
        x=[found.difference for found in shown],
        error_x={"type": "data", "array": reach, "color": look.colour, "thickness": 1.5, "width": 4},
        mode="markers",
        marker={"color": look.colour, "size": 9},
        orientation="h",
        showlegend=False,
        **look.keys,
    )


def _coloured(findings: Findings) -> Iterable[tuple[str, str]]:
    """Data sets with their colours."""
    return zip(dict.fromkeys(speed.dataset for speed in findings.speeds), COLOURS, strict=False)


def _versus(found: Comparison) -> str:
    return f"{VARIANTS[found.peer].label} / {VARIANTS[found.ours].label}"
