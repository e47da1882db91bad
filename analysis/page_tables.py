"""The tables of the report's page: results in the words and digits that a reader wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from analysis import page
from analysis.answers import Answers
from analysis.findings import Findings
from analysis.gains import Comparison
from analysis.outcomes import Role, Scored, TripleOutcome
from analysis.parameters import ParameterEffect
from analysis.wording import (
    MISSING,
    PARAMETERS,
    duration,
    millions,
    p_words,
    score,
    signed,
    signed_percent,
    student_words,
    task_words,
    value_words,
)
from trials.record import TeacherRecord


def outcomes(findings: Findings) -> str:
    """Test scores of every triple, and what they took."""
    return outcome_table(findings.outcomes, {role: str(role) for role in Role})


def outcome_table(outcomes: Sequence[TripleOutcome], roles: Mapping[Role, str]) -> str:
    """Test scores of some triples in some roles, which are named, and what they took."""
    stopped = any(outcome.num_stopped for outcome in outcomes)
    columns = ["triple", "metric", "progress", *roles.values(), "trials", "failed"]
    columns += [*(["stopped"] * stopped), "work", "parameters"]
    rows = [
        [
            outcome.triple_id,
            outcome.metric,
            str(outcome.progress),
            *(score(outcome.test_score(role), outcome.metric) for role in roles),
            str(outcome.num_trials),
            str(outcome.num_failed),
            *([str(outcome.num_stopped)] * stopped),
            duration(outcome.hours),
            millions(outcome.num_parameters),
        ]
        for outcome in outcomes
    ]
    return page.table(columns, rows, numbers=len(columns) - 3)


def configurations(findings: Findings) -> str:
    """Which configurations stand behind the scores."""
    rows = [
        [
            outcome.triple_id,
            str(role),
            student_words(student),
            score(student.validation_score, outcome.metric),
            score(student.test_score, outcome.metric),
        ]
        for outcome in findings.outcomes
        for role in (Role.BEST, Role.STABLE, Role.LAZY, Role.WORST)
        if (student := outcome.configuration(role)) is not None
    ]
    return page.table(["triple", "role", "configuration", "validation", "test"], rows, numbers=2)


def rewards(findings: Findings) -> str:
    """A's table 3."""
    return page.table(_REWARDS, [_reward_row(effect) for effect in findings.effects], numbers=6)


def task_rewards(findings: Findings) -> str:
    """A's table 3, task by task: those parameters that a task has, where they were compared."""
    rows = [
        [task_words(task), *_reward_row(effect)]
        for task, answers in findings.by_task.items()
        for effect in answers.effects
        if effect.changes
    ]
    return page.table(["task", *_REWARDS], rows, numbers=6) if rows else ""


def task_gains(findings: Findings) -> str:
    """The median gain of each comparison, over all triples and task by task."""
    columns = ["task", "metric", "triples", *(comparison.name for comparison in _compared(findings))]
    rows = [
        [task_words(task), ", ".join(answers.metrics), *_medians(answers)] for task, answers in findings.by_task.items()
    ]
    return page.table(columns, [*rows, ["all", "all", *_medians(findings)]], numbers=len(columns) - 2)


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
        "metric",
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


_REWARDS = ("parameter", "default", "alternative", "wins", "losses", "ties", "R", "sign test", "median test gain")


def _reward_row(effect: ParameterEffect) -> list[str]:
    reward = effect.reward
    return [
        PARAMETERS[effect.parameter],
        value_words(reward.default),
        value_words(reward.alternative),
        *(str(number) for number in (reward.wins, reward.losses, reward.ties)),
        signed(reward.reward),
        p_words(effect.p_value),
        signed_percent(effect.comparison.decile(5), 2),
    ]


def _compared(answers: Answers) -> list[Comparison]:
    """All comparisons but the one that is another one seen from its other side."""
    return [comparison for comparison in answers.comparisons if comparison is not answers.worst_to_best]


def _medians(answers: Answers) -> list[str]:
    return [str(len(answers.outcomes)), *(_median(comparison) for comparison in _compared(answers))]


def _median(comparison: Comparison) -> str:
    """The median gain, and how many triples it leaves out."""
    left_out = ((comparison.num_missing, "missing"), (comparison.num_undefined, "undefined"))
    notes = [f"{number} {why}" for number, why in left_out if number]
    return signed_percent(comparison.decile(5)) + (f" ({', '.join(notes)})" if notes else "")


def _step_rows(findings: Findings, triple_id: str) -> Iterator[list[str]]:
    for change in (change for change in findings.changes if change.triple_id == triple_id):
        before, after, metric = change.before, change.after, change.gain.metric
        values = (value_words(_value(student, change.parameter)) for student in (before, after))
        verdict = "tie, one trial" if change.merged else str(change.verdict)
        yield [
            PARAMETERS[change.parameter],
            " → ".join(values),
            f"{verdict}, accepted" if change.accepted else verdict,
            student_words(after),
            *(score(value, metric) for value in (before.validation_score, after.validation_score)),
            *(score(value, metric) for value in (before.test_score, after.test_score)),
        ]


def _value(student: Scored, parameter: str) -> str:
    value = getattr(student.choice, parameter)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _teacher_rows(record: TeacherRecord) -> Iterator[list[str]]:
    roles, metric = ("highest_score", "lowest_loss"), record.task.dataset.metric
    for role in roles[:1] if record.one_checkpoint else roles:
        checkpoint = record.selected(role)
        yield [
            record.task.teacher.name,
            record.task.dataset.name,
            metric,
            "highest score and lowest loss" if record.one_checkpoint else value_words(role),
            f"{checkpoint.epoch:g}",
            score(checkpoint.validation_score, metric),
            f"{checkpoint.validation_loss:.4f}",
            score(checkpoint.test_score, metric),
            score(record.majority_score, metric),
            str(record.rows.get("test", MISSING)),
        ]
