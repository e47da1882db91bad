"""From specification to record: a trial, a group of trials, a teacher's preparation or a speed measurement."""

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

import sklearn.metrics  # noqa: F401 - takes 2 s: at the worker's start, not in its first trial
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
    """Do one piece of work and return its record, even if the training diverged.

    Args:
        work: The work.
        source: Reference and revision of the model that a trial's student starts from; unused for teachers.
        workspace: The study's directory.
        device: Where to compute; None means the CPU.
        checkpoint_seconds: Shortest time between two checkpoints.
        show_attention: Whether to keep attention maps of student and teacher for a few test examples.

    Raises:
        InputsChanged: Data or model changed since the study was launched.
        InputError: Data or model are not available on this node.
        OSError, RuntimeError: The infrastructure failed; a retry may succeed.
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
    """Train trials of one group together; each has its own record as soon as it ends.

    Apart from rounding, a record equals that of the trial alone; its seconds are its share of the group's. If memory
    does not hold the batches of a single trial, it continues with micro-batches. If memory does not hold a group, the
    group fails, and its trials can be run one by one.

    Args:
        specs: Trials of one `TrialSpec.group_id`.
        source: As in `run_work`.
        workspace: The study's directory.
        on_record: Called with each record.
        device: Where to compute; None means the CPU.
        checkpoint_seconds: Shortest time between two checkpoints.
        show_attention: As in `run_work`.
        keep_student: Folder for the trained student of a single trial; its predictions are then not written again.
        stop_check: Decides which trials stop early; None stops none.

    Raises:
        InputsChanged, InputError, OSError, RuntimeError: As in `run_work`.
    """
    with _tidy(device or CPU) as start:
        for together in _stackable_groups(specs, source, workspace):
            how = device or CPU, checkpoint_seconds, show_attention, stop_check or _never_stop
            distil = partial(_distil, together, source, workspace, *how, start, on_record, keep_student)
            if len(together) > 1:
                distil()
            else:
                _distil_in_memory(together[0], distil, start.info, device or CPU, on_record)
            start = _Start()


def _distil_in_memory(
    spec: TrialSpec,
    distil: Callable[[int | None], None],
    info: Callable[[torch.device], RunInfo],
    device: torch.device,
    on_record: Callable[[TrialRecord], None],
) -> None:
    """Run a single trial with batches that fit into memory; if a single row does not fit, the trial fails."""
    try:
        retry_with_smaller_batches(distil, spec.training.batch_size)
    except TrialFailed as failure:
        on_record(TrialRecord(spec=spec, status=Status.FAILED, run=info(device), reason=str(failure)))


def _stackable_groups(
    specs: Sequence[TrialSpec], source: tuple[str, str], workspace: Workspace
) -> Iterable[list[TrialSpec]]:
    """The trials grouped by what can be trained together: stackable networks, at the same step of their checkpoints."""
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
    """Distil students on the same batches; they differ only in their configurations."""
    shared = specs[0]
    dataset, kind = shared.triple.dataset, task_of(shared.triple.dataset)

    # Data, teacher, and students before training
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
        else:  # test once, with the weights of the highest validation score
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


def _never_stop(spec: TrialSpec, curve: Sequence[CurvePoint]) -> None:
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
    """The start of a piece of work."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.perf_counter)

    def info(self, device: torch.device, members: int = 1) -> RunInfo:
        """The circumstances at the end of the work; `members` trials that ran together share the seconds."""
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
    """Measure peak memory from here on, and free memory at the end, because workers are reused.

    Objects that survive a garbage collection (modules, caches) are frozen, so that later collections are fast. A worker
    in which work failed is not reused.
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
