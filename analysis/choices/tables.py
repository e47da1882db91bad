"""The tables of parameter choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from analysis.choices.findings import Answers, ChoiceFindings
from analysis.choices.gains import Comparison
from analysis.choices.parameters import Change
from analysis.presentation import Column, Table, score_column, shown, words
from analysis.results import Scored, TripleOutcome
from analysis.triples import CONFIGURATION, TASK, triple_columns

Row = dict[str, Any]
RELATIVE = "(target - baseline) / baseline, a fraction; missing where a score is, or the baseline is not above 0"
OF_TASK = Column[Row]("task", "task", TASK, "task", format=words.task_words)


def _gains(found: ChoiceFindings) -> Iterator[Row]:
    for comparison in found.comparisons:
        for outcome, gain in zip(found.outcomes, comparison.gains, strict=True):
            near = None if gain.absolute is None else gain.within_one_example
            yield {"comparison": comparison.name, "outcome": outcome, "gain": gain, "near": near}


GAINS = Table[ChoiceFindings, Row](
    name="gains",
    description="One row per comparison and triple: test improvement of a target over a baseline (A, section 4).",
    rows=_gains,
    columns=(
        Column("comparison", "comparison", "target over baseline"),
        *triple_columns(),
        Column("target_test", "gain.target", "test score of the target"),
        Column("baseline_test", "gain.baseline", "test score of the baseline"),
        Column("relative_gain", "gain.relative", RELATIVE),
        Column("absolute_gain", "gain.absolute", "target - baseline, in units of the metric"),
        Column("undefined", "gain.undefined", "whether both scores are there but the baseline is not above 0"),
        Column("within_one_example", "near", "whether the two differ by no more than one test example"),
    ),
)


def _deciles(answers: Answers) -> Iterator[Row]:
    effects = {f"{effect.parameter}: {effect.comparison.name}": effect.comparison for effect in answers.effects}
    for name, comparison in {**{each.name: each for each in answers.comparisons}, **effects}.items():
        for at, value in enumerate(comparison.deciles):
            low, middle, high = comparison.draws[at] if comparison.draws else (None, None, None)
            drawn = {"low": low, "middle": middle, "high": high}
            yield {"name": name, "decile": f"D{at + 1}", "value": value, "comparison": comparison, **drawn}


def _effects(answers: Answers) -> Iterator[Row]:
    return ({"effect": effect, "reward": effect.reward} for effect in answers.effects)


def _by_task(rows: Callable[[Answers], Iterable[Row]]) -> Callable[[ChoiceFindings], Iterator[Row]]:
    """The rows of each task, one task after the other."""
    return lambda found: ({"task": task, **row} for task, answers in found.by_task.items() for row in rows(answers))


DECILE_COLUMNS: tuple[Column[Row], ...] = (
    Column("comparison", "name", "target over baseline; parameters first where one is compared"),
    Column("decile", "decile", "D1 to D10: D5 is the median, D10 the maximum"),
    Column("relative_gain", "value", "the decile of the relative gains, a fraction"),
    Column("draws_5", "low", "5th percentile of this decile over 1000 seeded draws of one random choice per triple"),
    Column("draws_50", "middle", "median of the same"),
    Column("draws_95", "high", "95th percentile of the same"),
    Column("triples", lambda row: len(row["comparison"].known), "triples with a relative gain"),
    Column("missing", "comparison.num_missing", "triples without one of the two scores"),
    Column("undefined", "comparison.num_undefined", "triples whose baseline is not above 0"),
)
DECILES = Table[ChoiceFindings, Row](
    name="deciles",
    description="One row per comparison and decile of its relative gains over triples: numpy.quantile(gains, k / 10). "
    "The comparisons of parameters are alternative over default, from the steps of the search (A, figure 2). Gains are "
    "relative, and pool triples of all tasks and metrics.",
    rows=_deciles,
    columns=DECILE_COLUMNS,
)
TASK_DECILES = Table[ChoiceFindings, Row](
    name="task_deciles",
    description="The table deciles, task by task; only of a study of several tasks.",
    rows=_by_task(_deciles),
    columns=(Column("task", "task", TASK), *DECILE_COLUMNS),
)

TEST = "two-sided sign test of wins against losses; missing without either, or with several alternatives"
MEDIAN = "median relative test gain, alternative over default"
REWARD_COLUMNS: tuple[Column[Row], ...] = (
    Column(
        "parameter", "reward.parameter", "the overridden parameter", "parameter", format=words.PARAMETERS.__getitem__
    ),
    Column("default", "reward.default", "its default", "default", format=words.value_words),
    Column("alternative", "reward.alternative", "the value instead", "alternative", format=words.value_words),
    Column("wins", "reward.wins", "triples where the alternative validates better", "wins", number=True),
    Column("losses", "reward.losses", "triples where it validates worse", "losses", number=True),
    Column("ties", "reward.ties", "triples where both validate equally", "ties", number=True),
    Column("merged", "effect.num_merged", "ties because both sides are one trial"),
    Column("reward", "reward.reward", "R = wins - losses", "R", format=words.signed, number=True),
    Column("p_value", "effect.p_value", TEST, "sign test", format=words.p_words, number=True),
    Column(
        "median_gain",
        lambda row: row["effect"].comparison.decile(5),
        MEDIAN,
        "median test gain",
        format=lambda gain: words.signed_percent(gain, 2),
        number=True,
    ),
    Column("median_size", "effect.typical_size", "median size of that gain, whatever its sign"),
)
REWARDS = Table[ChoiceFindings, Row](
    name="rewards",
    description="One row per parameter (A, table 3): how often overriding the default trains a better student, on "
    "validation. The soft-label weight stands here for comparison; its alternative is the best of several values.",
    rows=_effects,
    columns=REWARD_COLUMNS,
)
TASK_REWARDS = Table[ChoiceFindings, Row](
    name="task_rewards",
    description="The table rewards, task by task; only of a study of several tasks. Distance and student temperature "
    "are no parameters of regression.",
    rows=lambda found: _by_task(_effects)(found) if found.compares_steps else None,
    columns=(OF_TASK, *REWARD_COLUMNS),
    on_page=lambda row: bool(row["effect"].changes),
)


def _answers_by_task(found: ChoiceFindings) -> Iterator[Row]:
    for task, answers in found.by_task.items():
        yield {"task": words.task_words(task), "metric": ", ".join(answers.metrics), "answers": answers}
    yield {"task": "all", "metric": "all", "answers": found}


def _median_words(comparison: Comparison) -> str:
    """The median gain, and how many triples it leaves out."""
    left_out = ((comparison.num_missing, "missing"), (comparison.num_undefined, "undefined"))
    notes = [f"{number} {why}" for number, why in left_out if number]
    return words.signed_percent(comparison.decile(5)) + (f" ({', '.join(notes)})" if notes else "")


def _median_column(at: int, name: str) -> Column[Row]:
    return shown(name, lambda row: _median_words(row["answers"].comparisons[at]), number=True)


TASK_GAINS = Table[ChoiceFindings, Row](
    rows=_answers_by_task,
    columns=lambda found: (
        shown("task", "task"),
        shown("metric", "metric"),
        shown("triples", lambda row: len(row["answers"].outcomes), number=True),
        # the last comparison is the first one seen from its other side
        *(_median_column(at, comparison.name) for at, comparison in enumerate(found.comparisons[:-1])),
    ),
)


def _by_outcome(found: ChoiceFindings) -> dict[str, TripleOutcome]:
    return {outcome.triple_id: outcome for outcome in found.outcomes}


def _steps(found: ChoiceFindings) -> Iterator[Row]:
    outcomes = _by_outcome(found)
    for change in found.changes:
        yield {"outcome": outcomes[change.triple_id], "change": change, "before": change.before, "after": change.after}


def _value(student: Scored, parameter: str) -> str:
    value = getattr(student.choice, parameter)
    return words.value_words(f"{value:g}" if isinstance(value, float) else value)


def _verdict(change: Change) -> str:
    verdict = "tie, one trial" if change.merged else str(change.verdict)
    return f"{verdict}, accepted" if change.accepted else verdict


METRIC = "outcome.metric"
INCUMBENT = "validation score of the incumbent"
BEST_OTHER = "the alternative, tuned; for the soft-label weight the best of the other weights"
MISSING_IF_FAILED = "validation score of the alternative; missing if a trial failed"
STEPS = Table[ChoiceFindings, Row](
    name="steps",
    description="One row per step of a search: one parameter changed, learning rate and temperature tuned again.",
    title="Every step, triple by triple",
    rows=_steps,
    fold_by=lambda row: str(row["outcome"].triple_id),
    columns=(
        *triple_columns(),
        Column(
            "parameter", "change.parameter", "the changed parameter", "parameter", format=words.PARAMETERS.__getitem__
        ),
        shown(
            "before → after",
            lambda row: " → ".join(_value(row[side], row["change"].parameter) for side in ("before", "after")),
        ),
        shown("verdict", lambda row: _verdict(row["change"])),
        Column("before", lambda row: str(row["before"].choice), "the incumbent"),
        Column(
            "after",
            lambda row: str(row["after"].choice),
            BEST_OTHER,
            "configuration tried",
            lambda row: words.student_words(row["after"]),
        ),
        score_column("before_validation", "before.validation_score", METRIC, INCUMBENT, "validation before"),
        score_column("after_validation", "after.validation_score", METRIC, MISSING_IF_FAILED, "after"),
        score_column("before_test", "before.test_score", METRIC, "test score of the incumbent", "test before"),
        score_column("after_test", "after.test_score", METRIC, "test score of the alternative", "after"),
        Column("verdict", "change.verdict", "win, loss or tie of the alternative, on validation"),
        Column("accepted", "change.accepted", "whether the alternative became the incumbent"),
        Column("merged", "change.merged", "whether both sides are one trial"),
        Column("relative_gain", "change.gain.relative", f"test gain of the alternative: {RELATIVE}"),
    ),
)


def _temperatures(found: ChoiceFindings) -> Iterator[Row]:
    outcomes = _by_outcome(found)
    for curve in found.temperature_curves:
        for temperature, score in zip(curve.temperatures, curve.scores, strict=True):
            selected = temperature == curve.choice.canonical().temperature
            own = {"temperature": temperature, "score": score, "selected": selected}
            yield {"outcome": outcomes[curve.triple_id], "choice": curve.choice, **own}


TEMPERATURES = Table[ChoiceFindings, Row](
    name="temperatures",
    description="One row per tuned choice and temperature, at the choice's tuned learning rate; none of regression, "
    "which knows no temperature.",
    rows=_temperatures,
    columns=(
        *triple_columns(),
        Column("distance", "choice.distance", "distance between teacher and student"),
        Column("teacher_checkpoint", "choice.teacher_checkpoint", CONFIGURATION["teacher_checkpoint"]),
        Column("student_temperature", "choice.student_temperature", "equal to the teacher's, or one"),
        Column("learning_rate", "choice.learning_rate", "the choice's tuned learning rate"),
        Column("temperature", "temperature", "the teacher's temperature"),
        Column("validation", "score", "validation score, mean over seeds"),
        Column("selected", "selected", "whether this temperature was selected"),
    ),
)
