"""Simulated studies with known effects, and changes to their records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulation import Scores, make_study, run_study

from search_spaces.space import SearchSpace, load_space
from study.config.study_file import Study
from trials.specs.dataset import TaskName
from trials.specs.records import Record, TrialRecord
from trials.specs.trial import TrialSpec

DEMO = load_space("demo")
FEW = SearchSpace.model_validate(
    {
        "name": "few",
        "choices": {
            "distance": ["ce", "mse"],
            "teacher_checkpoint": ["highest_score", "lowest_loss"],
            "student_temperature": ["equal", "one"],
        },
        "soft_label_weight": {"default": 1.0, "then": [0.5]},
        "learning_rates": [1e-4],
        "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 1, "default": 4},
    }
)
MIXED = (TaskName.CLASSIFICATION, TaskName.REGRESSION, TaskName.TRANSLATION)


def small_study(**overrides: object) -> Study:
    """Four triples over the demo space: at most ten trials each."""
    return make_study(space=DEMO, **overrides)  # type: ignore[arg-type]  # counts and keys of the study


def plain_score(trial: TrialSpec) -> tuple[float, float]:
    """CE, the lowest-loss teacher and alpha 1 are better, each by a known amount; test is validation minus .1."""
    choice = trial.configuration
    score = 0.8 - 0.1 * (choice.distance == "mse") + 0.04 * (choice.teacher_checkpoint == "lowest_loss")
    score -= 0.02 * (choice.student_temperature == "one") + 0.05 * (1 - choice.soft_label_weight)
    return score, score - 0.1


def mixed_study(**overrides: object) -> Study:
    """Six triples over the demo space: two students on each of `MIXED`."""
    return small_study(datasets=len(MIXED), tasks=MIXED, **overrides)


def mixed_score(trial: TrialSpec) -> tuple[float, float]:
    """Each task with scores of its own: `plain_score`, a correlation that one student gets below 0, and BLEU.

    The lowest-loss teacher is better but in translation; in translation alone MSE is better than CE.
    """
    choice, task = trial.configuration, trial.triple.dataset.task
    lowest, hard = choice.teacher_checkpoint == "lowest_loss", 1 - choice.soft_label_weight
    if task is TaskName.CLASSIFICATION:
        return plain_score(trial)
    if task is TaskName.REGRESSION:
        score = 0.6 + 0.1 * lowest - 0.2 * hard
        return score, score - (0.1 if trial.triple.student.name == "2L" else 0.65)
    score = 20.0 + 4 * (choice.distance == "mse") - 2 * lowest - 4 * hard
    return score, score - 2


def failing(fails: Callable[[TrialSpec], bool], scores: Scores = plain_score) -> Scores:
    """The scores, but some trials fail."""
    return lambda trial: None if fails(trial) else scores(trial)


def finished(study: Study, scores: Scores = plain_score, **how: Any) -> list[Record]:
    """All records of a study."""
    return run_study(study, scores, **how)


def with_test_scores(records: list[Record], change: Callable[[float], float]) -> list[Record]:
    """The records with other test scores."""
    return [_changed(record, change) if isinstance(record, TrialRecord) else record for record in records]


def _changed(record: TrialRecord, change: Callable[[float], float]) -> TrialRecord:
    if record.test_score is None:
        return record
    return record.model_copy(update={"test_score": change(record.test_score)})
