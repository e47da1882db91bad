"""A simulated study of D's: two teachers, a BiLSTM and an RNN encoder, few and many labels, and fewer transfer rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from simulated_experiments import CLASSES, ROWS
from simulation import run_study

from search_spaces.configuration import Distance, Schedule
from search_spaces.space import load_space
from study.config.study_file import SearchConfig, Study, StudyConfig
from trials.specs.dataset import DatasetSpec
from trials.specs.records import ModelSpeed, Record, SpeedRecord, TeacherRecord
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TrialSpec
from trials.specs.work import SpeedSettings

SEEDS = (13, 14, 15)
TRAIN_ROWS = {"few": 100, "many": 1000, "few-short": 100, "other": 500}
TRANSFER_ROWS = {"few": 4900, "many": 4000, "few-short": 2000, "other": 3000}
VARIANCES = {"base": 0.24, "large": 0.2475}
TEACHER_TESTS = {"base": 0.90, "large": 0.93}
GAINS = {"few": 0.12, "many": 0.05, "few-short": 0.06, "other": 0.0}
SCHEDULES = {Schedule.JOINT: 0.0, Schedule.STAGED: 0.02, Schedule.DISTIL_ONCE: -0.05}
SECONDS = {"base": (10.0, 10.5, 9.5), "large": (5.0, 5.5, 5.2), "bilstm": (40.0, 41.0, 38.0), "rnn": (60.0, 61.0, 59.0)}


def transfer_study(**overrides: object) -> Study:
    """Data sets of one source, but for the last."""
    labelled = {"few": {"per_class": 50}, "many": {"per_class": 500}, "few-short": {"per_class": 50}}
    cut = {"few-short": {"unlabeled": 2000}}
    datasets = [_dataset(name, labelled.get(name), cut.get(name, {})) for name in TRAIN_ROWS]
    values = {
        "name": "transfer",
        "datasets": datasets,
        "teachers": [TeacherSpec(name=name, model=name) for name in TEACHER_TESTS],
        "students": [
            StudentSpec.model_validate({"name": "bilstm", "architecture": "bilstm", "from": "base"}),
            StudentSpec.model_validate({"name": "rnn", "architecture": "rnn", "from": "base", "distil": False}),
        ],
        "search": SearchConfig.model_validate(
            {"strategy": "experiments", "space": load_space("paper_d"), "evaluate": ()}
        ),
        "seeds": SEEDS,
        "speed": SpeedSettings(rounds=3),
    }
    return Study(StudyConfig.model_validate({**values, **overrides}), Path("transfer.yaml"))


def transfer_records(study: Study) -> list[Record]:
    """All records."""
    return [_as_real(record) for record in run_study(study, score)]


def share_right(trial: TrialSpec) -> float:
    """A teacher helps where labels are few, soft labels more than hard ones, and so does a better teacher."""
    configuration, data = trial.configuration, trial.triple.dataset.name
    base = (0.7 if TRAIN_ROWS[data] > 100 else 0.6) - 0.03 * (trial.triple.student.name == "rnn")
    if not configuration.uses_teacher:
        return base
    hard, better = configuration.distance is Distance.HARD, trial.triple.teacher.name == "large"
    return base + GAINS[data] + SCHEDULES[configuration.schedule] - 0.03 * hard + 0.01 * better


def right(trial: TrialSpec) -> np.ndarray:
    """Which test examples a trial's student gets right; students differ by few of them."""
    hardness = np.random.default_rng(1).random(ROWS) + np.random.default_rng(trial.seed).normal(0, 0.02, ROWS)
    return hardness < share_right(trial)


def score(trial: TrialSpec) -> tuple[float, float]:
    """Validation and test; of joint and staged training validation says the opposite of test."""
    own, schedule = float(right(trial).mean()), trial.configuration.schedule
    return own - 0.01 - 0.05 * (schedule is Schedule.STAGED), own


def _dataset(name: str, labelled: dict[str, int] | None, examples: dict[str, int]) -> DatasetSpec:
    splits = {"train": "train", "validation": "validation", "test": "test", "unlabeled": "unlabeled"}
    values = {"name": name, "task": "classification", "path": "/nowhere/other" if name == "other" else "/nowhere/one"}
    return DatasetSpec.model_validate({**values, "splits": splits, "labelled": labelled, "examples": examples})


def _as_real(record: Record) -> Record:
    if isinstance(record, TeacherRecord):
        name, data = record.task.teacher.name, record.task.dataset.name
        best = record.checkpoints[2].model_copy(update={"test_score": TEACHER_TESTS[name]})
        teaching = record.checkpoints[1].model_copy(update={"prediction_variance": VARIANCES[name]})
        rows = {"train": TRAIN_ROWS[data], "validation": 100, "test": ROWS, "unlabeled": TRANSFER_ROWS[data]}
        size = 110_000_000 if name == "base" else 340_000_000
        numbers = {"rows": rows, "label_names": CLASSES, "num_parameters": size}
        return record.model_copy(update={"checkpoints": (record.checkpoints[0], teaching, best), **numbers})
    if isinstance(record, SpeedRecord):
        return record.model_copy(update={"models": tuple(_timed(model) for model in record.models)})
    bilstm = record.spec.triple.student.name == "bilstm"
    return record.model_copy(update={"num_parameters": 13_000_000 if bilstm else 11_000_000})


def _timed(model: ModelSpeed) -> ModelSpeed:
    return model.model_copy(update={"samples_per_second": SECONDS[model.name]})
