"""A piece of work from specification to record: one student's trial, or one teacher's preparation."""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trials.checkpoints import CheckpointFile
from trials.loop import TrialFailed, train
from trials.losses import kd_loss
from trials.models import model_fingerprint, model_folder
from trials.networks import open_network
from trials.record import Record, RunInfo, Status, TeacherRecord, TrialRecord
from trials.spec import TeacherTask, TrialSpec
from trials.students import initial_student
from trials.tasks import task_of
from trials.teacher import prepare_teacher
from trials.teacher_cache import teacher_logits
from trials.tokens import InputsChanged, tokenized
from trials.workspace import Workspace

VERSIONED = ("kdstudy", "torch", "transformers", "ray", "numpy", "scikit-learn")


def run_work(
    work: TrialSpec | TeacherTask,
    source: tuple[str, str],
    workspace: Workspace,
    *,
    device: torch.device | None = None,
    checkpoint_seconds: float = 300,
) -> Record:
    """Do one piece of work to its end and return its record, also if the training diverged.

    Args:
        work: The trial or teacher.
        source: Reference and revision of the model that a trial's student starts from; unused for teachers.
        workspace: The study's directory.
        device: Where to compute; None means the CPU.
        checkpoint_seconds: Least time between two saves of the unfinished state.

    Raises:
        InputsChanged: Data or model are no longer those that the study was launched with.
        InputError: They are not to be had on this node; the launch has seen them.
        OSError, RuntimeError: Infrastructure failed, memory ran out; the same may succeed elsewhere or later.
    """
    device = device or torch.device("cpu")
    try:
        if isinstance(work, TeacherTask):
            return _timed(
                lambda: prepare_teacher(work, workspace, device, checkpoint_seconds),
                lambda status, fields, run: TeacherRecord(task=work, status=status, run=run, **fields),
                device,
            )
        return _timed(
            lambda: run_trial(work, source, workspace, device, checkpoint_seconds),
            lambda status, fields, run: TrialRecord(spec=work, status=status, run=run, **fields),
            device,
        )
    finally:  # workers are reused: leave no memory behind
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


def run_trial(
    spec: TrialSpec, source: tuple[str, str], workspace: Workspace, device: torch.device, checkpoint_seconds: float
) -> dict[str, Any]:
    """Distil one student: the fields of its `TrialRecord`.

    Raises:
        InputError: Model or data are not usable.
        InputsChanged: They are no longer those that the study was launched with.
        TrialFailed: The training diverged.
    """
    dataset, configuration, kind = spec.triple.dataset, spec.configuration, task_of(spec.triple.dataset.task)

    # Student, data, and what the teacher says of them
    folder = _unchanged(source, spec)
    data = tokenized(dataset, spec.data_fingerprint, folder, spec.training.max_length, workspace)
    initial = initial_student(spec.triple.student, folder, data.label_names, spec.seed, workspace)
    student = open_network(initial, data, spec.training.precision, device)
    teacher = teacher_logits(spec.teacher_fingerprint, dataset, spec.data_fingerprint, "train", workspace, device)
    train_split = data.splits["train"]

    # Training: soft and hard labels of each batch's rows
    def objective(student: nn.Module, rows: np.ndarray) -> torch.Tensor:
        soft, hard = torch.from_numpy(teacher[rows]), torch.from_numpy(train_split.labels[rows])
        return kd_loss(student(train_split, rows), soft.to(device), hard.to(device), configuration)

    def evaluate(student: nn.Module) -> tuple[float, float]:
        scores, loss = kind.evaluate(student, data.splits["validation"])
        return scores[dataset.metric], loss

    result = train(
        student,
        objective,
        evaluate,
        num_examples=len(train_split),
        recipe=spec.training,
        learning_rate=configuration.learning_rate,
        seed=spec.seed,
        checkpoint=CheckpointFile(workspace.checkpoint(spec.trial_id), checkpoint_seconds),
    )

    # Test, once, at the validation that scored highest
    student.load_state_dict(result.weights["highest_score"])
    test_scores, _ = kind.evaluate(student, data.splits["test"])
    best = result.curve[result.best["highest_score"]]
    return {
        "curve": tuple(result.curve),
        "best_step": best.step,
        "validation_score": best.validation_score,
        "validation_loss": best.validation_loss,
        "test_score": test_scores[dataset.metric],
        "test_scores": test_scores,
        "train_seconds": result.train_seconds,
        "examples_per_second": result.examples_seen / result.train_seconds if result.train_seconds else None,
        "num_parameters": student.num_parameters(),
    }


def _unchanged(source: tuple[str, str], spec: TrialSpec) -> Path:
    folder = model_folder(source[0], source[1] or None)
    if model_fingerprint(folder) != spec.source_fingerprint:
        raise InputsChanged(f"the model {source[0]} changed since the study was launched; launch it again")
    return folder


def _timed(
    do: Callable[[], dict[str, Any]],
    record: Callable[[Status, dict[str, Any], RunInfo], Record],
    device: torch.device,
) -> Record:
    """Do some work and record it; a training that diverged would diverge again: its record says so."""
    started, clock = datetime.now(UTC), time.perf_counter()
    try:
        status, fields = Status.COMPLETED, do()
    except TrialFailed as error:
        status, fields = Status.FAILED, {"reason": str(error)}
    run = RunInfo(
        started_at=started.isoformat(timespec="seconds"),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - clock, 3),
        host=socket.gethostname(),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        versions=_versions(),
    )
    return record(status, fields, run)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in VERSIONED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
