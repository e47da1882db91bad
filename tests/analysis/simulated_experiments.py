"""A simulated study of C's experiments, with answers to made-up examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from simulation import make_study, run_study

from search_spaces.layer_maps import layer_map
from search_spaces.space import load_space
from study.config.study_file import Study
from trials.specs.records import CurvePoint, Record, TeacherRecord, TrialRecord
from trials.specs.trial import TrialSpec
from trials.storage.workspace import Workspace
from trials.teachers.attention_examples import ExampleAttention

ROWS = 400  # test examples
CLASSES = ("no", "yes")
SEEDS = (13, 14, 15)
EPOCHS = 8
SEEDS_WITH_ATTENTION = (14, 15)  # as of a study that was begun before any was kept
LAYERS, HEADS = 6, 2  # the teacher's
EXAMPLES = (("[CLS]", "so", "so", "good", "[SEP]"), ("[CLS]", "bad", "[SEP]"))


def experiment_study(**overrides: object) -> Study:
    """Two data sets, the second of which is the first with fewer rows; two students learn the first."""
    search = {"strategy": "experiments", "space": load_space("internal"), "evaluate": ()}
    study = make_study(datasets=2, students=2, search=search, seeds=SEEDS, **overrides)
    first, (big, small) = study.config.datasets[0], study.config.students
    few = first.model_copy(update={"name": "few", "examples": {"train": 100}})
    teacher = study.config.teachers[0].name
    triples = [(teacher, big.name, first.name), (teacher, big.name, few.name), (teacher, small.name, first.name)]
    config = study.config.model_copy(update={"datasets": (first, few), "triples": tuple(triples)})
    return Study(config, study.path)


def share_right(trial: TrialSpec) -> float:
    """Layers help, more so with few rows; hard labels hurt."""
    configuration, few = trial.configuration, trial.triple.dataset.name == "few"
    layers = 0.05 * bool(configuration.attention_weight) + 0.01 * bool(configuration.cosine_weight)
    return 0.75 + layers * (2 if few else 1) - 0.08 * (configuration.soft_label_weight == 0) - 0.1 * few


def right(trial: TrialSpec) -> np.ndarray:
    """Which test examples a trial's student gets right; students differ by few of them."""
    hardness = np.random.default_rng(1).random(ROWS) + np.random.default_rng(trial.seed).normal(0, 0.02, ROWS)
    return hardness < share_right(trial)


def score(trial: TrialSpec) -> tuple[float, float]:
    own = float(right(trial).mean())
    return own - 0.01, own


def experiment_records(study: Study) -> list[Record]:
    """All records."""
    return [_as_real(record) for record in run_study(study, score)]


def _as_real(record: Record) -> Record:
    if isinstance(record, TeacherRecord):
        rows = {"train": 100 if record.task.dataset.name == "few" else 400, "validation": 100, "test": ROWS}
        return record.model_copy(update={"rows": rows, "label_names": CLASSES})
    assert isinstance(record, TrialRecord)
    staged = record.configuration.schedule != "joint"
    curve = tuple(
        CurvePoint(
            step=10 * epoch,
            epoch=epoch,
            train_loss=1 / epoch,
            validation_score=(record.validation_score or 0) * (1 - 0.5 / epoch**2),
            validation_loss=0.5,
            stage=min(4, 1 + epoch // 2) if staged else None,
        )
        for epoch in range(1, EPOCHS + 1)
    )
    size = 1_000_000 * (record.spec.triple.student.layers or 1)
    return record.model_copy(update={"curve": curve, "best_step": 10 * EPOCHS, "num_parameters": size})


def write_answers(records: Sequence[Record], folder: Path, right: Callable[[TrialSpec], np.ndarray] = right) -> None:
    """Examples, and what all models answered; the teacher is right on the easier nine of ten."""
    workspace = Workspace(folder)
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    labels = np.random.default_rng(0).integers(2, size=ROWS)
    for record in records:
        if isinstance(record, TeacherRecord):
            texts = [f"example {number}" for number in range(ROWS)]
            columns = {"text": texts, "text_pair": [None] * ROWS, "label": [CLASSES[label] for label in labels]}
            _write(workspace.examples(record.task.data_fingerprint), columns)
            easy = np.random.default_rng(1).random(ROWS) < 0.9
            for checkpoint in record.checkpoints:
                file = workspace.predictions(f"{record.record_id}-{checkpoint.fingerprint}")
                _write(file, _answers(np.where(easy, labels, 1 - labels), 0.9))
        elif isinstance(record, TrialRecord):
            own = np.where(right(record.spec), labels, 1 - labels)
            _write(workspace.predictions(record.record_id), _answers(own, 0.7))


def _answers(classes: np.ndarray, sure: float) -> dict[str, object]:
    """Columns of a file of predictions, with this probability of each answer."""
    shares = np.where(np.arange(2) == classes[:, None], sure, 1 - sure)
    return {"prediction": classes, "probabilities": list(shares)}


def write_attention(records: Sequence[Record], folder: Path) -> None:
    """What models attend to: a student that learns its teacher's attention differs from it in one head alone."""
    workspace = Workspace(folder)
    for record in records:
        if isinstance(record, TrialRecord) and record.spec.seed in SEEDS_WITH_ATTENTION:
            spec = record.spec
            taught = tuple(teacher_map(at) for at in range(len(EXAMPLES)))
            teacher = ExampleAttention(np.array([4, 7]), taught, EXAMPLES)
            teacher.write(workspace.teacher_attention(spec.teacher_fingerprint, spec.data_fingerprint))
            depth = spec.triple.student.layers or 1
            student = ExampleAttention(teacher.rows, tuple(student_map(spec, each, depth) for each in taught))
            student.write(workspace.attention(record.record_id))


def teacher_map(example: int) -> np.ndarray:
    """[layers, heads, tokens, tokens]."""
    length = len(EXAMPLES[example])
    return np.random.default_rng(example).dirichlet(np.ones(length), (LAYERS, HEADS, length)).astype(np.float16)


def student_map(spec: TrialSpec, teacher: np.ndarray, depth: int) -> np.ndarray:
    """Uniform, or the teacher's with its last layer's first head uniform."""
    uniform = np.full_like(teacher[:depth], 1 / teacher.shape[-1])
    if not spec.configuration.attention_weight:
        return uniform
    own = teacher[[other - 1 for _, other in layer_map("uniform", depth, LAYERS)]]
    own[-1, 0] = uniform[-1, 0]
    return own


def _write(file: Path, columns: dict[str, object]) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), file)
