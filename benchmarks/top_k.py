"""Keeping only the likeliest tokens of a translation teacher: cost and savings, on a real study's teacher.

    python -m benchmarks.top_k runs/paper_a_local --triple marian3/mt-2L/multi30k

One student is trained on the exact teacher and one for each number of tokens kept, all alike: cross-entropy at
temperature 1, soft labels alone. Errors of loss and gradient are those of the exact student's logits, near the end of
its training, over a batch of the training split. At temperatures above 1, which kdstudy refuses, the bucket is softened
as if it were one token: nothing better can be done without the logits inside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from search_spaces.configuration import Distance
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from trials.datasets.tokenized_data import load_tokenized
from trials.losses.distillation import soft_label_loss
from trials.losses.top_k import top_k_of
from trials.models.pretrained import model_folder
from trials.networks.loading import open_network
from trials.specs.records import TrialRecord
from trials.specs.trial import TrialSpec
from trials.storage.workspace import Workspace
from trials.students.registry import initial_student
from trials.teachers.outputs import Teacher
from trials.training.checkpoints import CheckpointFile
from trials.training.training_run import set_weights
from trials.workers.run_work import run_work

RESULTS = Path(__file__).parent / "results" / "top_k.json"
KEPT = (1, 4, 16, 64)
TEMPERATURES = (1.0, 2.0, 4.0)
ROWS = 64
CHECKPOINT_SECONDS = 20.0
CPU = torch.device("cpu")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, compare, write and print."""
    parser = argparse.ArgumentParser(description="The cost of keeping a teacher's likeliest tokens alone.")
    parser.add_argument(
        "study", type=Path, help="directory of a study that has prepared the triple's teacher and run one of its trials"
    )
    parser.add_argument("--triple", required=True, help="teacher/student/dataset")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    study, workspace = load_study(options.study / "study.yaml"), Workspace(options.study)
    exact = _plain(_trial_of(options.study, options.triple))
    source = study.student_source(exact.triple.student)
    trained = {str(k or "all"): _trained(_keeping(exact, k), source, workspace) for k in (None, *KEPT)}
    results = {"triple": options.triple, "trained": trained, "errors": list(_errors(exact, source, workspace))}
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    _print(results)


def _trial_of(folder: Path, triple: str) -> TrialSpec:
    ledger = Ledger(folder / "ledger")
    ledger.refresh()
    found = [record.spec for record in ledger.trials if record.spec.triple.triple_id == triple]
    if not found:
        raise SystemExit(f"{folder} has no trial of {triple}")
    return found[0]


def _plain(spec: TrialSpec) -> TrialSpec:
    """Cross-entropy at temperature 1 alone, whatever the trial was."""
    plain = replace(spec.configuration, distance=Distance.CE, soft_label_weight=1.0, temperature=1.0).canonical()
    return TrialSpec.model_validate({**spec.model_dump(), "configuration": plain})


def _keeping(spec: TrialSpec, k: int | None) -> TrialSpec:
    return TrialSpec.model_validate(
        {**spec.model_dump(), "training": {**spec.training.model_dump(), "teacher_top_k": k}}
    )


def _trained(spec: TrialSpec, source: tuple[str, str], workspace: Workspace) -> dict[str, Any]:
    """Scores of a student, and the bytes of the teacher's outputs that it learned from."""
    record = run_work(spec, source, workspace, checkpoint_seconds=CHECKPOINT_SECONDS)
    assert isinstance(record, TrialRecord)
    outputs = _teacher(spec, workspace).outputs("train", CPU, top_k=spec.training.teacher_top_k)
    arrays = [value for value in vars(outputs).values() if isinstance(value, np.ndarray)]
    return {
        "megabytes": sum(array.nbytes for array in arrays) / 1e6,
        "test_scores": record.test_scores,
        "validation_loss": record.validation_loss,
        "train_seconds": record.train_seconds,
    }


def _teacher(spec: TrialSpec, workspace: Workspace) -> Teacher:
    return Teacher.open(spec.teacher_fingerprint, spec.triple.dataset, spec.data_fingerprint, workspace)


def _errors(spec: TrialSpec, source: tuple[str, str], workspace: Workspace) -> Iterator[dict[str, float]]:
    """Relative errors of loss and gradient, per temperature and number of tokens."""
    student, teacher = _logits(spec, source, workspace)
    for temperature in TEMPERATURES:
        whole = soft_label_loss(
            student, teacher, distance="ce", student_temperature=temperature, teacher_temperature=temperature
        )
        gradient = torch.autograd.grad(whole, student)[0]
        for k in KEPT:
            loss = _bucketed_loss(student, teacher, k, temperature)
            off = torch.autograd.grad(loss, student)[0] - gradient
            yield {
                "temperature": temperature,
                "k": k,
                "loss": float((loss - whole) / whole),
                "gradient": float(off.norm() / gradient.norm()),
            }


def _logits(spec: TrialSpec, source: tuple[str, str], workspace: Workspace) -> tuple[Tensor, Tensor]:
    """Logits of the exact student near the end of its training, and of its teacher, [positions, vocabulary]."""
    folder = model_folder(source[0], source[1] or None)
    data = load_tokenized(spec.triple.dataset, spec.data_fingerprint, folder, spec.training.max_length, workspace)
    initial = initial_student(spec.triple.student, folder, data.label_names, spec.seed, workspace, data.head)
    network = open_network(initial, data, spec.training.precision, CPU).eval()
    saved = CheckpointFile(workspace.checkpoint(spec.trial_id)).load()
    assert saved is not None
    own = {name.removeprefix("model/"): value for name, value in saved[0].items() if name.startswith("model/")}
    set_weights(network, own)
    split, rows = data.splits["train"], np.arange(ROWS)
    with torch.no_grad():
        student = network(network.inputs(split, rows))
    teacher = _teacher(spec, workspace).outputs("train", CPU).of(split, rows, CPU)
    assert isinstance(teacher, Tensor)
    return student.float().requires_grad_(), teacher


def _bucketed_loss(student: Tensor, teacher: Tensor, k: int, temperature: float) -> Tensor:
    """The loss from what is kept at temperature 1, softened: k tokens and a bucket."""
    kept = top_k_of(teacher, k)
    rest = torch.log1p(-kept.log_probabilities.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-7))
    softened = (torch.cat([kept.log_probabilities, rest], -1) / temperature).softmax(-1)  # [positions, k + 1]
    own = (student / temperature).log_softmax(-1)
    others = own.scatter(-1, kept.tokens, -torch.inf).logsumexp(-1, keepdim=True)
    return -(temperature**2) * (softened * torch.cat([own.gather(-1, kept.tokens), others], -1)).sum(-1).mean()


def _print(results: dict[str, Any]) -> None:
    table = Table(title=f"{results['triple']}: students of the whole teacher and of its likeliest tokens")
    for name in ("tokens kept", "MB", "BLEU", "chrF", "validation loss", "seconds"):
        table.add_column(name, justify="right")
    for k, row in results["trained"].items():
        scores = (f"{row['test_scores'][name]:.1f}" for name in ("bleu", "chrf"))
        table.add_row(
            k, f"{row['megabytes']:.1f}", *scores, f"{row['validation_loss']:.3f}", f"{row['train_seconds']:.0f}"
        )
    errors = Table(title="Errors relative to the whole vocabulary")
    for name in ("temperature", "tokens kept", "loss", "gradient"):
        errors.add_column(name, justify="right")
    for row in results["errors"]:
        errors.add_row(f"{row['temperature']:g}", str(row["k"]), f"{row['loss']:+.2%}", f"{row['gradient']:.2%}")
    Console().print(table, errors)


if __name__ == "__main__":
    main()
