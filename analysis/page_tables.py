"""The tables of the report's page: results in the words and digits that a reader wants."""

from __future__ import annotations

from collections.abc import Iterator

from analysis import page
from analysis.findings import Findings
from analysis.outcomes import Role, Scored
from analysis.wording import (
    MISSING,
    PARAMETERS,
    configuration_words,
    duration,
    p_words,
    score,
    signed,
    signed_percent,
    value_words,
)
from trials.record import TeacherRecord


def outcomes(findings: Findings) -> str:
    """Test scores of every triple, and what they took."""
    columns = ["triple", "progress", *(str(role) for role in Role), "trials", "failed", "work", "parameters"]
    rows = [
        [
            outcome.triple_id,
            str(outcome.progress),
            *(score(outcome.test_score(role)) for role in Role),
            str(outcome.num_trials),
            str(outcome.num_failed),
            duration(outcome.hours),
            f"{outcome.num_parameters / 1e6:.1f} M" if outcome.num_parameters else MISSING,
        ]
        for outcome in findings.outcomes
    ]
    return page.table(columns, rows, numbers=len(Role) + 4)


def configurations(findings: Findings) -> str:
    """Which configurations stand behind the scores."""
    rows = [
        [outcome.triple_id, str(role), _words(student), _validation(student), score(outcome.test_score(role))]
        for outcome in findings.outcomes
        for role in (Role.BEST, Role.STABLE, Role.LAZY, Role.WORST)
        if (student := outcome.configuration(role)) is not None
    ]
    return page.table(["triple", "role", "configuration", "validation", "test"], rows, numbers=2)


def rewards(findings: Findings) -> str:
    """A's table 3."""
    rows = [
        [
            PARAMETERS[effect.parameter],
            value_words(effect.reward.default),
            value_words(effect.reward.alternative),
            *(str(number) for number in (effect.reward.wins, effect.reward.losses, effect.reward.ties)),
            signed(effect.reward.reward),
            p_words(effect.p_value),
            signed_percent(effect.comparison.decile(5), 2),
        ]
        for effect in findings.effects
    ]
    columns = ["parameter", "default", "alternative", "wins", "losses", "ties", "R", "sign test", "median test gain"]
    return page.table(columns, rows, numbers=6)


def steps(findings: Findings) -> str:
    """The greedy steps, one table per triple."""
    columns = ["parameter", "before → after", "verdict", "configuration tried"]
    columns += ["validation before", "after", "test before", "after"]
    found = [
        page.fold(outcome.triple_id, page.table(columns, rows, numbers=4))
        for outcome in findings.outcomes
        if (rows := list(_step_rows(findings, outcome.triple_id)))
    ]
    return page.fold("Every step, triple by triple", "".join(found)) if found else ""


def teachers(findings: Findings) -> str:
    """Both selected checkpoints of every teacher."""
    columns = [
        "teacher",
        "data set",
        "checkpoint",
        "epoch",
        "validation",
        "validation loss",
        "test",
        "majority",
        "test rows",
    ]
    rows = [row for record in findings.teachers if record.status.has_scores for row in _teacher_rows(record)]
    return page.table(columns, rows, numbers=6)


def failures(findings: Findings) -> str:
    """All that failed, with reasons."""
    found = findings.provenance.failures
    if not found:
        return page.paragraph("Nothing failed.")
    rows = [[failure.kind, failure.where, failure.what or MISSING, failure.reason] for failure in found]
    return page.table(["kind", "where", "what", "reason"], rows)


def _step_rows(findings: Findings, triple_id: str) -> Iterator[list[str]]:
    for change in (change for change in findings.changes if change.triple_id == triple_id):
        before, after = change.before, change.after
        values = (value_words(_value(student, change.parameter)) for student in (before, after))
        verdict = "tie, one configuration" if change.merged else str(change.verdict)
        yield [
            PARAMETERS[change.parameter],
            " → ".join(values),
            f"{verdict}, accepted" if change.accepted else verdict,
            configuration_words(after.choice),
            *(score(value) for value in (before.validation_score, after.validation_score)),
            *(score(value) for value in (before.test_score, after.test_score)),
        ]


def _value(student: Scored, parameter: str) -> str:
    value = getattr(student.choice, parameter)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _teacher_rows(record: TeacherRecord) -> Iterator[list[str]]:
    roles = ("highest_score", "lowest_loss")
    for role in roles[:1] if record.one_checkpoint else roles:
        checkpoint = record.selected(role)
        yield [
            record.task.teacher.name,
            record.task.dataset.name,
            "highest score and lowest loss" if record.one_checkpoint else value_words(role),
            f"{checkpoint.epoch:g}",
            score(checkpoint.validation_score),
            f"{checkpoint.validation_loss:.4f}",
            score(checkpoint.test_score),
            score(record.majority_score),
            str(record.rows.get("test", MISSING)),
        ]


def _words(student: Scored) -> str:
    return configuration_words(student.choice)


def _validation(student: Scored) -> str:
    return score(student.validation_score)
