"""One small study for each strategy: the cases of the searchers' contract. A new strategy adds one line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from simulation import hashed_score, make_study

from search_spaces.space import SearchSpace
from study.config.study_file import Study
from trials.specs.records import Record
from trials.specs.trial import TeacherTask, TrialSpec
from trials.specs.work import Work

# the `search` of a study file, without its space
STRATEGIES: dict[str, dict[str, Any]] = {
    "coordinate": {"strategy": "greedy", "tune": "coordinate"},
    "joint": {"strategy": "greedy", "tune": "joint"},
    "optuna": {"strategy": "greedy", "tune": "optuna", "tune_budget": 12},
    "experiments": {"strategy": "experiments"},
    "grid": {"strategy": "grid"},
    "random": {"strategy": "random", "trials": 14},
    "tpe": {"strategy": "optuna", "trials": 15, "batch": 3},  # Optuna draws the first 10 at random
}


every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


SPACE = {
    "name": "small",
    "choices": {
        "distance": ["ce", "mse"],
        "teacher_checkpoint": ["highest_score", "lowest_loss"],
        "student_temperature": ["equal", "one"],
    },
    "soft_label_weight": {"default": 1.0, "then": [0.5]},
    "learning_rates": [1e-4, 3e-4],
    "temperature": {"start": 1, "stop": 4, "num": 3, "fine": 1, "default": 2},
}


EXPERIMENTS = [
    {"name": "soft"},
    {"name": "hard", "soft_label_weight": 0},
    {"name": "layers", "cosine_weight": 1, "schedule": "stacked"},
    {"name": "lowest", "teacher_checkpoint": "lowest_loss"},
]


def build(
    strategy: str,
    *,
    evaluate: tuple[str, ...] = ("stable", "lazy"),
    weights: tuple[float, ...] = (0.5,),
    datasets: int = 1,
    students: int = 2,
    seeds: tuple[int, ...] = (13,),
) -> Study:
    experiments = [*EXPERIMENTS, *({"name": f"soft {weight}", "soft_label_weight": weight} for weight in weights)]
    named = {"experiments": experiments} if strategy == "experiments" else {}
    changes = {"soft_label_weight": {"default": 1.0, "then": weights}, **named}
    if strategy == "grid":  # of one rate it has 40 points
        changes["learning_rates"] = [1e-4]
    space = SearchSpace.model_validate({**SPACE, **changes})
    references = evaluate if STRATEGIES[strategy]["strategy"] == "greedy" else ()
    search = {**STRATEGIES[strategy], "space": space, "evaluate": references}
    return make_study(datasets=datasets, students=students, search=search, seeds=seeds)


def identity(work: Work) -> str:
    return work.teacher_id if isinstance(work, TeacherTask) else work.trial_id


def ids(records: Iterable[Record]) -> set[str]:
    return {record.record_id for record in records}


def some_fail(trial: TrialSpec) -> tuple[float, float] | None:
    """A fifth of the trials fails, the same ones always."""
    score = hashed_score(trial)
    return None if int(trial.trial_id, 16) % 5 == 0 else score
