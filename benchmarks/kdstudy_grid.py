"""kdstudy's own grid: a study of one triple whose search space is a list of learning rates, launched like any other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.grid import GridResult, Job, TrialResult
from study.config.study_file import Study, load_study
from study.ledger.record_files import Ledger
from trials.specs.records import TrialRecord
from trials.storage.workspace import Workspace


def run(job: Job) -> GridResult:
    """The teacher's outputs, then all trials, through `study.launching.launcher`."""
    from rich.console import Console

    from study.launching.launcher import launch
    from study.launching.options import LaunchOptions
    from study.launching.progress import Progress

    study, workspace = load_study(Path(job.study)), borrowed(Workspace(Path(job.prepared)), Path(job.scratch) / "study")
    started = time.perf_counter()
    if not job.gpus:  # on a GPU the first trial does it, there
        cache_teacher(study, workspace)
    cache_seconds = time.perf_counter() - started
    ended = launch(study, workspace, LaunchOptions(workers=job.workers), Progress(Console()))
    if not ended.finished:
        raise RuntimeError(f"the study did not finish: {ended.unfinished}")
    ledger = Ledger(workspace.ledger)
    ledger.refresh()
    records = {record.configuration.learning_rate: record for record in ledger.trials}
    events = [json.loads(line) for line in workspace.events.read_text(encoding="utf-8").splitlines()]
    trials = tuple(_result(records[rate], events) for rate in job.learning_rates if rate in records)
    return GridResult(trials, cache_seconds, units(events))


def borrowed(prepared: Workspace, root: Path) -> Workspace:
    """A new study directory with the prepared one's teacher and caches, but for the teacher's outputs."""
    workspace, outputs = Workspace(root), prepared.teacher_outputs("any").parent
    (root / "cache").mkdir(parents=True)
    (root / "teachers").symlink_to(prepared.root / "teachers")
    for folder in (prepared.root / "cache").iterdir():
        if folder != outputs:
            (root / "cache" / folder.name).symlink_to(folder)
    there, here = Ledger(prepared.ledger), Ledger(workspace.ledger)
    there.refresh()
    for record in there.teachers:
        here.write(record)
    return workspace


def cache_teacher(study: Study, workspace: Workspace) -> None:
    """Compute the teacher's outputs over the training rows, on one thread, as a worker would at a teacher's end."""
    import torch

    from trials.teachers.outputs import Teacher

    torch.set_num_threads(1)
    ledger = Ledger(workspace.ledger)
    ledger.refresh()
    (record,) = ledger.teachers
    task, fingerprint = record.task, record.selected("highest_score").fingerprint or ""
    teacher = Teacher.open(fingerprint, task.dataset, task.data_fingerprint, workspace)
    teacher.outputs("train", torch.device("cpu"))


def units(events: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    """Sizes of the vectorised units, from a study's events: a process starts all members of a unit before any ends."""
    by_process = sorted(events, key=lambda event: event["pid"])  # a stable sort: the order in each process remains
    runs = groupby(by_process, key=lambda event: (event["pid"], event["event"]))
    return tuple(len(list(members)) for (_, event), members in runs if event == "start")


def _result(record: TrialRecord, events: list[dict[str, Any]]) -> TrialResult:
    if record.train_seconds is None or record.validation_score is None:
        raise RuntimeError(f"a trial failed: {record.reason}")
    moments = {event["event"]: event["time"] for event in events if event["id"] == record.record_id}
    return TrialResult(
        learning_rate=record.configuration.learning_rate,
        seconds=record.run.seconds,
        train_seconds=record.train_seconds,
        validation_score=record.validation_score,
        test_scores=record.test_scores,
        started=datetime.fromisoformat(moments["start"]).timestamp(),
        ended=datetime.fromisoformat(moments["end"]).timestamp(),
        device=record.run.device,
    )
