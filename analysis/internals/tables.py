"""The tables of named configurations (C, tables 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import stdev
from typing import Any

from analysis.internals.experiments import Experiment, ExperimentTriple
from analysis.internals.findings import ExperimentFindings, Triples
from analysis.internals.words import interval_words, signed_score
from analysis.presentation import (
    MISSING,
    Column,
    Table,
    Value,
    at,
    count,
    p_words,
    percent,
    score,
    score_digits,
    shown,
    task_words,
)
from analysis.results import TEACHER
from analysis.triples import triple_columns

Row = dict[str, Any]
LONGEST = 240  # characters of a text that the page shows


def _column_each(heading: str, triples: Triples) -> list[Column[Row]]:
    """The columns of a table with a row for each experiment, and a column for each triple."""
    return [shown(heading, "name"), *map(_triple_column, triples)]


def _triple_column(triple: ExperimentTriple) -> Column[Row]:
    return shown(triple.name, lambda row: row["cells"][triple.triple_id], number=True)


def _score_rows(found: ExperimentFindings) -> Iterator[Row]:
    own = {triple.triple_id: triple for triple in found.compared}
    yield {"name": "metric", "cells": {name: task_words(triple.metric) for name, triple in own.items()}}
    yield {"name": TEACHER, "cells": {name: score(each.teacher_test, each.metric) for name, each in own.items()}}
    for at, experiment in enumerate(found.triples[0].experiments):
        cells = {name: _score_words(each.experiments[at], each.metric) for name, each in own.items()}
        yield {"name": experiment.name, "cells": cells}


def _score(experiment: Experiment, metric: str) -> str:
    """A test score, with its standard deviation over seeds and what the test on examples says of the difference."""
    if experiment.test is None:
        return MISSING
    values, over = list(experiment.test_of_seeds.values()), experiment.over_first.by_examples
    spread = f" ± {stdev(values):.{score_digits(metric)}f}" if len(values) > 1 else ""
    mark = (" ▲" if over.low > 0 else " ▼" if over.high < 0 else "") if over else ""
    return f"{score(experiment.test, metric)}{spread}{mark}"


SCORES = Table[ExperimentFindings, Row](
    rows=_score_rows, columns=lambda found: _column_each("experiment", found.compared)
)


def _divergence_rows(triples: Triples) -> Iterator[Row]:
    for experiment in triples[0].experiments:
        cells = {each.triple_id: _divergence(each, experiment) for each in triples}
        words = {name: MISSING if value is None else f"{value:.3f}" for name, value in cells.items()}
        yield {"name": experiment.name, "cells": words}


def _divergence(triple: ExperimentTriple, experiment: Experiment) -> float | None:
    return triple.attention.divergences.get(experiment.name) if triple.attention else None


DIVERGENCES = Table[Triples, Row](
    rows=_divergence_rows, columns=lambda triples: _column_each("mean divergence", triples)
)


def p_value_columns(of: str) -> tuple[Column[Any], ...]:
    """What all tests say of a difference, for the page and for files.

    Args:
        of: Where a row has the `Difference`.
    """
    by_examples, by_seeds = "two-sided p-value by resampling test examples", "two-sided p-value of the t-test"
    first_seed = "two-sided exact p-value of McNemar's test, first seed"
    return (
        _p_column("bootstrap_p", f"{of}.bootstrap_p", by_examples, "bootstrap"),
        _p_column("mcnemar_p", f"{of}.mcnemar_p", first_seed, "McNemar"),
        _p_column("seeds_p", f"{of}.seeds_p", f"{by_seeds} paired by seed", "t-test over seeds"),
    )


def _p_column(key: str, value: str, description: str, heading: str) -> Column[Any]:
    return Column(key, value, description, heading, format=lambda p: MISSING if p is None else p_words(p), number=True)


def _rows(triples: Iterable[ExperimentTriple]) -> Iterator[Row]:
    for triple in triples:
        for each in triple.experiments:
            own = {"triple": triple, "outcome": triple.outcome, "experiment": each, "over": each.over_first}
            yield {**own, "is_first": each is triple.experiments[0], "fidelity": each.fidelity}


def _fidelity(key: str, name: str, description: str, heading: str) -> Column[Row]:
    return Column(key, f"fidelity.{name}", description, heading, format=lambda value: f"{value:,.0f}", number=True)


FIDELITY_COLUMNS = (
    _fidelity(
        "both_right", "both", "test examples that teacher and student get right, mean over seeds", "teacher right: ✓"
    ),
    _fidelity("only_teacher_right", "only_teacher", "likewise the teacher alone", "✗"),
    _fidelity("only_student_right", "only_student", "likewise the student alone", "teacher wrong: ✓"),
    _fidelity("neither_right", "neither", "likewise neither", "✗"),
    Column[Row](
        "agreement",
        "fidelity.agreement",
        "share of test examples that both answer alike",
        "answers alike",
        format=percent,
        number=True,
    ),
    _fidelity("only_teacher_right", "only_teacher", "likewise the teacher alone", "✗"),
    _fidelity("only_student_right", "only_student", "likewise the student alone", "teacher wrong: ✓"),
    _fidelity("neither_right", "neither", "likewise neither", "✗"),
    _fidelity("agreement", "agreement", "share of test examples that both answer alike", "answers alike"),
)
FIDELITY = Table[ExperimentFindings, Row](
    rows=lambda found: _rows(found.compared),
    on_page=lambda row: row["fidelity"] is not None,
    columns=(shown("data set", "triple.name"), shown("experiment", "experiment.name"), *FIDELITY_COLUMNS),
)
EXPERIMENTS = Table[ExperimentFindings, Row](
    name="experiments",
    description="One row per triple and named configuration (C, tables 1 and 3), in the space's order; the first is "
    "what the others are compared with.",
    rows=lambda found: _rows(found.triples),
    title="All tests",
    on_page=lambda row: row["triple"].is_compared and not row["is_first"],
    columns=(
        *triple_columns(),
        shown("data set", "triple.name"),
        Column("experiment", "experiment.name", "its name", "experiment"),
        Column("validation", "experiment.validation", "validation score, mean over seeds"),
        Column("test", "experiment.test", "test score, mean over seeds"),
        Column("seeds", lambda row: len(row["experiment"].trials), "finished seeds"),
        Column(
            "difference",
            "over.mean",
            "test score over the first experiment's, mean over the seeds that both have",
            "difference",
            lambda row: signed_score(row["over"].mean, row["outcome"].metric),
            number=True,
        ),
        Column(
            "low",
            "over.by_examples.low",
            "lower end of its 95 % interval by resampling test examples",
            "95 % over examples",
            lambda row: interval_words(row["experiment"], row["outcome"].metric) or MISSING,
            number=True,
        ),
        Column("high", "over.by_examples.high", "upper end"),
        *p_value_columns("over"),
        Column("teacher_test", "triple.teacher_test", "the teacher's test score"),
        Column("train_rows", "triple.train_rows", "training examples"),
        *(replace(column, heading=None) for column in FIDELITY_COLUMNS),  # on the page they are a table of their own
        Column(
            "attention_divergence",
            lambda row: _divergence(row["triple"], row["experiment"]),
            "of the student's attention from the teacher's (C, eq. 2), mean over kept examples, matched layers, heads "
            "and seeds; missing where attention was not kept",
        ),
    ),
)


def _disagreements(found: ExperimentFindings) -> Iterator[Row]:
    """Examples that the first experiment's student, and that of the best other one, answer differently."""
    for triple in found.compared:
        first, *others = triple.experiments
        known = [each for each in others if each.validation is not None and each.num_disagreements]
        if not known:
            continue
        best = max(known, key=lambda each: each.validation or 0.0)
        drawn = f"{len(best.disagreements)} of {count(best.num_disagreements, 'example')}"
        title = f"{triple.name}: {drawn} that {first.name} and {best.name} answer differently"
        for example in best.disagreements:
            answers = zip((example.label, example.before, example.after), example.sure, strict=True)
            words = [answer if sure is None else f"{answer} ({sure:.2f})" for answer, sure in answers]
            yield {"title": title, "example": example, **dict(zip((TEACHER, "first", "best"), words, strict=True))}


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
