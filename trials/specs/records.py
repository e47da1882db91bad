"""What came of it: the immutable records of finished trials and prepared teachers. Torch-free."""

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
        """Whether the record holds final scores; a stopped trial's are those until then."""
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
        stage: The stage of its schedule that it was in, from 1; None of those that have one stage.
        stage_loss: The stage's own loss on the validation split, where that decides when it is over.
    """

    step: int
    epoch: float
    train_loss: float
    validation_score: float
    validation_loss: float
    stage: int | None = None
    stage_loss: float | None = None


def score_curve(points: Iterable[CurvePoint]) -> Curve:
    """What of some validations decides about early stopping."""
    return [(point.epoch, point.validation_score) for point in points]


StopCheck = Callable[[TrialSpec, Sequence[CurvePoint]], str | None]  # all validations -> why to stop early, or nothing


class RunInfo(_Record):
    """Where, when and with what a record was made.

    Attributes:
        started_at, finished_at: UTC, ISO 8601.
        seconds: Wall-clock seconds in all; of trials side by side, this one's share.
        host: Host name.
        device: ``cpu``, or the GPU's name.
        versions: Library versions by package.
        peak_memory_bytes: Most memory: of the GPU, or resident of the process; None where it is not known.
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
        spec: What was done.
        status: How it ended; the fields below are None or empty for a failed trial.
        reason: Why it failed; at which epoch and by what comparison it was stopped.
        curve: All validations, of a stopped trial those until then; the fields below are its best one's.
        best_step: The validation with the highest score (the first of equals), whose weights are tested.
        validation_score, validation_loss: At `best_step`.
        test_score: The data set's metric on test, at `best_step`.
        test_scores: All metrics of the task on test.
        train_seconds: Seconds in training steps, without evaluation.
        examples_per_second: Training examples over `train_seconds`.
        num_parameters: The student's parameters.
        micro_batch: Rows at a time, where memory did not hold a batch; None where it did.
        run: Where and when.
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
        """Its key in the ledger: the trial's id, but where it was stopped."""
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
        test_score: On test, for reading only; None for checkpoints that no criterion selected.
        fingerprint: Content hash of its weights; None where the weights were not kept.
        prediction_variance: Of its probabilities over the rows it teaches on (D, table 9), from 0 to (1/C) (1 - 1/C)
            for C classes; None of checkpoints that do not teach, of other tasks, and in older records.
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
        task: What was done.
        status, reason: How it ended.
        checkpoints: Every checkpoint that was scored.
        highest_score, lowest_loss: Positions of the selected ones in `checkpoints` (the first of equals).
        label_names: Labels in the order of the teacher's outputs.
        rows: Examples per split.
        majority_score: Test score of the best answer that is the same for all (a label; none); 0 where none scores.
        num_parameters: The teacher's parameters.
        micro_batch: As of `TrialRecord`, of its fine-tuning.
        run: Where and when.
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
    """How fast one model answers.

    Attributes:
        name: The teacher's or a student's.
        num_parameters: Its parameters.
        samples_per_second: Of each round.
    """

    name: str
    num_parameters: int
    samples_per_second: tuple[float, ...]

    @property
    def median(self) -> float:
        """Samples a second, median over rounds."""
        return median(self.samples_per_second)


class SpeedRecord(_Record):
    """Response times on one data set.

    Attributes:
        task: What was measured, and how.
        models: The teacher's first.
        threads: Torch threads.
        run: Where and when.
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
    """The id of the work that ended with a record."""
    return work_id(record.spec if isinstance(record, TrialRecord) else record.task)


KINDS: dict[Any, type[TrialRecord | TeacherRecord | SpeedRecord]] = {"teacher": TeacherRecord, "speed": SpeedRecord}


def parse_record(values: dict[str, Any]) -> Record:
    """A record from its JSON values.

    Raises:
        pydantic.ValidationError: The values are no record of this version.
    """
    return KINDS.get(values.get("kind"), TrialRecord).model_validate(values)
