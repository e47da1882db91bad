"""The tables of triples, teachers and failures, and the columns that tables of other families share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from analysis.presentation import Column, Table, Value, at, score_column, shown, words
from analysis.results import Failure, Role, StudyResults, TripleOutcome

TASK = "the data set's task"
METRIC = "what is scored; BLEU and chrF are between 0 and 100, all others at most 1"
OF_TEACHER = Column[Any]("teacher", "teacher", "name of the teacher")
OF_DATASET = Column[Any]("dataset", "dataset", "name of the data set")
OF_MODEL = Column[Any]("model", "model", "teacher, or name of the student")
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


def triple_columns(of: Value[Any] = "outcome") -> tuple[Column[Any], ...]:
    """Which triple a row is about, in files.

    Args:
        of: Where a row has the triple's outcome.
    """
    return (
        Column("triple", lambda row: at(row, of).triple_id, "teacher/student/dataset"),
        Column("task", lambda row: at(row, of).task, TASK),
        Column("metric", lambda row: at(row, of).metric, METRIC),
    )


def outcome_columns(stopped: bool, roles: Mapping[Role, str] = HEADINGS) -> tuple[Column[TripleOutcome], ...]:
    """All columns about what a triple came to.

    Args:
        stopped: Whether trials were stopped early, so that the page says how many.
        roles: The roles that the page shows, each with its heading.
    """
    asked = "tuned choices visited so far, failed ones included"
    rows = "test examples; a difference below 1 / test_rows (of BLEU and chrF 100 / test_rows) is less than one example"
    halted = "those among them that were stopped early"
    size = "number of the student's parameters"
    return (
        Column("triple", "triple_id", "teacher/student/dataset", "triple"),
        Column("task", "task", TASK),
        Column("metric", "metric", METRIC, "metric"),
        Column("teacher", "triple.teacher.name", "name of the teacher"),
        Column("student", "triple.student.name", "name of the student"),
        Column("dataset", "triple.dataset.name", "name of the data set"),
        Column("progress", "progress", "waiting (for its teacher), searching, searched or failed", "progress"),
        *(_test_column(role, roles.get(role)) for role in Role),
        *(_validation_column(role) for role in STUDENTS),
        *(_configuration_column(role) for role in STUDENTS),
        Column("candidates", lambda outcome: len(outcome.candidates), asked),
        Column("trials", "num_trials", "finished trials", "trials", number=True),
        Column("failed_trials", "num_failed", "failed ones among them", "failed", number=True),
        Column("stopped_trials", "num_stopped", halted, "stopped" if stopped else None, number=True),
        Column("hours", "hours", "worker hours of its trials", "work", format=words.duration, number=True),
        Column("student_parameters", "num_parameters", size, "parameters", format=words.millions, number=True),
        Column("test_rows", "test_rows", rows),
        Column("failure", "failure", "why its search failed"),
    )


def _test_column(role: Role, heading: str | None) -> Column[TripleOutcome]:
    return score_column(f"{role}_test", lambda o: o.test_score(role), "metric", f"test score of {ROLES[role]}", heading)


def _validation_column(role: Role) -> Column[TripleOutcome]:
    value = f"{role}.validation_score"
    return Column(f"{role}_validation", value, f"validation score of {ROLES[role]}")


def _configuration_column(role: Role) -> Column[TripleOutcome]:
    def value(outcome: TripleOutcome) -> str | None:
        student = outcome.configuration(role)
        return str(student.trained) if student else None

    return Column(f"{role}_configuration", value, f"{ROLES[role]}, with its tuned values")


def _students(results: StudyResults) -> Iterator[dict[str, Any]]:
    for outcome in results.outcomes:
        for role in STUDENTS:
            if student := outcome.configuration(role):
                yield {"outcome": outcome, "role": role, "student": student}


def _candidates(results: StudyResults) -> Iterator[dict[str, Any]]:
    for outcome in results.outcomes:
        for position, candidate in enumerate(outcome.candidates):
            yield {"outcome": outcome, "position": position, "student": candidate}


OUTCOMES = Table[StudyResults, TripleOutcome](
    name="outcomes",
    description="One row per triple of the study. Best and worst are selected on validation among the tuned choices "
    "that the search visited; before progress is `searched` they, and random, are those of the choices seen so far.",
    rows=lambda results: results.outcomes,
    columns=lambda results: outcome_columns(any(outcome.num_stopped for outcome in results.outcomes)),
)
CONFIGURATIONS = Table[StudyResults, Any](
    title="The configurations behind these scores",
    rows=_students,
    columns=(
        shown("triple", "outcome.triple_id"),
        shown("role", "role"),
        shown("configuration", lambda row: words.student_words(row["student"])),
        score_column("", "student.validation_score", "outcome.metric", heading="validation"),
        score_column("", "student.test_score", "outcome.metric", heading="test"),
    ),
)
CANDIDATES = Table[StudyResults, Any](
    name="candidates",
    description="One row per tuned choice that a search visited, in its order, each trial once; scores are means over "
    "seeds.",
    rows=_candidates,
    columns=(
        *triple_columns(),
        Column("position", "position", "order of the visit, from 0"),
        *(Column[Any](key, f"student.trained.{key}", meaning) for key, meaning in CONFIGURATION.items()),
        Column("validation", "student.validation_score", "validation score; missing if a trial failed"),
        Column("test", "student.test_score", "test score; missing if a trial failed"),
    ),
)


def _checkpoints(results: StudyResults) -> Iterator[dict[str, Any]]:
    for record in results.teachers:
        for role in ("highest_score", "lowest_loss") if record.status.has_scores else ():
            said = "highest score and lowest loss" if record.one_checkpoint else words.value_words(role)
            yield {"record": record, "of": record.task, "role": role, "selected": record.selected(role), "words": said}


BOTH = "highest_score or lowest_loss; both selected on validation"
EPOCHS = "passes over the data until this checkpoint; 0 or more for given ones"
LOSS = "validation loss"
MAJORITY = f"test score of {ROLES[Role.MAJORITY]}"
TEACHERS = Table[StudyResults, Any](
    name="teachers",
    description="One row per teacher, data set and selected checkpoint.",
    rows=_checkpoints,
    on_page=lambda row: row["role"] == "highest_score" or not row["record"].one_checkpoint,
    columns=(
        Column("teacher", "of.teacher.name", "name of the teacher", "teacher"),
        Column("dataset", "of.dataset.name", "name of the data set", "data set"),
        Column("task", "of.dataset.task", TASK),
        Column("metric", "of.dataset.metric", METRIC, "metric"),
        Column("checkpoint", "role", BOTH, "checkpoint", lambda row: str(row["words"])),
        Column("epoch", "selected.epoch", EPOCHS, "epoch", format="{:g}".format, number=True),
        score_column("validation", "selected.validation_score", "of.dataset.metric", "validation score", "validation"),
        Column("validation_loss", "selected.validation_loss", LOSS, LOSS, format="{:.4f}".format, number=True),
        score_column("test", "selected.test_score", "of.dataset.metric", "test score", "test"),
        Column("one_checkpoint", "record.one_checkpoint", "whether both criteria selected the same checkpoint"),
        score_column("majority_test", "record.majority_score", "of.dataset.metric", MAJORITY, "majority"),
        Column("parameters", "record.num_parameters", "number of the teacher's parameters"),
        Column("train_rows", lambda row: row["record"].rows.get("train"), "training examples"),
        Column("validation_rows", lambda row: row["record"].rows.get("validation"), "validation examples"),
        Column("test_rows", lambda row: row["record"].rows.get("test"), "test examples", "test rows", number=True),
    ),
)


def _failed_trial(failure: Failure) -> str:
    if failure.trial is None:
        return ""
    return f"{words.configuration_words(failure.trial.configuration)}, seed {failure.trial.spec.seed}"


def _or_missing(text: str) -> str:
    return text or words.MISSING


FAILURES = Table[StudyResults, Failure](
    name="failures",
    description="One row per failed search, teacher or trial, and per file of the ledger that is no record.",
    rows=lambda results: results.provenance.failures,
    columns=(
        Column("kind", "kind", "search, teacher, trial or file", "kind"),
        Column("where", "where", "the triple, the teacher and data set, or the file's name", "where"),
        Column("what", _failed_trial, "configuration and seed of a trial", "what", format=_or_missing),
        Column("reason", "reason", "why it failed", "reason"),
    ),
)
