"""The tables of named configurations (C, tables 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import stdev
from typing import Any

from analysis.internals.agreement import Disagreement
from analysis.internals.experiments import Experiment
from analysis.internals.findings import ExperimentFindings, Triples
from analysis.internals.words import interval_words, signed_score
from analysis.presentation import Column, Table, Value, at, cell_columns, shown, words
from analysis.results import TEACHER
from analysis.triples import triple_columns
from search_spaces import counted

Row = dict[str, Any]
LONGEST = 240  # characters of a text that the page shows


def p_value_columns(of: Value[Any]) -> tuple[Column[Any], ...]:
    """The p-values of all tests of a difference, for the page and for files.

    Args:
        of: Where a row has the difference.
    """

    def column(key: str, description: str, heading: str) -> Column[Any]:
        def value(row: Any) -> float | None:
            p_value: float | None = getattr(at(row, of), key)
            return p_value

        return Column(
            key,
            value,
            f"two-sided {description}",
            heading,
            format=lambda p: words.MISSING if p is None else words.p_words(p),
            number=True,
        )

    return (
        column("bootstrap_p", "p-value by resampling test examples", "bootstrap"),
        column("mcnemar_p", "exact p-value of McNemar's test, first seed", "McNemar"),
        column("seeds_p", "p-value of the t-test paired by seed", "t-test over seeds"),
    )


def _cells(name: str, cells: Sequence[str]) -> Row:
    """A row of a table with a column for each triple."""
    return {"name": name, "cells": cells}


def _score_rows(found: ExperimentFindings) -> Iterator[Row]:
    yield _cells("metric", [words.task_words(triple.metric) for triple in found.compared])
    yield _cells(TEACHER, [words.score(triple.teacher_test, triple.metric) for triple in found.compared])
    for index, experiment in enumerate(found.compared[0].experiments if found.compared else ()):
        yield _cells(experiment.name, [_score(triple.experiments[index], triple.metric) for triple in found.compared])


def _score(experiment: Experiment, metric: str) -> str:
    """A test score, with its standard deviation over seeds and what the test on examples says of the difference."""
    if experiment.test is None:
        return words.MISSING
    values, over = list(experiment.test_of_seeds.values()), experiment.over_first.by_examples
    spread = f" ± {stdev(values):.{words.score_digits(metric)}f}" if len(values) > 1 else ""
    mark = (" ▲" if over.low > 0 else " ▼" if over.high < 0 else "") if over else ""
    return f"{words.score(experiment.test, metric)}{spread}{mark}"


def _divergence_rows(triples: Triples) -> Iterator[Row]:
    kept = [triple.attention.divergences for triple in triples if triple.attention]
    for experiment in triples[0].experiments:
        values = [divergences.get(experiment.name) for divergences in kept]
        yield _cells(experiment.name, [words.MISSING if value is None else f"{value:.3f}" for value in values])


def _experiments(triples: Triples) -> Iterator[Row]:
    for triple in triples:
        for each in triple.experiments:
            divergence = triple.attention.divergences.get(each.name) if triple.attention else None
            yield {"triple": triple, "experiment": each, "over": each.over_first, "divergence": divergence}


def _interval(row: Row) -> str:
    return interval_words(row["experiment"], row["triple"].metric) or words.MISSING


def _fidelity(key: str, name: str, description: str, heading: str) -> Column[Row]:
    write = words.percent if name == "agreement" else "{:,.0f}".format
    return Column(key, f"experiment.fidelity.{name}", description, heading, format=write, number=True)


FIDELITY_COLUMNS = (
    _fidelity(
        "both_right", "both", "test examples that teacher and student get right, mean over seeds", "teacher right: ✓"
    ),
    _fidelity("only_teacher_right", "only_teacher", "likewise the teacher alone", "✗"),
    _fidelity("only_student_right", "only_student", "likewise the student alone", "teacher wrong: ✓"),
    _fidelity("neither_right", "neither", "likewise neither", "✗"),
    _fidelity("agreement", "agreement", "share of test examples that both answer alike", "answers alike"),
)
SCORES = Table[ExperimentFindings, Row](
    rows=_score_rows,
    columns=lambda found: [shown("experiment", "name"), *cell_columns(triple.name for triple in found.compared)],
)
DIVERGENCES = Table[Triples, Row](
    rows=_divergence_rows,
    columns=lambda triples: [shown("mean divergence", "name"), *cell_columns(triple.name for triple in triples)],
)
OVER_FIRST = "test score over the first experiment's, mean over the seeds that both have"
LOW = "lower end of its 95 % interval by resampling test examples"
DIVERGENCE = (
    "of the student's attention from the teacher's (C, eq. 2), mean over kept examples, matched layers, heads and "
    "seeds; missing where attention was not kept"
)
EXPERIMENTS = Table[ExperimentFindings, Row](
    name="experiments",
    description="One row per triple and named configuration (C, tables 1 and 3), in the space's order; the first is "
    "what the others are compared with.",
    rows=lambda found: _experiments(found.triples),
    title="All tests",
    on_page=lambda row: row["triple"].is_compared and row["experiment"] is not row["triple"].experiments[0],
    columns=(
        *triple_columns("triple.outcome"),
        shown("data set", "triple.name"),
        Column("experiment", "experiment.name", "its name", "experiment"),
        Column("validation", "experiment.validation", "validation score, mean over seeds"),
        Column("test", "experiment.test", "test score, mean over seeds"),
        Column("seeds", lambda row: len(row["experiment"].trials), "finished seeds"),
        Column(
            "difference",
            "over.mean",
            OVER_FIRST,
            "difference",
            lambda row: signed_score(row["over"].mean, row["triple"].metric),
            number=True,
        ),
        Column("low", "over.by_examples.low", LOW, "95 % over examples", _interval, number=True),
        Column("high", "over.by_examples.high", "upper end"),
        *p_value_columns("over"),
        Column("teacher_test", "triple.teacher_test", "the teacher's test score"),
        Column("train_rows", "triple.train_rows", "training examples"),
        *(replace(column, heading=None) for column in FIDELITY_COLUMNS),  # on the page a table of their own
        Column("attention_divergence", "divergence", DIVERGENCE),
    ),
)
FIDELITY = Table[ExperimentFindings, Row](
    rows=lambda found: _experiments(found.compared),
    on_page=lambda row: row["experiment"].fidelity is not None,
    columns=(shown("data set", "triple.name"), shown("experiment", "experiment.name"), *FIDELITY_COLUMNS),
)


def _disagreements(found: ExperimentFindings) -> Iterator[Row]:
    """Examples that the first and the best other experiment of a triple answer differently."""
    for triple in found.compared:
        known = [each for each in triple.experiments[1:] if each.validation is not None and each.num_disagreements]
        if known:
            best, first = max(known, key=lambda each: each.validation or 0.0), triple.experiments[0].name
            number = f"{len(best.disagreements)} of {counted(best.num_disagreements, 'example')}"
            title = f"{triple.name}: {number} that {first} and {best.name} answer differently"
            yield from ({"title": title, "example": each, **_answers(each)} for each in best.disagreements)


def _answers(example: Disagreement) -> dict[str, str]:
    """What the teacher, which is right, and two students answer; with their probabilities where these were kept."""
    answers = zip((example.label, example.before, example.after), example.sure, strict=True)
    said = (answer if sure is None else f"{answer} ({sure:.2f})" for answer, sure in answers)
    return dict(zip((TEACHER, "first", "best"), said, strict=True))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


DISAGREEMENTS = Table[ExperimentFindings, Row](
    rows=_disagreements,
    fold_by=lambda row: str(row["title"]),
    columns=lambda found: (
        Column("", "example.text", heading="text", format=_short),
        Column("", "example.text_pair", heading="second text", format=_short, optional=True),
        shown("label", "example.label"),
        shown(TEACHER, TEACHER),
        shown(found.triples[0].experiments[0].name, "first"),
        shown("best on validation", "best"),
    ),
)
