"""Work from specification to record: a student's trial, some trials side by side, or a teacher's preparation."""

from __future__ import annotations

import gc
import importlib.metadata
import json
import platform
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sklearn.metrics  # noqa: F401 - its 2 s belong to the worker's start, not to its first trial's scores
import torch

from trials.datasets import InputsChanged, load_tokenized
from trials.evaluation import evaluate, measure_speed
from trials.models import model_folder, why_not_packed
from trials.networks import Network, open_network
from trials.objectives import StudentObjective, make_objective
from trials.readers import copy_files, tokenizer_files
from trials.specs import (
    CurvePoint,
    Record,
    RunInfo,
    SpeedRecord,
    SpeedTask,
    Status,
    StopCheck,
    TeacherRecord,
    TeacherTask,
    TrialRecord,
    TrialSpec,
    Work,
)
from trials.storage import Workspace
from trials.students import initial_student, source_fingerprint, tokenizer_folder
from trials.tasks import task_of
from trials.teachers import Teacher, example_attention, prepare_teacher
from trials.training import (
    CheckpointFile,
    TrainingRun,
    TrialFailed,
    Validation,
    peak_memory_bytes,
    reset_peak_memory,
    retry_with_smaller_batches,
    return_freed_memory,
    set_weights,
    train,
)

CPU = torch.device("cpu")
VERSIONED = ("kdstudy", "torch", "transformers", "ray", "numpy", "scikit-learn")


def run_work(
    work: Work,
    source: tuple[str, str],
    workspace: Workspace,
    *,
    device: torch.device | None = None,
    checkpoint_seconds: float = 300,
    show_attention: bool = False,
) -> Record:
    """Do one piece of work to its end and return its record, also if the training diverged.

    Args:
        work: The trial, the teacher, or what is to be timed.
        source: Reference and revision of the model that a trial's student starts from; unused for teachers.
        workspace: The study's directory.
        device: Where to compute; None means the CPU.
        checkpoint_seconds: Least time between two saves of the unfinished state.
        show_attention: Whether to keep what student and teacher attend to in a few test examples.

    Raises:
        InputsChanged: Data or model are no longer those that the study was launched with.
        InputError: They are not to be had on this node; the launch has seen them.
        OSError, RuntimeError: Infrastructure failed; the same may succeed elsewhere or later.
    """
    records: list[Record] = []
    if isinstance(work, TeacherTask):
        with _tidy(device or CPU) as start:
            records.append(_teacher_record(work, workspace, device or CPU, checkpoint_seconds, start))
    elif isinstance(work, SpeedTask):
        with _tidy(device or CPU) as start:
            models, threads = measure_speed(work, workspace, device or CPU), torch.get_num_threads()
            records.append(SpeedRecord(task=work, models=models, threads=threads, run=start.info(device or CPU)))
    else:
        options: dict[str, Any] = {"checkpoint_seconds": checkpoint_seconds, "show_attention": show_attention}
        run_group([work], source, workspace, records.append, device=device, **options)
    return records[0]


def run_group(
    specs: Sequence[TrialSpec],
    source: tuple[str, str],
    workspace: Workspace,
    on_record: Callable[[TrialRecord], None],
    *,
    device: torch.device | None = None,
    checkpoint_seconds: float = 300,
    show_attention: bool = False,
    keep_student: Path | None = None,
    stop_check: StopCheck | None = None,
) -> None:
    """Run trials of one group side by side, as one vectorised unit; each has its own record as soon as it ends.

    A member's record is that of the trial alone, up to rounding; its seconds are its share of the group's. Where memory
    does not hold a trial's batches it goes on with parts of them; a group that it does not hold fails, and can be run
    one by one.

    Args:
        specs: Trials of one `TrialSpec.group_id`.
        source: As of `run_work`.
        workspace: The study's directory.
        on_record: Told each record.
        device: Where to compute; None means the CPU.
        checkpoint_seconds: Least time between two saves of the unfinished states.
        show_attention: As of `run_work`.
        keep_student: Folder for the trained student of a single trial, whose predictions are then not written again.
        stop_check: Says which trials stop early; None lets all go on.

    Raises:
        InputsChanged, InputError, OSError, RuntimeError: As `run_work`.
    """
    with _tidy(device or CPU) as start:
        for unit in _units(specs, source, workspace):
            how = device or CPU, checkpoint_seconds, show_attention, stop_check or _all_go_on
            distil = partial(_distil, unit, source, workspace, *how, start, on_record, keep_student)
            if len(unit) > 1:
                distil()
            else:
                _distil_in_memory(unit[0], distil, start.info, device or CPU, on_record)
            start = _Start()


def _distil_in_memory(
    spec: TrialSpec,
    distil: Callable[[int | None], None],
    info: Callable[[torch.device], RunInfo],
    device: torch.device,
    on_record: Callable[[TrialRecord], None],
) -> None:
    """A single trial, with as many rows at a time as memory holds; where it does not hold one the trial failed."""
    try:
        retry_with_smaller_batches(distil, spec.training.batch_size)
    except TrialFailed as failure:
        on_record(TrialRecord(spec=spec, status=Status.FAILED, run=info(device), reason=str(failure)))


def _units(specs: Sequence[TrialSpec], source: tuple[str, str], workspace: Workspace) -> Iterable[list[TrialSpec]]:
    """Those that can be in step: at the same step of their checkpoints, of an architecture that can be stacked."""
    if specs[0].uses_transfer_objective:
        return [[spec] for spec in specs]
    config = json.loads((model_folder(source[0], source[1] or None) / "config.json").read_text(encoding="utf-8"))
    if why_not_packed(config) is not None:
        return [[spec] for spec in specs]
    by_step: dict[int, list[TrialSpec]] = {}
    for spec in specs:
        by_step.setdefault(CheckpointFile.of(spec.trial_id, workspace).step, []).append(spec)
    return by_step.values()


def _distil(
    specs: Sequence[TrialSpec],
    source: tuple[str, str],
    workspace: Workspace,
    device: torch.device,
    checkpoint_seconds: float,
    show_attention: bool,
    stop_check: StopCheck,
    start: _Start,
    on_record: Callable[[TrialRecord], None],
    keep_student: Path | None = None,
    micro_batch: int | None = None,
) -> None:
    """Distil some students on the same batches: they differ in their configurations alone."""
    shared = specs[0]
    dataset, kind = shared.triple.dataset, task_of(shared.triple.dataset)

    # Data, what the teacher says of them, and the student before training
    folder = tokenizer_folder(
        shared.triple.student, _unchanged(source, shared), dataset, shared.data_fingerprint, workspace
    )
    data = load_tokenized(dataset, shared.data_fingerprint, folder, shared.training.max_length, workspace)
    teacher = Teacher.open(shared.teacher_fingerprint, dataset, shared.data_fingerprint, workspace)
    initial = initial_student(shared.triple.student, folder, data.label_names, shared.seed, workspace, data.head)
    attention = shared.configuration.attention_weight > 0
    students = [open_network(initial, data, spec.training.precision, device, attention=attention) for spec in specs]
    objective = make_objective(specs, kind, data, teacher, students, device)

    def prepared(spec: TrialSpec, student: Network, student_objective: StudentObjective) -> TrainingRun:
        def validate() -> Validation:
            scores, loss = evaluate(kind, student, data.splits["validation"])
            return Validation(scores[dataset.metric], loss, student_objective.stage_loss())

        checkpoint = CheckpointFile.of(spec.trial_id, workspace, checkpoint_seconds)
        return TrainingRun(
            student_objective.network,
            student_objective.loss,
            validate,
            spec.configuration.learning_rate,
            checkpoint,
            student_objective.progress,
            spec.configuration.optimizer,
            student_objective.prepare_stage,
            partial(stop_check, spec),
        )

    def ended(run: TrainingRun) -> None:
        spec, student = specs[runs.index(run)], students[runs.index(run)]
        record_id = spec.trial_id if run.stopped is None else spec.stopped_id
        if run.failure is not None:
            status, fields = Status.FAILED, {"reason": str(run.failure)}
        else:  # test, once, at the validation that scored highest
            set_weights(run.network, run.result.weights["highest_score"])
            kept = None if keep_student else workspace.predictions(record_id)
            if keep_student:
                student.save(keep_student)
                copy_files(tokenizer_files(folder), keep_student)
            test_scores, _ = evaluate(kind, student, data.splits["test"], keep=kept)
            if kept is not None:
                workspace.share(kept)
            if show_attention:
                teacher.write_example_attention(spec.data_fingerprint, device)
                example_attention(student, data.splits["test"]).write(workspace.attention(record_id))
                workspace.share(workspace.attention(record_id))
            status = Status.COMPLETED if run.stopped is None else Status.STOPPED
            fields = _fields(run, student, test_scores, dataset.metric)
        how = {"run": start.info(device, len(specs)), "micro_batch": run.result.micro_batch}
        on_record(TrialRecord(spec=spec, status=status, **how, **fields))

    runs = [prepared(*parts) for parts in zip(specs, students, objective.students, strict=True)]
    train(
        runs,
        objective.draw,
        num_examples=objective.num_examples,
        recipe=shared.training,
        seed=shared.seed,
        on_end=ended,
        micro_batch=micro_batch,
        count=objective.count,
    )


def _fields(run: TrainingRun, student: Network, test_scores: dict[str, float], metric: str) -> dict[str, Any]:
    """The fields of the record of a trial that did not fail."""
    result = run.result
    best = result.curve[result.best["highest_score"]]
    return {
        "reason": run.stopped,
        "curve": tuple(result.curve),
        "best_step": best.step,
        "validation_score": best.validation_score,
        "validation_loss": best.validation_loss,
        "test_score": test_scores[metric],
        "test_scores": test_scores,
        "train_seconds": result.train_seconds,
        "examples_per_second": result.examples_seen / result.train_seconds if result.train_seconds else None,
        "num_parameters": student.num_parameters(),
    }


def _all_go_on(spec: TrialSpec, curve: Sequence[CurvePoint]) -> None:
    return None


def _teacher_record(
    task: TeacherTask, workspace: Workspace, device: torch.device, checkpoint_seconds: float, start: _Start
) -> TeacherRecord:
    try:
        prepare = partial(prepare_teacher, task, workspace, device, checkpoint_seconds)
        status, fields = Status.COMPLETED, retry_with_smaller_batches(prepare, task.training.batch_size)
    except TrialFailed as failure:
        status, fields = Status.FAILED, {"reason": str(failure)}
    return TeacherRecord(task=task, status=status, run=start.info(device), **fields)


def _unchanged(source: tuple[str, str], spec: TrialSpec) -> Path:
    folder = model_folder(source[0], source[1] or None)
    if source_fingerprint(spec.triple.student, folder) != spec.source_fingerprint:
        raise InputsChanged(
            f"the model {source[0]} (or word vectors) changed since the study was launched; launch it again"
        )
    return folder


@dataclass(frozen=True)
class _Start:
    """When some work began."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)

    def info(self, device: torch.device, members: int = 1) -> RunInfo:
        """How it went, at its end; of `members` that ran side by side each has its share of the seconds."""
        return RunInfo(
            started_at=self.moment.isoformat(timespec="seconds"),
            finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round((time.perf_counter() - self.clock) / members, 3),
            host=socket.gethostname(),
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            versions=_versions(),
            peak_memory_bytes=peak_memory_bytes(device),
        )


@contextmanager
def _tidy(device: torch.device) -> Iterator[_Start]:
    """Workers are reused: begin with a new peak and leave no memory behind; one in which work failed is ended instead.

    What is left after a collection (modules, caches) is frozen, so that the next one need not walk it again.
    """
    reset_peak_memory(device)
    yield _Start()
    gc.collect()
    gc.freeze()
    return_freed_memory()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in VERSIONED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
