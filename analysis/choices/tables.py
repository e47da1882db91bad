"""The tables of parameter choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from analysis.choices.findings import Answers, ChoiceFindings
from analysis.choices.gains import Comparison, Gain
from analysis.choices.parameters import Change, ParameterEffect
from analysis.choices.temperatures import TemperatureCurve
from analysis.presentation import (
    PARAMETERS,
    Column,
    Table,
    p_words,
    score_column,
    shown,
    signed,
    signed_percent,
    student_words,
    task_words,
    value_words,
)
from analysis.results import Scored, TripleOutcome
from analysis.triples import CONFIGURATION, TASK, triple_columns

Row = TypeVar("Row")
RELATIVE = "(target - baseline) / baseline, a fraction; missing where a score is, or the baseline is not above 0"


class OnTriple(NamedTuple):
    """A gain of a triple, and what is compared."""

    comparison: str
    outcome: TripleOutcome
    gain: Gain


def _gains(found: ChoiceFindings) -> Iterator[OnTriple]:
    for comparison in found.comparisons:
        for outcome, gain in zip(found.outcomes, comparison.gains, strict=True):
            yield OnTriple(comparison.name, outcome, gain)


GAINS = Table[ChoiceFindings, OnTriple](
    name="gains",
    description="One row per comparison and triple: test improvement of a target over a baseline (A, section 4).",
    rows=_gains,
    columns=(
        Column("comparison", lambda row: row.comparison, "target over baseline"),
        *triple_columns(lambda row: row.outcome),
        Column("target_test", lambda row: row.gain.target, "test score of the target"),
        Column("baseline_test", lambda row: row.gain.baseline, "test score of the baseline"),
        Column("relative_gain", lambda row: row.gain.relative, RELATIVE),
        Column("absolute_gain", lambda row: row.gain.absolute, "target - baseline, in units of the metric"),
        Column(
            "undefined",
            lambda row: row.gain.undefined,
            "whether both scores are there but the baseline is not above 0",
        ),
        Column(
            "within_one_example",
            lambda row: None if row.gain.absolute is None else row.gain.within_one_example,
            "whether the two differ by no more than one test example",
        ),
    ),
)


class Decile(NamedTuple):
    """A decile of a comparison, over all triples or those of one task."""

    task: str
    name: str
    comparison: Comparison
    number: int
    draws: Sequence[float | None]

    @property
    def value(self) -> float:
        """The decile of the relative gains."""
        return self.comparison.deciles[self.number - 1]


def _deciles(answers: Answers, task: str = "") -> Iterator[Decile]:
    effects = {f"{effect.parameter}: {effect.comparison.name}": effect.comparison for effect in answers.effects}
    for name, comparison in {**{each.name: each for each in answers.comparisons}, **effects}.items():
        for at in range(len(comparison.deciles)):
            draws = comparison.draws[at] if comparison.draws else (None, None, None)
            yield Decile(str(task), name, comparison, at + 1, draws)


def _of_tasks(rows: Callable[[Answers, str], Iterable[Row]]) -> Callable[[ChoiceFindings], Iterator[Row]]:
    """The rows of each task, one task after the other."""
    return lambda found: (row for task, answers in found.by_task.items() for row in rows(answers, task))


DECILE_COLUMNS: tuple[Column[Decile], ...] = (
    Column("comparison", lambda row: row.name, "target over baseline; parameters first where one is compared"),
    Column("decile", lambda row: f"D{row.number}", "D1 to D10: D5 is the median, D10 the maximum"),
    Column("relative_gain", lambda row: row.value, "the decile of the relative gains, a fraction"),
    Column(
        "draws_5",
        lambda row: row.draws[0],
        "5th percentile of this decile over 1000 seeded draws of one random choice per triple",
    ),
    Column("draws_50", lambda row: row.draws[1], "median of the same"),
    Column("draws_95", lambda row: row.draws[2], "95th percentile of the same"),
    Column("triples", lambda row: len(row.comparison.known), "triples with a relative gain"),
    Column("missing", lambda row: row.comparison.num_missing, "triples without one of the two scores"),
    Column("undefined", lambda row: row.comparison.num_undefined, "triples whose baseline is not above 0"),
)
DECILES = Table[ChoiceFindings, Decile](
    name="deciles",
    description="One row per comparison and decile of its relative gains over triples: numpy.quantile(gains, k / 10). "
    "The comparisons of parameters are alternative over default, from the steps of the search (A, figure 2). Gains are "
    "relative, and pool triples of all tasks and metrics.",
    rows=_deciles,
    columns=DECILE_COLUMNS,
)
TASK_DECILES = Table[ChoiceFindings, Decile](
    name="task_deciles",
    description="The table deciles, task by task; only of a study of several tasks.",
    rows=_of_tasks(_deciles),
    columns=(Column("task", lambda row: row.task, TASK), *DECILE_COLUMNS),
)


class Effect(NamedTuple):
    """A parameter's effect, over all triples or those of one task."""

    effect: ParameterEffect
    task: str = ""


def _effects(answers: Answers, task: str = "") -> Iterator[Effect]:
    return (Effect(effect, str(task)) for effect in answers.effects)


REWARD_COLUMNS: tuple[Column[Effect], ...] = (
    Column(
        "parameter",
        lambda row: row.effect.parameter,
        "the overridden parameter",
        "parameter",
        lambda row: PARAMETERS[row.effect.parameter],
    ),
    Column(
        "default",
        lambda row: row.effect.reward.default,
        "its default",
        "default",
        lambda row: value_words(row.effect.reward.default),
    ),
    Column(
        "alternative",
        lambda row: row.effect.reward.alternative,
        "the value instead",
        "alternative",
        lambda row: value_words(row.effect.reward.alternative),
    ),
    Column(
        "wins",
        lambda row: row.effect.reward.wins,
        "triples where the alternative validates better",
        "wins",
        number=True,
    ),
    Column("losses", lambda row: row.effect.reward.losses, "triples where it validates worse", "losses", number=True),
    Column("ties", lambda row: row.effect.reward.ties, "triples where both validate equally", "ties", number=True),
    Column("merged", lambda row: row.effect.num_merged, "ties because both sides are one trial"),
    Column(
        "reward",
        lambda row: row.effect.reward.reward,
        "R = wins - losses",
        "R",
        lambda row: signed(row.effect.reward.reward),
        number=True,
    ),
    Column(
        "p_value",
        lambda row: row.effect.p_value,
        "two-sided sign test of wins against losses; missing without either, or with several alternatives",
        "sign test",
        lambda row: p_words(row.effect.p_value),
        number=True,
    ),
    Column(
        "median_gain",
        lambda row: row.effect.comparison.decile(5),
        "median relative test gain, alternative over default",
        "median test gain",
        lambda row: signed_percent(row.effect.comparison.decile(5), 2),
        number=True,
    ),
    Column("median_size", lambda row: row.effect.typical_size, "median size of that gain, whatever its sign"),
)
REWARDS = Table[ChoiceFindings, Effect](
    name="rewards",
    description="One row per parameter (A, table 3): how often overriding the default trains a better student, on "
    "validation. The soft-label weight stands here for comparison; its alternative is the best of several values.",
    rows=_effects,
    columns=REWARD_COLUMNS,
)
TASK_REWARDS = Table[ChoiceFindings, Effect](
    name="task_rewards",
    description="The table rewards, task by task; only of a study of several tasks. Distance and student temperature "
    "are no parameters of regression.",
    rows=lambda found: _of_tasks(_effects)(found) if found.compares_steps else None,
    columns=(
        Column("task", lambda row: row.task, TASK, "task", lambda row: task_words(row.task)),
        *REWARD_COLUMNS,
    ),
    on_page=lambda row: bool(row.effect.changes),
)


class OfTask(NamedTuple):
    """The answers of a task, or of all."""

    task: str
    metric: str
    answers: Answers


def _answers_by_task(found: ChoiceFindings) -> Iterator[OfTask]:
    for task, answers in found.by_task.items():
        yield OfTask(task_words(task), ", ".join(answers.metrics), answers)
    yield OfTask("all", "all", found)


def _median_column(at: int, name: str) -> Column[OfTask]:
    def words(row: OfTask) -> str:
        """The median gain, and how many triples it leaves out."""
        comparison = row.answers.comparisons[at]
        left_out = ((comparison.num_missing, "missing"), (comparison.num_undefined, "undefined"))
        notes = [f"{number} {why}" for number, why in left_out if number]
        return signed_percent(comparison.decile(5)) + (f" ({', '.join(notes)})" if notes else "")

    return shown(name, words, number=True)


def _task_columns(found: ChoiceFindings) -> tuple[Column[OfTask], ...]:
    """All comparisons but the last one, which is the first one seen from its other side."""
    return (
        shown("task", lambda row: row.task),
        shown("metric", lambda row: row.metric),
        shown("triples", lambda row: str(len(row.answers.outcomes)), number=True),
        *(_median_column(at, comparison.name) for at, comparison in enumerate(found.comparisons[:-1])),
    )


TASK_GAINS = Table[ChoiceFindings, OfTask](rows=_answers_by_task, columns=_task_columns)


class Step(NamedTuple):
    """A step of a search."""

    outcome: TripleOutcome
    change: Change

    @property
    def metric(self) -> str:
        """What is scored."""
        return self.outcome.metric


def _steps(found: ChoiceFindings) -> Iterator[Step]:
    outcomes = {outcome.triple_id: outcome for outcome in found.outcomes}
    return (Step(outcomes[change.triple_id], change) for change in found.changes)


def _value(student: Scored, parameter: str) -> str:
    value = getattr(student.choice, parameter)
    return value_words(f"{value:g}" if isinstance(value, float) else value)


def _changed(row: Step) -> str:
    return " → ".join(_value(student, row.change.parameter) for student in (row.change.before, row.change.after))


def _verdict(row: Step) -> str:
    verdict = "tie, one trial" if row.change.merged else str(row.change.verdict)
    return f"{verdict}, accepted" if row.change.accepted else verdict


STEPS = Table[ChoiceFindings, Step](
    name="steps",
    description="One row per step of a search: one parameter changed, learning rate and temperature tuned again.",
    rows=_steps,
    title="Every step, triple by triple",
    fold_by=lambda row: row.outcome.triple_id,
    columns=(
        *triple_columns(lambda row: row.outcome),
        Column(
            "parameter",
            lambda row: row.change.parameter,
            "the changed parameter",
            "parameter",
            lambda row: PARAMETERS[row.change.parameter],
        ),
        shown("before → after", _changed),
        shown("verdict", _verdict),
        Column("before", lambda row: str(row.change.before.choice), "the incumbent"),
        Column(
            "after",
            lambda row: str(row.change.after.choice),
            "the alternative, tuned; for the soft-label weight the best of the other weights",
            "configuration tried",
            lambda row: student_words(row.change.after),
        ),
        score_column(
            "before_validation",
            lambda row: row.change.before.validation_score,
            lambda row: row.metric,
            "validation score of the incumbent",
            "validation before",
        ),
        score_column(
            "after_validation",
            lambda row: row.change.after.validation_score,
            lambda row: row.metric,
            "validation score of the alternative; missing if a trial failed",
            "after",
        ),
        score_column(
            "before_test",
            lambda row: row.change.before.test_score,
            lambda row: row.metric,
            "test score of the incumbent",
            "test before",
        ),
        score_column(
            "after_test",
            lambda row: row.change.after.test_score,
            lambda row: row.metric,
            "test score of the alternative",
            "after",
        ),
        Column("verdict", lambda row: str(row.change.verdict), "win, loss or tie of the alternative, on validation"),
        Column("accepted", lambda row: row.change.accepted, "whether the alternative became the incumbent"),
        Column("merged", lambda row: row.change.merged, "whether both sides are one trial"),
        Column("relative_gain", lambda row: row.change.gain.relative, f"test gain of the alternative: {RELATIVE}"),
    ),
)


class Tempered(NamedTuple):
    """A choice at one temperature."""

    outcome: TripleOutcome
    curve: TemperatureCurve
    temperature: float
    score: float


def _temperatures(found: ChoiceFindings) -> Iterator[Tempered]:
    outcomes = {outcome.triple_id: outcome for outcome in found.outcomes}
    for curve in found.temperature_curves:
        for temperature, score in zip(curve.temperatures, curve.scores, strict=True):
            yield Tempered(outcomes[curve.triple_id], curve, temperature, score)


def _choice_column(key: str, description: str) -> Column[Tempered]:
    return Column(key, lambda row: row.curve.choice.as_dict()[key], description)


TEMPERATURES = Table[ChoiceFindings, Tempered](
    name="temperatures",
    description="One row per tuned choice and temperature, at the choice's tuned learning rate; none of regression, "
    "which knows no temperature.",
    rows=_temperatures,
    columns=(
        *triple_columns(lambda row: row.outcome),
        _choice_column("distance", "distance between teacher and student"),
        _choice_column("teacher_checkpoint", CONFIGURATION["teacher_checkpoint"]),
        _choice_column("student_temperature", "equal to the teacher's, or one"),
        _choice_column("learning_rate", "the choice's tuned learning rate"),
        Column("temperature", lambda row: row.temperature, "the teacher's temperature"),
        Column("validation", lambda row: row.score, "validation score, mean over seeds"),
        Column(
            "selected",
            lambda row: row.temperature == row.curve.choice.canonical().temperature,
            "whether this temperature was selected",
        ),
    ),
)
