"""A simulated study of shapes with B's own scores, sizes and speeds, and answers to made-up examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from paper_b import MODELS, SCORES, SPEEDS, STUDENTS, TASKS, TRAINING_ROWS
from simulation import run_study

from search_spaces.space import load_space
from study.config.study_file import SearchConfig, Study, StudyConfig
from trials.specs.dataset import DatasetSpec, TaskName
from trials.specs.records import ModelSpeed, Record, SpeedRecord, TeacherRecord, TrialRecord
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TrialSpec
from trials.specs.work import SpeedSettings
from trials.storage.workspace import Workspace

METRICS = {"CoLA": "matthews_corrcoef", "MRPC": "accuracy_f1", "QQP": "accuracy_f1"}
PAIRS = {"CoLA": False, "SST2": False}
ROWS = 120  # test examples
CLASSES = ("no", "yes")
WORDS = (
    "the",
    "a",
    "soldier",
    "panda",
    "bank",
    "river",
    "reports",
    "that",
    "people",
    "walked",
    "home",
    "before",
    "night",
)


def shape_study(tasks: Sequence[str] = TASKS, students: Sequence[str] = STUDENTS, **overrides: object) -> Study:
    """B's study: one configuration, its tasks and students."""
    values = {
        "name": "shapes",
        "datasets": [_dataset(name) for name in tasks],
        "teachers": [TeacherSpec(name="baseline", model="roberta")],
        "students": [_student(name) for name in students],
        "search": SearchConfig(space=load_space("paper_b"), evaluate=()),
        "speed": SpeedSettings(rounds=5),
    }
    return Study(StudyConfig.model_validate({**values, **overrides}), Path("shapes.yaml"))


def paper_records(study: Study) -> list[Record]:
    """The records that B's tables would be made from."""
    return [as_paper(record) for record in run_study(study, paper_score)]


def paper_score(trial: TrialSpec) -> tuple[float, float]:
    """Table 1."""
    score = SCORES[trial.triple.student.name][TASKS.index(trial.triple.dataset.name)]
    return score + 0.01, score


def as_paper(record: Record) -> Record:
    """A simulated record with B's numbers in it."""
    if isinstance(record, TrialRecord):
        return record.model_copy(update={"num_parameters": 1_000_000 * MODELS[record.spec.triple.student.name][3]})
    if isinstance(record, SpeedRecord):
        return record.model_copy(update={"models": tuple(_speed(model, record) for model in record.models)})
    name = record.task.dataset.name
    best = record.checkpoints[2].model_copy(update={"test_score": SCORES["baseline"][TASKS.index(name)]})
    rows = {"train": TRAINING_ROWS[name], "validation": ROWS, "test": ROWS}
    numbers = {"rows": rows, "num_parameters": 124_000_000, "label_names": CLASSES}
    return record.model_copy(update={"checkpoints": (*record.checkpoints[:2], best), **numbers})


def write_answers(records: Sequence[Record], folder: Path) -> None:
    """Examples, and answers of every teacher and trial: the better a model scores, the more of them it gets right."""
    workspace = Workspace(folder)
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    for record in records:
        if isinstance(record, TeacherRecord):
            dataset = record.task.dataset
            texts, pairs, labels = examples(dataset)
            named = [CLASSES[label] for label in labels] if dataset.task is TaskName.CLASSIFICATION else labels
            columns = {"text": texts, "text_pair": pairs, "label": named}
            _write(workspace.examples(record.task.data_fingerprint), columns)
            for checkpoint in record.checkpoints:
                file = workspace.predictions(f"{record.record_id}-{checkpoint.fingerprint}")
                _write(file, {"prediction": answers(dataset, checkpoint.test_score or 0.0, 0)})
        elif isinstance(record, TrialRecord):
            dataset, student = record.spec.triple.dataset, record.spec.triple.student.name
            own = answers(dataset, record.test_score or 0.0, 1 + STUDENTS.index(student))
            _write(workspace.predictions(record.record_id), {"prediction": own})


def examples(dataset: DatasetSpec) -> tuple[list[str], list[str | None], np.ndarray]:
    """Texts, their pairs and labels; the same every time."""
    draw = np.random.default_rng(TASKS.index(dataset.name))
    lengths = draw.integers(4, 30, size=ROWS)
    texts = [" ".join(draw.choice(WORDS, size=length)) for length in lengths]
    others = [" ".join(draw.choice(WORDS, size=length)) for length in lengths]
    pairs = [pair if PAIRS.get(dataset.name, True) else None for pair in others]
    classes = dataset.task is TaskName.CLASSIFICATION
    return texts, pairs, draw.integers(2, size=ROWS) if classes else draw.uniform(0, 5, size=ROWS)


def answers(dataset: DatasetSpec, score: float, model: int) -> np.ndarray:
    """Wrong are the examples that are too hard: long ones, and some by chance."""
    texts, _, labels = examples(dataset)
    lengths = np.array([len(text.split()) for text in texts])
    hard = lengths / 30 + np.random.default_rng(100 + model).normal(0, 0.35, size=ROWS)
    wrong = hard > np.quantile(hard, min(score, 1.0))
    if dataset.task is TaskName.CLASSIFICATION:
        return np.where(wrong, 1 - labels, labels).astype(np.int32)
    return (labels + np.where(wrong, 1.5, 0.1)).astype(np.float32)


def _write(file: Path, columns: dict[str, object]) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), file)


def _dataset(name: str) -> DatasetSpec:
    task = "regression" if name == "STSB" else "classification"
    values = {"name": name, "task": task, "path": f"/nowhere/{name}"}
    return DatasetSpec.model_validate({**values, **({"metric": METRICS[name]} if name in METRICS else {})})


def _student(name: str) -> StudentSpec:
    layers, heads, width, _ = MODELS[name]
    keys = {"layers": layers if layers < 12 else None, "heads": heads if heads < 12 else None}
    keys["hidden_size"] = width if width < 768 else None
    given = {key: value for key, value in keys.items() if value}
    init = {} if set(given) == {"layers"} else {"init": "sliced"}
    return StudentSpec.model_validate({"name": name, "from": "baseline", **given, **init})


def _speed(model: ModelSpeed, record: SpeedRecord) -> ModelSpeed:
    middle = SPEEDS[model.name][TASKS.index(record.task.dataset.name)]
    rounds = tuple(middle * factor for factor in (0.97, 0.99, 1.0, 1.01, 1.02))
    millions = MODELS[model.name][3]
    return model.model_copy(update={"samples_per_second": rounds, "num_parameters": 1_000_000 * millions})
