"""The tables of named configurations (C, tables 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import stdev
from typing import NamedTuple, TypeVar

from analysis.internals.agreement import Disagreement, Fidelity
from analysis.internals.experiments import Experiment, ExperimentTriple
from analysis.internals.findings import ExperimentFindings, Triples
from analysis.internals.words import signed_score
from analysis.presentation import (
    MISSING,
    Column,
    Table,
    count,
    p_words,
    percent,
    score,
    score_digits,
    shown,
    task_words,
)
from analysis.results import Difference, Role
from analysis.triples import triple_columns

Row = TypeVar("Row")
LONGEST = 240  # characters of a text that the page shows


class Line(NamedTuple):
    """A row of a table with a column for each triple."""

    name: str
    cells: Sequence[str]


def _lines(heading: str, triples: Triples) -> list[Column[Line]]:
    """The columns of such a table."""
    return [shown(heading, lambda row: row.name), *(_cell_column(at, triple.name) for at, triple in enumerate(triples))]


def _cell_column(at: int, name: str) -> Column[Line]:
    return shown(name, lambda row: row.cells[at], number=True)


def _score_lines(found: ExperimentFindings) -> Iterator[Line]:
    yield Line("metric", [task_words(triple.metric) for triple in found.compared])
    yield Line(Role.TEACHER, [score(triple.teacher_test, triple.metric) for triple in found.compared])
    for at, experiment in enumerate(found.compared[0].experiments if found.compared else ()):
        yield Line(experiment.name, [_score_words(triple.experiments[at], triple.metric) for triple in found.compared])


def _score_words(experiment: Experiment, metric: str) -> str:
    """A test score, with its standard deviation over seeds and what the test on examples says of the difference."""
    if experiment.test is None:
        return MISSING
    values, over = list(experiment.test_of_seeds.values()), experiment.over_first.by_examples
    spread = f" ± {stdev(values):.{score_digits(metric)}f}" if len(values) > 1 else ""
    mark = (" ▲" if over.low > 0 else " ▼" if over.high < 0 else "") if over else ""
    return f"{score(experiment.test, metric)}{spread}{mark}"


def _divergence_lines(triples: Triples) -> Iterator[Line]:
    kept = [triple.attention.divergences for triple in triples if triple.attention]
    for experiment in triples[0].experiments:
        values = [divergences.get(experiment.name) for divergences in kept]
        yield Line(experiment.name, [MISSING if value is None else f"{value:.3f}" for value in values])


SCORES = Table[ExperimentFindings, Line](rows=_score_lines, columns=lambda found: _lines("experiment", found.compared))
DIVERGENCES = Table[Triples, Line](rows=_divergence_lines, columns=lambda triples: _lines("mean divergence", triples))


class OnTriple(NamedTuple):
    """An experiment, and its triple."""

    triple: ExperimentTriple
    experiment: Experiment

    @property
    def over_first(self) -> Difference:
        """Its test score against the first experiment's."""
        return self.experiment.over_first

    @property
    def is_compared(self) -> bool:
        """Whether it is compared with the first experiment."""
        first = self.triple.experiments[0]
        return self.experiment is not first and self.triple.outcome.triple.student.distil


def _experiments(found: ExperimentFindings) -> Iterator[OnTriple]:
    return (OnTriple(triple, each) for triple in found.triples for each in triple.experiments)


def p_value_columns(of: Callable[[Row], Difference]) -> tuple[Column[Row], ...]:
    """What all tests say of a difference, for the page and for files.

    Args:
        of: The difference of a row.
    """

    def column(key: str, value: Callable[[Difference], float | None], description: str, heading: str) -> Column[Row]:
        def words(row: Row) -> str:
            p_value = value(of(row))
            return MISSING if p_value is None else p_words(p_value)

        return Column(key, lambda row: value(of(row)), f"two-sided {description}", heading, words, number=True)

    return (
        column("bootstrap_p", lambda own: own.bootstrap_p, "p-value by resampling test examples", "bootstrap"),
        column("mcnemar_p", lambda own: own.mcnemar_p, "exact p-value of McNemar's test, first seed", "McNemar"),
        column("seeds_p", lambda own: own.seeds_p, "p-value of the t-test paired by seed", "t-test over seeds"),
    )


def _interval(row: OnTriple) -> str:
    over, metric = row.over_first.by_examples, row.triple.metric
    return f"{signed_score(over.low, metric)} to {signed_score(over.high, metric)}" if over else MISSING


def _fidelity_column(
    key: str, value: Callable[[Fidelity], float], description: str, heading: str, words: Callable[[float], str]
) -> Column[OnTriple]:
    def known(row: OnTriple) -> float | None:
        return value(row.experiment.fidelity) if row.experiment.fidelity else None

    return Column(key, known, description, heading, lambda row: words(known(row) or 0.0), number=True)


def _examples(number: float) -> str:
    return f"{number:,.0f}"


FIDELITY_COLUMNS = (
    _fidelity_column(
        "both_right",
        lambda own: own.both,
        "test examples that teacher and student get right, mean over seeds",
        "teacher right: ✓",
        _examples,
    ),
    _fidelity_column("only_teacher_right", lambda own: own.only_teacher, "likewise the teacher alone", "✗", _examples),
    _fidelity_column(
        "only_student_right", lambda own: own.only_student, "likewise the student alone", "teacher wrong: ✓", _examples
    ),
    _fidelity_column("neither_right", lambda own: own.neither, "likewise neither", "✗", _examples),
    _fidelity_column(
        "agreement",
        lambda own: own.agreement,
        "share of test examples that both answer alike",
        "answers alike",
        percent,
    ),
)
EXPERIMENTS = Table[ExperimentFindings, OnTriple](
    name="experiments",
    description="One row per triple and named configuration (C, tables 1 and 3), in the space's order; the first is "
    "what the others are compared with.",
    rows=_experiments,
    title="All tests",
    on_page=lambda row: row.is_compared,
    columns=(
        *triple_columns(lambda row: row.triple.outcome),
        shown("data set", lambda row: row.triple.name),
        Column("experiment", lambda row: row.experiment.name, "its name", "experiment"),
        Column("validation", lambda row: row.experiment.validation, "validation score, mean over seeds"),
        Column("test", lambda row: row.experiment.test, "test score, mean over seeds"),
        Column("seeds", lambda row: len(row.experiment.trials), "finished seeds"),
        Column(
            "difference",
            lambda row: row.over_first.mean,
            "test score over the first experiment's, mean over the seeds that both have",
            "difference",
            lambda row: signed_score(row.over_first.mean, row.triple.metric),
            number=True,
        ),
        Column(
            "low",
            lambda row: row.over_first.by_examples.low if row.over_first.by_examples else None,
            "lower end of its 95 % interval by resampling test examples",
            "95 % over examples",
            _interval,
            number=True,
        ),
        Column(
            "high", lambda row: row.over_first.by_examples.high if row.over_first.by_examples else None, "upper end"
        ),
        *p_value_columns(lambda row: row.over_first),
        Column("teacher_test", lambda row: row.triple.teacher_test, "the teacher's test score"),
        Column("train_rows", lambda row: row.triple.train_rows, "training examples"),
        *(replace(column, heading=None) for column in FIDELITY_COLUMNS),  # on the page a table of their own
        Column(
            "attention_divergence",
            lambda row: row.triple.attention.divergences.get(row.experiment.name) if row.triple.attention else None,
            "of the student's attention from the teacher's (C, eq. 2), mean over kept examples, matched layers, heads "
            "and seeds; missing where attention was not kept",
        ),
    ),
)
FIDELITY = Table[ExperimentFindings, OnTriple](
    rows=lambda found: (OnTriple(triple, each) for triple in found.compared for each in triple.experiments),
    on_page=lambda row: row.experiment.fidelity is not None,
    columns=(
        shown("data set", lambda row: row.triple.name),
        shown("experiment", lambda row: row.experiment.name),
        *FIDELITY_COLUMNS,
    ),
)


class Differing(NamedTuple):
    """An example that the first and the best other experiment of a triple answer differently."""

    triple: ExperimentTriple
    best: Experiment
    example: Disagreement

    @property
    def title(self) -> str:
        """Of the table with all examples of the triple."""
        number = count(self.best.num_disagreements, "example")
        first = self.triple.experiments[0].name
        return (
            f"{self.triple.name}: {len(self.best.disagreements)} of {number} that {first} and {self.best.name} answer "
            "differently"
        )


def _disagreements(found: ExperimentFindings) -> Iterator[Differing]:
    for triple in found.compared:
        known = [each for each in triple.experiments[1:] if each.validation is not None and each.num_disagreements]
        if known:
            best = max(known, key=lambda each: each.validation or 0.0)
            yield from (Differing(triple, best, example) for example in best.disagreements)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _answer(heading: str, at: int, answer: Callable[[Disagreement], str]) -> Column[Differing]:
    """A model's answer, with the probability that it has where that was kept."""

    def words(row: Differing) -> str:
        sure = row.example.sure[at]
        return answer(row.example) if sure is None else f"{answer(row.example)} ({sure:.2f})"

    return shown(heading, words)


DISAGREEMENTS = Table[ExperimentFindings, Differing](
    rows=_disagreements,
    fold_by=lambda row: row.title,
    columns=lambda found: (
        shown("text", lambda row: _short(row.example.text)),
        replace(shown("second text", lambda row: _short(row.example.text_pair)), optional=True),
        shown("label", lambda row: row.example.label),
        _answer(Role.TEACHER, 0, lambda example: example.label),  # the teacher is right
        _answer(found.triples[0].experiments[0].name, 1, lambda example: example.before),
        _answer("best on validation", 2, lambda example: example.after),
    ),
)
