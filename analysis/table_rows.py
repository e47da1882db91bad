"""The rows of each table, as plain values by column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from analysis.answers import Answers
from analysis.findings import Findings
from analysis.outcomes import Role, Scored, TripleOutcome
from trials.record import TeacherRecord
from trials.spec import DatasetSpec

Rows = Iterable[dict[str, Any]]


def _outcome_rows(findings: Findings) -> Rows:
    for outcome in findings.outcomes:
        yield {
            **_names(outcome),
            **_parts(outcome),
            "progress": str(outcome.progress),
            **{f"{role}_test": outcome.test_score(role) for role in Role},
            **{f"{role}_validation": _validation(outcome.configuration(role)) for role in _STUDENTS},
            **{f"{role}_configuration": _configuration(outcome.configuration(role)) for role in _STUDENTS},
            "candidates": len(outcome.candidates),
            "trials": outcome.num_trials,
            "failed_trials": outcome.num_failed,
            "stopped_trials": outcome.num_stopped,
            "hours": outcome.hours,
            "student_parameters": outcome.num_parameters,
            "test_rows": outcome.test_rows,
            "failure": outcome.failure,
        }


def _candidate_rows(findings: Findings) -> Rows:
    for outcome in findings.outcomes:
        for position, candidate in enumerate(outcome.candidates):
            scores = {"validation": candidate.validation_score, "test": candidate.test_score}
            yield {**_names(outcome), "position": position, **candidate.trained.as_dict(), **scores}


def _gain_rows(findings: Findings) -> Rows:
    for comparison in findings.comparisons:
        for outcome, gain in zip(findings.outcomes, comparison.gains, strict=True):
            yield {
                "comparison": comparison.name,
                **_names(outcome),
                "target_test": gain.target,
                "baseline_test": gain.baseline,
                "relative_gain": gain.relative,
                "absolute_gain": gain.absolute,
                "undefined": gain.undefined,
                "within_one_example": gain.within_one_example if gain.absolute is not None else None,
            }


def _decile_rows(answers: Answers) -> Rows:
    effects = {f"{effect.parameter}: {effect.comparison.name}": effect.comparison for effect in answers.effects}
    for name, comparison in {**{found.name: found for found in answers.comparisons}, **effects}.items():
        draws = comparison.draws or [(None, None, None)] * 10
        counts = {"triples": len(comparison.known), "missing": comparison.num_missing}
        for number, (value, drawn) in enumerate(zip(comparison.deciles, draws, strict=False), start=1):
            spread = dict(zip(("draws_5", "draws_50", "draws_95"), drawn, strict=True))
            row = {"comparison": name, "decile": f"D{number}", "relative_gain": value}
            yield {**row, **spread, **counts, "undefined": comparison.num_undefined}


def _step_rows(findings: Findings) -> Rows:
    names = {outcome.triple_id: _names(outcome) for outcome in findings.outcomes}
    for change in findings.changes:
        yield {
            **names[change.triple_id],
            "parameter": change.parameter,
            "before": str(change.before.choice),
            "after": str(change.after.choice),
            "before_validation": change.before.validation_score,
            "after_validation": change.after.validation_score,
            "before_test": change.before.test_score,
            "after_test": change.after.test_score,
            "verdict": str(change.verdict),
            "accepted": change.accepted,
            "merged": change.merged,
            "relative_gain": change.gain.relative,
        }


def _reward_rows(answers: Answers) -> Rows:
    for effect in answers.effects:
        reward = effect.reward
        yield {
            "parameter": reward.parameter,
            "default": reward.default,
            "alternative": reward.alternative,
            "wins": reward.wins,
            "losses": reward.losses,
            "ties": reward.ties,
            "merged": effect.num_merged,
            "reward": reward.reward,
            "p_value": effect.p_value,
            "median_gain": effect.comparison.decile(5),
            "median_size": effect.typical_size,
        }


def _by_task(rows: Callable[[Answers], Rows]) -> Callable[[Findings], Rows]:
    """The rows of each task, one task after the other; none in a study of one task."""
    return lambda findings: (
        {"task": str(task), **row} for task, answers in findings.by_task.items() for row in rows(answers)
    )


def _temperature_rows(findings: Findings) -> Rows:
    names = {outcome.triple_id: _names(outcome) for outcome in findings.outcomes}
    for curve in findings.temperature_curves:
        choice = {key: curve.choice.as_dict()[key] for key in _CURVE_KEYS}
        for temperature, score in zip(curve.temperatures, curve.scores, strict=True):
            selected = temperature == curve.choice.canonical().temperature
            own = {"temperature": temperature, "validation": score, "selected": selected}
            yield {**names[curve.triple_id], **choice, **own}


def _teacher_rows(findings: Findings) -> Rows:
    for record in findings.teachers:
        for role in ("highest_score", "lowest_loss") if record.status.has_scores else ():
            yield _teacher_row(record, role)


def _teacher_row(record: TeacherRecord, role: str) -> dict[str, Any]:
    checkpoint = record.selected(role)
    return {
        "teacher": record.task.teacher.name,
        "dataset": record.task.dataset.name,
        **_scoring(record.task.dataset),
        "checkpoint": role,
        "epoch": checkpoint.epoch,
        "validation": checkpoint.validation_score,
        "validation_loss": checkpoint.validation_loss,
        "test": checkpoint.test_score,
        "one_checkpoint": record.one_checkpoint,
        "majority_test": record.majority_score,
        "parameters": record.num_parameters,
        **{f"{split}_rows": record.rows.get(split) for split in ("train", "validation", "test")},
    }


def _failure_rows(findings: Findings) -> Rows:
    for failure in findings.provenance.failures:
        yield {"kind": failure.kind, "where": failure.where, "what": failure.what, "reason": failure.reason}


def _experiment_rows(findings: Findings) -> Rows:
    for triple in findings.experiments:
        for each in triple.experiments:
            found, seeds, own = each.by_examples, each.by_seeds, each.fidelity
            yield {
                **_names(triple.outcome),
                "experiment": each.name,
                "validation": each.validation,
                "test": each.test,
                "seeds": len(each.test_of_seeds),
                "difference": seeds.mean if seeds else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "bootstrap_p": found.p_value if found else None,
                "mcnemar_p": each.mcnemar_p,
                "seeds_p": seeds.p_value if seeds else None,
                "teacher_test": triple.teacher_test,
                "train_rows": triple.train_rows,
                "both_right": own.both if own else None,
                "only_teacher_right": own.only_teacher if own else None,
                "only_student_right": own.only_student if own else None,
                "neither_right": own.neither if own else None,
                "agreement": own.agreement if own else None,
                "attention_divergence": triple.attention.divergences.get(each.name) if triple.attention else None,
            }


def _names(outcome: TripleOutcome) -> dict[str, str]:
    return {"triple": outcome.triple_id, **_scoring(outcome.triple.dataset)}


def _scoring(dataset: DatasetSpec) -> dict[str, str]:
    return {"task": str(dataset.task), "metric": dataset.metric}


def _parts(outcome: TripleOutcome) -> dict[str, str]:
    triple = outcome.triple
    return {"teacher": triple.teacher.name, "student": triple.student.name, "dataset": triple.dataset.name}


def _validation(student: Scored | None) -> float | None:
    return student.validation_score if student else None


def _configuration(student: Scored | None) -> str | None:
    return str(student.trained) if student else None


_STUDENTS = (Role.BEST, Role.STABLE, Role.LAZY, Role.WORST)
_CURVE_KEYS = ("distance", "teacher_checkpoint", "student_temperature", "learning_rate")
ROWS: dict[str, Callable[[Findings], Rows]] = {
    "outcomes": _outcome_rows,
    "candidates": _candidate_rows,
    "gains": _gain_rows,
    "deciles": _decile_rows,
    "rewards": _reward_rows,
    "task_deciles": _by_task(_decile_rows),
    "task_rewards": _by_task(_reward_rows),
    "steps": _step_rows,
    "temperatures": _temperature_rows,
    "experiments": _experiment_rows,
    "teachers": _teacher_rows,
    "failures": _failure_rows,
}
