"""Axes of gains: cut where one gain would hide all others, and then it is said."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest
from analysed import analyse
from known_studies import finished
from simulation import make_study

from analysis.choices.figures import cost_of_choices, gains_by_task
from analysis.presentation.charts import CUT, CUT_ABOVE, axis_cut, note_cut
from trials.specs.dataset import TaskName


@pytest.mark.parametrize(
    ("gains", "cut"),
    [([], float("inf")), ([0.1, -1.0], float("inf")), ([CUT_ABOVE], float("inf")), ([0.1, CUT_ABOVE + 1], CUT)],
)
def test_axes_are_cut_where_a_gain_is_out_of_proportion(gains, cut):
    assert axis_cut(gains) == cut


def test_a_cut_is_said_with_what_it_leaves_out():
    drawn = go.Figure()
    note_cut(drawn, [0.1, 2.5, 1200.0], CUT)
    note_cut(drawn, [0.1], float("inf"))
    assert [note.text for note in drawn.layout.annotations] == ["axis cut at +200 %: 2 above it, up to +120,000 %"]


def test_figures_of_a_study_whose_worst_choice_is_next_to_nothing():
    def collapses(trial):
        """Of the first data set mean squared errors teach next to nothing."""
        score = 0.001 if trial.triple.dataset.name == "data0" and trial.configuration.distance == "mse" else 0.8
        return score, score

    study = make_study(tasks=[TaskName.CLASSIFICATION, TaskName.TOKEN_CLASSIFICATION])
    findings = analyse(study, finished(study, collapses))
    drawn = cost_of_choices(findings)
    assert drawn.layout.yaxis.range[1] == CUT
    assert any("axis cut at +200 %: 2 above it" in note.text for note in drawn.layout.annotations)
    by_task = gains_by_task(findings)
    assert any("axis cut" in note.text for note in by_task.layout.annotations)
    (row,) = {trace.y[0] for trace in by_task.data if trace.marker.symbol and "triangle-right" in trace.marker.symbol}
    assert row.startswith("<b>classification")
    assert max(x for trace in by_task.data for x in trace.x) <= CUT
