"""The tables of triples, teachers and failures, and the columns that tables of triples share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from analysis.presentation import (
    MISSING,
    Column,
    Table,
    configuration_words,
    duration,
    millions,
    score_column,
    shown,
    student_words,
    value_words,
)
from analysis.results import Failure, Role, Scored, StudyResults, TripleOutcome
from trials.specs import DatasetSpec, TeacherRecord

Row = TypeVar("Row")

TASK = "the data set's task"
METRIC = "what is scored; BLEU and chrF are between 0 and 100, all others at most 1"
ROLES = {
    Role.TEACHER: "the teacher's highest-score checkpoint",
    Role.BEST: "the choice that validates best",
    Role.STABLE: "the stable configuration",
    Role.RANDOM: "a choice drawn uniformly (exact expectation)",
    Role.LAZY: "the lazy baseline: random choices at temperature 1",
    Role.WORST: "the choice that validates worst",
    Role.MAJORITY: "the best answer that is the same for all, such as the most frequent label; 0 where none scores",
}
STUDENTS = (Role.BEST, Role.STABLE, Role.LAZY, Role.WORST)
CONFIGURATION = {
    "distance": "distance between teacher and student; of regression always mse",
    "teacher_checkpoint": "the teaching checkpoint",
    "student_temperature": "equal to the teacher's, or one; of regression always equal",
    "soft_label_weight": "A's alpha",
    "temperature": "the teacher's temperature, tuned; of regression always 1",
    "learning_rate": "peak learning rate, tuned",
}
HEADINGS = {role: str(role) for role in Role}


def triple_columns(of: Callable[[Row], TripleOutcome]) -> tuple[Column[Row], ...]:
    """Which triple a row is about, in files.

    Args:
        of: The triple of a row.
    """
    return (
        Column("triple", lambda row: of(row).triple_id, "teacher/student/dataset"),
        Column("task", lambda row: str(of(row).task), TASK),
        Column("metric", lambda row: of(row).metric, METRIC),
    )


def outcome_columns(stopped: bool, roles: Mapping[Role, str] = HEADINGS) -> tuple[Column[TripleOutcome], ...]:
    """All columns about what a triple came to.

    Args:
        stopped: Whether trials were stopped early, so that the page says how many.
        roles: The roles that the page shows, each with its heading.
    """
    return (
        Column("triple", lambda o: o.triple_id, "teacher/student/dataset", "triple"),
        Column("task", lambda o: str(o.task), TASK),
        Column("metric", lambda o: o.metric, METRIC, "metric"),
        Column("teacher", lambda o: o.triple.teacher.name, "name of the teacher"),
        Column("student", lambda o: o.triple.student.name, "name of the student"),
        Column("dataset", lambda o: o.triple.dataset.name, "name of the data set"),
        Column(
            "progress",
            lambda o: str(o.progress),
            "waiting (for its teacher), searching, searched or failed",
            "progress",
        ),
        *(_test_column(role, roles.get(role)) for role in Role),
        *(_validation_column(role) for role in STUDENTS),
        *(_configuration_column(role) for role in STUDENTS),
        Column("candidates", lambda o: len(o.candidates), "tuned choices visited so far, failed ones included"),
        Column("trials", lambda o: o.num_trials, "finished trials", "trials", number=True),
        Column("failed_trials", lambda o: o.num_failed, "failed ones among them", "failed", number=True),
        Column(
            "stopped_trials",
            lambda o: o.num_stopped,
            "those among them that were stopped early",
            "stopped" if stopped else None,
            number=True,
        ),
        Column(
            "hours", lambda o: o.hours, "worker hours of its trials", "work", lambda o: duration(o.hours), number=True
        ),
        Column(
            "student_parameters",
            lambda o: o.num_parameters,
            "number of the student's parameters",
            "parameters",
            lambda o: millions(o.num_parameters),
            number=True,
        ),
        Column(
            "test_rows",
            lambda o: o.test_rows,
            "test examples; a difference below 1 / test_rows (of BLEU and chrF 100 / test_rows) is less than one "
            "example",
        ),
        Column("failure", lambda o: o.failure, "why its search failed"),
    )


def _test_column(role: Role, heading: str | None) -> Column[TripleOutcome]:
    return score_column(
        f"{role}_test", lambda o: o.test_score(role), lambda o: o.metric, f"test score of {ROLES[role]}", heading
    )


def _validation_column(role: Role) -> Column[TripleOutcome]:
    def validation(outcome: TripleOutcome) -> float | None:
        student = outcome.configuration(role)
        return student.validation_score if student else None

    return Column(f"{role}_validation", validation, f"validation score of {ROLES[role]}")


def _configuration_column(role: Role) -> Column[TripleOutcome]:
    def configuration(outcome: TripleOutcome) -> str | None:
        student = outcome.configuration(role)
        return str(student.trained) if student else None

    return Column(f"{role}_configuration", configuration, f"{ROLES[role]}, with its tuned values")


class Student(NamedTuple):
    """A tuned choice of a triple: its role, or the place of the search's visit."""

    outcome: TripleOutcome
    scored: Scored
    role: str = ""
    position: int = 0


def _students(results: StudyResults) -> Iterator[Student]:
    for outcome in results.outcomes:
        for role in STUDENTS:
            if student := outcome.configuration(role):
                yield Student(outcome, student, str(role))


def _candidates(results: StudyResults) -> Iterator[Student]:
    for outcome in results.outcomes:
        for position, candidate in enumerate(outcome.candidates):
            yield Student(outcome, candidate, position=position)


def _configuration_value(key: str, description: str) -> Column[Student]:
    return Column(key, lambda row: row.scored.trained.as_dict()[key], description)


def _metric(row: Student) -> str:
    return row.outcome.metric


OUTCOMES = Table[StudyResults, TripleOutcome](
    name="outcomes",
    description="One row per triple of the study. Best and worst are selected on validation among the tuned choices "
    "that the search visited; before progress is `searched` they, and random, are those of the choices seen so far.",
    rows=lambda results: results.outcomes,
    columns=lambda results: outcome_columns(any(outcome.num_stopped for outcome in results.outcomes)),
)
CONFIGURATIONS = Table[StudyResults, Student](
    title="The configurations behind these scores",
    rows=_students,
    columns=(
        shown("triple", lambda row: row.outcome.triple_id),
        shown("role", lambda row: row.role),
        shown("configuration", lambda row: student_words(row.scored)),
        score_column("", lambda row: row.scored.validation_score, _metric, heading="validation"),
        score_column("", lambda row: row.scored.test_score, _metric, heading="test"),
    ),
)
CANDIDATES = Table[StudyResults, Student](
    name="candidates",
    description="One row per tuned choice that a search visited, in its order, each trial once; scores are means over "
    "seeds.",
    rows=_candidates,
    columns=(
        *triple_columns(lambda row: row.outcome),
        Column("position", lambda row: row.position, "order of the visit, from 0"),
        *(_configuration_value(key, description) for key, description in CONFIGURATION.items()),
        Column("validation", lambda row: row.scored.validation_score, "validation score; missing if a trial failed"),
        Column("test", lambda row: row.scored.test_score, "test score; missing if a trial failed"),
    ),
)


class Taught(NamedTuple):
    """A selected checkpoint of a teacher."""

    record: TeacherRecord
    role: str

    @property
    def dataset(self) -> DatasetSpec:
        """The data set that it was adapted to."""
        return self.record.task.dataset


def _checkpoints(results: StudyResults) -> Iterator[Taught]:
    for record in results.teachers:
        for role in ("highest_score", "lowest_loss") if record.status.has_scores else ():
            yield Taught(record, role)


def _checkpoint_words(row: Taught) -> str:
    return "highest score and lowest loss" if row.record.one_checkpoint else value_words(row.role)


def _rows_column(split: str, of: str, heading: str | None = None) -> Column[Taught]:
    return Column(f"{split}_rows", lambda row: row.record.rows.get(split), f"{of} examples", heading, number=True)


TEACHERS = Table[StudyResults, Taught](
    name="teachers",
    description="One row per teacher, data set and selected checkpoint.",
    rows=_checkpoints,
    on_page=lambda row: row.role == "highest_score" or not row.record.one_checkpoint,
    columns=(
        Column("teacher", lambda row: row.record.task.teacher.name, "name of the teacher", "teacher"),
        Column("dataset", lambda row: row.dataset.name, "name of the data set", "data set"),
        Column("task", lambda row: str(row.dataset.task), TASK),
        Column("metric", lambda row: row.dataset.metric, METRIC, "metric"),
        Column(
            "checkpoint",
            lambda row: row.role,
            "highest_score or lowest_loss; both selected on validation",
            "checkpoint",
            _checkpoint_words,
        ),
        Column(
            "epoch",
            lambda row: row.record.selected(row.role).epoch,
            "passes over the data until this checkpoint; 0 or more for given ones",
            "epoch",
            lambda row: f"{row.record.selected(row.role).epoch:g}",
            number=True,
        ),
        score_column(
            "validation",
            lambda row: row.record.selected(row.role).validation_score,
            lambda row: row.dataset.metric,
            "validation score",
            "validation",
        ),
        Column(
            "validation_loss",
            lambda row: row.record.selected(row.role).validation_loss,
            "validation loss",
            "validation loss",
            lambda row: f"{row.record.selected(row.role).validation_loss:.4f}",
            number=True,
        ),
        score_column(
            "test",
            lambda row: row.record.selected(row.role).test_score,
            lambda row: row.dataset.metric,
            "test score",
            "test",
        ),
        Column(
            "one_checkpoint",
            lambda row: row.record.one_checkpoint,
            "whether both criteria selected the same checkpoint",
        ),
        score_column(
            "majority_test",
            lambda row: row.record.majority_score,
            lambda row: row.dataset.metric,
            f"test score of {ROLES[Role.MAJORITY]}",
            "majority",
        ),
        Column("parameters", lambda row: row.record.num_parameters, "number of the teacher's parameters"),
        _rows_column("train", "training"),
        _rows_column("validation", "validation"),
        _rows_column("test", "test", "test rows"),
    ),
)


def _failed_trial(failure: Failure) -> str:
    if failure.trial is None:
        return ""
    return f"{configuration_words(failure.trial.configuration)}, seed {failure.trial.spec.seed}"


FAILURES = Table[StudyResults, Failure](
    name="failures",
    description="One row per failed search, teacher or trial, and per file of the ledger that is no record.",
    rows=lambda results: results.provenance.failures,
    columns=(
        Column("kind", lambda row: row.kind, "search, teacher, trial or file", "kind"),
        Column("where", lambda row: row.where, "the triple, the teacher and data set, or the file's name", "where"),
        Column(
            "what",
            _failed_trial,
            "configuration and seed of a trial",
            "what",
            lambda row: _failed_trial(row) or MISSING,
        ),
        Column("reason", lambda row: row.reason, "why it failed", "reason"),
    ),
)
