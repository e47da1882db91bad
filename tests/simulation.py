"""Studies without training: a score function stands for the trials, so that search and analysis are tested fast."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from search_spaces.configuration import Configuration
from search_spaces.space import SearchSpace, load_space
from study.config.study_file import SearchConfig, Study, StudyConfig
from study.search.fingerprints import Fingerprints
from study.search.study_search import StudySearch
from trials.specs.dataset import DatasetSpec, TaskName
from trials.specs.records import (
    CurvePoint,
    ModelSpeed,
    Record,
    RunInfo,
    SpeedRecord,
    Status,
    TeacherCheckpointRecord,
    TeacherRecord,
    TrialRecord,
)
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TeacherTask, TrialSpec
from trials.specs.work import SpeedTask, Work

Scores = Callable[[TrialSpec], tuple[float, float] | None]
"""trial -> (validation score, test score), or None for a failed trial"""
Stops = Callable[[TrialSpec], bool]
"""trial -> whether it is stopped early, if it may be"""


def make_study(
    *,
    datasets: int = 2,
    students: int = 2,
    tasks: Sequence[TaskName] = (TaskName.CLASSIFICATION,),
    space: SearchSpace | None = None,
    **overrides: object,
) -> Study:
    """A study of one teacher that needs no data; its data sets take the tasks in turn."""
    values = {
        "name": "simulated",
        "datasets": [
            DatasetSpec.model_validate({"name": f"data{i}", "task": tasks[i % len(tasks)], "path": f"/nowhere/data{i}"})
            for i in range(datasets)
        ],
        "teachers": [TeacherSpec(name="teacher", model="model")],
        "students": [StudentSpec(name=f"{i + 2}L", source="teacher", layers=i + 2) for i in range(students)],
        "search": SearchConfig(space=space or load_space("paper_a")),
    }
    return Study(StudyConfig.model_validate({**values, **overrides}), Path("simulated.yaml"))


def fingerprints_of(study: Study) -> Fingerprints:
    """Made-up fingerprints of a simulated study's inputs."""
    models = {study.teacher_source(t, d): f"model-{t.name}" for t, d in study.teacher_pairs}
    models |= {study.student_source(s): f"source-{study.student_source(s)[0]}" for s in study.config.students}
    return Fingerprints({d.name: f"data-{d.name}" for d in study.config.datasets}, models)


def make_search(study: Study, records: list[Record] | None = None) -> StudySearch:
    """A study's search over some records."""
    return StudySearch(study, fingerprints_of(study), records or [])


def hashed_score(trial: TrialSpec) -> tuple[float, float]:
    """A reproducible, arbitrary score of each trial: validation in [.7, .9), test nearby."""
    noise = hashlib.sha256(trial.trial_id.encode()).digest()
    validation = 0.7 + 0.2 * noise[0] / 256
    return validation, validation + 0.02 * (noise[1] / 256 - 0.5)


def do_work(
    work: Work, scores: Scores = hashed_score, *, one_checkpoint: bool = False, stops: Stops = lambda trial: False
) -> Record:
    """The record that some work would end with."""
    if isinstance(work, SpeedTask):
        return speed_record(work)
    return teacher_record(work, one_checkpoint) if isinstance(work, TeacherTask) else trial_record(work, scores, stops)


def run_study(study: Study, scores: Scores = hashed_score, **how: Any) -> list[Record]:
    """Run a simulated study to its end; the records in the order of their making."""
    search, records = make_search(study), []
    while work := search.propose():
        record = do_work(work[0], scores, **how)
        records.append(record)
        search.observe(record)
    return records


def trial_record(trial: TrialSpec, scores: Scores, stops: Stops = lambda trial: False) -> TrialRecord:
    """The record of one simulated trial."""
    result = scores(trial)
    if result is None:
        return TrialRecord(spec=trial, status=Status.FAILED, reason="the loss became NaN at step 3", run=_run_info())
    validation, test = result
    stopped = trial.stopping is not None and stops(trial)
    point = CurvePoint(step=10, epoch=1.0, train_loss=0.5, validation_score=validation, validation_loss=0.4)
    return TrialRecord(
        spec=trial,
        status=Status.STOPPED if stopped else Status.COMPLETED,
        reason="at epoch 1: others are better" if stopped else None,
        curve=(point,),
        best_step=10,
        validation_score=validation,
        validation_loss=0.4,
        test_score=test,
        test_scores={trial.triple.dataset.metric: test},
        train_seconds=8.0,
        examples_per_second=100.0,
        num_parameters=1_000_000,
        run=_run_info(),
    )


def teacher_record(task: TeacherTask, one_checkpoint: bool) -> TeacherRecord:
    """The record of one simulated teacher: three checkpoints; the last scores highest, the second has least loss.

    Scores of translation are between 0 and 100, and only classes have a constant answer that scores.
    """
    full = 100 if task.dataset.metric in ("bleu", "chrf") else 1
    points = [(0.80, 0.6), (0.85, 0.3 if not one_checkpoint else 0.5), (0.90, 0.4)]
    checkpoints = tuple(
        TeacherCheckpointRecord(
            step=10 * (i + 1),
            epoch=i + 1.0,
            validation_score=full * score,
            validation_loss=loss,
            test_score=full * (score - 0.01),
            fingerprint=f"{task.teacher_id}-{i}",
        )
        for i, (score, loss) in enumerate(points)
    )
    return TeacherRecord(
        task=task,
        status=Status.COMPLETED,
        checkpoints=checkpoints,
        highest_score=2,
        lowest_loss=2 if one_checkpoint else 1,
        label_names=("no", "yes"),
        rows={"train": 1000, "validation": 200, "test": 200},
        majority_score=0.5 if task.dataset.task is TaskName.CLASSIFICATION else 0.0,
        num_parameters=2_000_000,
        run=_run_info(),
    )


def speed_record(task: SpeedTask) -> SpeedRecord:
    """The record of simulated response times: smaller models are faster."""
    names = [task.teacher.name, *(student.name for student in task.students)]
    models = tuple(
        ModelSpeed(name=name, num_parameters=2_000_000 // (i + 1), samples_per_second=(90.0 + 30 * i, 100.0 + 30 * i))
        for i, name in enumerate(names)
    )
    return SpeedRecord(task=task, models=models, threads=1, run=_run_info())


def configurations(records: list[Record]) -> list[Configuration]:
    """The configurations of the trials among some records."""
    return [record.configuration for record in records if isinstance(record, TrialRecord)]


def _run_info() -> RunInfo:
    moment = "2026-01-01T00:00:00+00:00"
    return RunInfo(started_at=moment, finished_at=moment, seconds=10.0, host="host", device="cpu", versions={})


def drawn_score(salt: int) -> Scores:
    """Validation and test scores drawn at random, the same ones for equal salts."""

    def score(trial: TrialSpec) -> tuple[float, float]:
        noise = hashlib.sha256(f"{salt} {trial.trial_id}".encode()).digest()
        return noise[0] / 256, noise[1] / 256

    return score
