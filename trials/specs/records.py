"""Records: the immutable results of finished trials, prepared teachers and speed measurements. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from search_spaces import Configuration
from trials.specs.early_stopping import Curve
from trials.specs.trial import TeacherTask, TrialSpec
from trials.specs.work import SpeedTask, work_id

RECORD_VERSION = 1


class Status(StrEnum):
    """How a trial ended."""

    COMPLETED = "completed"
    FAILED = "failed"  # deterministically: the same would happen again
    STOPPED = "stopped"  # early, by comparison with others

    @property
    def has_scores(self) -> bool:
        """Whether the record holds final scores; those of a stopped trial are not final."""
        return self is Status.COMPLETED


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CurvePoint(_Record):
    """One validation during training.

    Attributes:
        step: Optimizer steps done.
        epoch: Passes over the training data done.
        train_loss: Mean training loss since the previous point.
        validation_score: The task's metric, greater is better.
        validation_loss: Mean loss against the human labels (cross-entropy for classification).
        stage: The stage of the schedule, from 1; None if the schedule has a single stage.
        stage_loss: The stage's loss on the validation split; None where it does not decide the stage's end.
    """

    step: int
    epoch: float
    train_loss: float
    validation_score: float
    validation_loss: float
    stage: int | None = None
    stage_loss: float | None = None


def score_curve(points: Iterable[CurvePoint]) -> Curve:
    """The epochs and validation scores, which early stopping is based on."""
    return [(point.epoch, point.validation_score) for point in points]


StopCheck = Callable[
    [TrialSpec, Sequence[CurvePoint]], str | None
]  # (trial, all validations) -> why to stop early, or None


class RunInfo(_Record):
    """The circumstances in which a record was made.

    Attributes:
        started_at, finished_at: UTC, ISO 8601.
        seconds: Wall-clock seconds in total; trials that ran together have equal shares.
        host: Host name.
        device: ``cpu``, or the GPU's name.
        versions: Library versions by package.
        peak_memory_bytes: Peak memory of the GPU, or resident memory of the process; None if unknown.
    """

    started_at: str
    finished_at: str
    seconds: float
    host: str
    device: str
    versions: dict[str, str]
    peak_memory_bytes: int | None = None


class TrialRecord(_Record):
    """The result of one finished trial.

    Attributes:
        spec: The trial.
        status: How it ended; the fields below are None or empty for a failed trial.
        reason: Why it failed, or the epoch and comparison that stopped it early.
        curve: All validations, up to the early stop if there was one.
        best_step: Step of the validation with the highest score (the first of equals); its weights are tested.
        validation_score, validation_loss: At `best_step`.
        test_score: The data set's metric on test, at `best_step`.
        test_scores: All metrics of the task on test.
        train_seconds: Seconds in training steps, without evaluation.
        examples_per_second: Training examples divided by `train_seconds`.
        num_parameters: The student's parameters.
        micro_batch: Rows per forward and backward, where memory did not hold a whole batch; else None.
        run: The circumstances.
    """

    kind: Literal["trial"] = "trial"
    version: int = RECORD_VERSION
    spec: TrialSpec
    status: Status
    reason: str | None = None
    curve: tuple[CurvePoint, ...] = ()
    best_step: int | None = None
    validation_score: float | None = None
    validation_loss: float | None = None
    test_score: float | None = None
    test_scores: dict[str, float] = {}
    train_seconds: float | None = None
    examples_per_second: float | None = None
    num_parameters: int | None = None
    micro_batch: int | None = None
    run: RunInfo

    @property
    def record_id(self) -> str:
        """The key in the ledger: the trial's id, or `stopped_id` if it was stopped early."""
        return self.spec.stopped_id if self.status is Status.STOPPED else self.spec.trial_id

    @property
    def triple_id(self) -> str:
        """``teacher/student/dataset``."""
        return self.spec.triple.triple_id

    @property
    def configuration(self) -> Configuration:
        """The trial's configuration."""
        return self.spec.configuration


class TeacherCheckpointRecord(_Record):
    """One checkpoint of a teacher's fine-tuning.

    Attributes:
        step: Optimizer steps done; for a given checkpoint its position in the list.
        epoch: Passes over the data done.
        validation_score, validation_loss: On validation.
        test_score: On test; reported, never used for a decision. None for checkpoints that no criterion selected.
        fingerprint: Content hash of its weights; None if the weights were not kept.
        prediction_variance: Variance of its probabilities over the rows that students see (D, table 9), from 0 to
            (1/C) (1 - 1/C) for C classes; None for checkpoints that are not used, other tasks, and older records.
    """

    step: int
    epoch: float
    validation_score: float
    validation_loss: float
    test_score: float | None = None
    fingerprint: str | None = None
    prediction_variance: float | None = None


class TeacherRecord(_Record):
    """The result of preparing one teacher for one data set.

    Attributes:
        task: The preparation.
        status, reason: How it ended.
        checkpoints: All checkpoints that were scored.
        highest_score, lowest_loss: Positions of the selected checkpoints in `checkpoints` (the first of equals).
        label_names: Labels in the order of the teacher's outputs.
        rows: Examples per split.
        majority_score: Test score of the best constant prediction, such as the majority label; 0 where there is none.
        num_parameters: The teacher's parameters.
        micro_batch: As in `TrialRecord`, for the fine-tuning.
        run: The circumstances.
    """

    kind: Literal["teacher"] = "teacher"
    version: int = RECORD_VERSION
    task: TeacherTask
    status: Status
    reason: str | None = None
    checkpoints: tuple[TeacherCheckpointRecord, ...] = ()
    highest_score: int | None = None
    lowest_loss: int | None = None
    label_names: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    majority_score: float | None = None
    num_parameters: int | None = None
    micro_batch: int | None = None
    run: RunInfo

    @property
    def record_id(self) -> str:
        """The teacher's id, its key in the ledger."""
        return self.task.teacher_id

    @property
    def one_checkpoint(self) -> bool:
        """Whether both criteria selected the same checkpoint."""
        return self.highest_score == self.lowest_loss

    def selected(self, checkpoint: str) -> TeacherCheckpointRecord:
        """The checkpoint selected as ``highest_score`` or ``lowest_loss``.

        Raises:
            ValueError: The preparation failed, so that nothing is selected.
        """
        index: int | None = getattr(self, checkpoint)
        if index is None:
            raise ValueError(f"teacher {self.task.teacher.name} failed: {self.reason}")
        return self.checkpoints[index]


class ModelSpeed(_Record):
    """The inference speed of one model.

    Attributes:
        name: The teacher's or a student's.
        num_parameters: Its parameters.
        samples_per_second: One value per round.
    """

    name: str
    num_parameters: int
    samples_per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        """Samples per second, median over the rounds."""
        return median(self.samples_per_second)


class SpeedRecord(_Record):
    """Response times on one data set.

    Attributes:
        task: The measurement.
        models: The speeds; the teacher comes first.
        threads: Torch threads.
        run: The circumstances.
    """

    kind: Literal["speed"] = "speed"
    version: int = RECORD_VERSION
    task: SpeedTask
    status: Status = Status.COMPLETED
    reason: str | None = None
    models: tuple[ModelSpeed, ...]
    threads: int
    run: RunInfo

    @property
    def record_id(self) -> str:
        """The measurement's id, its key in the ledger."""
        return self.task.speed_id


Record = TrialRecord | TeacherRecord | SpeedRecord


def work_id_of_record(record: Record) -> str:
    """The id of the work that produced a record."""
    return work_id(record.spec if isinstance(record, TrialRecord) else record.task)


KINDS: dict[Any, type[TrialRecord | TeacherRecord | SpeedRecord]] = {"teacher": TeacherRecord, "speed": SpeedRecord}


def parse_record(values: dict[str, Any]) -> Record:
    """A record from its JSON values.

    Raises:
        pydantic.ValidationError: The values are no record of this version.
    """
    return KINDS.get(values.get("kind"), TrialRecord).model_validate(values)
