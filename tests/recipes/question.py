"""How many trials each student had."""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go

from analysis.presentation import Column, Section, Table, style
from analysis.results import StudyResults

Count = tuple[str, int]


def trial_counts(results: StudyResults) -> list[Count]:
    """Each student with its number of trials."""
    return sorted(Counter(trial.spec.triple.student.name for trial in results.trials).items())


def bars(counts: list[Count]) -> go.Figure:
    """A bar for each student."""
    names, numbers = zip(*counts, strict=True)
    return style.dress(go.Figure(go.Bar(x=names, y=numbers)), ("Trials", "Trials of each student"))


TRIALS = Section[list[Count]](
    name="student_trials",
    question="How many trials had each student?",
    compute=trial_counts,
    figure=bars,
    reading=lambda counts: f"{counts[0][0]} had {counts[0][1]} trials.",
    tables=(
        Table(
            list,
            (
                Column[Count]("student", lambda row: row[0], "its name", heading="Student"),
                Column[Count]("trials", lambda row: row[1], "its trials", heading="Trials", number=True),
            ),
            name="student_trials",
            description="The students with their trials.",
        ),
    ),
    found=lambda counts: [f"{sum(number for _, number in counts)} trials were counted."],
)
