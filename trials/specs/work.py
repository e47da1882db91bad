"""Pieces of work: trials, preparations of teachers, and the measurement of response times. Torch-free."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from search_spaces import digest
from trials.specs.dataset import DatasetSpec, FrozenSpec
from trials.specs.student import StudentSpec
from trials.specs.trial import PROTOCOL_VERSION, TeacherSpec, TeacherTask, TrialSpec


class SpeedSettings(FrozenSpec):
    """How response times are measured: the same for all models.

    Attributes:
        rows: Test rows, the first ones, at most.
        batch_size: Rows a batch, in the data's order.
        warm_up: Passes of each model that are not counted.
        rounds: Counted passes of each model, interleaved.
        max_length: Longest input in tokens; None means the training recipe's.
        forward: Whose: ``transformers``, as exported models are used, or ``kdstudy``, as students are trained.
    """

    rows: int = Field(512, gt=0)
    batch_size: int = Field(32, gt=0)
    warm_up: int = Field(1, ge=0)
    rounds: int = Field(5, gt=0)
    max_length: int | None = Field(None, gt=2)
    forward: Literal["transformers", "kdstudy"] = "transformers"


class SpeedTask(FrozenSpec):
    """The measurement of a teacher's and its students' response times on one data set.

    Attributes:
        teacher, students, dataset: Of whom, on what.
        max_length: Longest input in tokens.
        settings: How.
        data_fingerprint: Content hash of the data set's splits.
        sources: Reference and revision of the model that each starts from, the teacher's first.
        fingerprints: Content hashes of those models.
        seed: Of weights that those models lack; speed does not depend on it, and trials have the same models.
    """

    teacher: TeacherSpec
    students: tuple[StudentSpec, ...]
    dataset: DatasetSpec
    max_length: int
    settings: SpeedSettings
    data_fingerprint: str
    sources: tuple[tuple[str, str], ...]
    fingerprints: tuple[str, ...]
    seed: int = 0

    @cached_property
    def speed_id(self) -> str:
        """24 hexadecimal digits: hash of all that is measured, and how; not of the machine."""
        identity = {
            "protocol": PROTOCOL_VERSION,
            "speed": self.settings.model_dump(mode="json", exclude={"max_length"}),
            "pair": [self.teacher.name, self.dataset.name],
            "students": {student.name: student.shape for student in self.students},
            "task": [self.dataset.task, *self.dataset.encoding_options],
            "max_length": self.max_length,
            "fingerprints": [self.data_fingerprint, self.fingerprints],
        }
        return digest(identity)[:24]


Work = TeacherTask | TrialSpec | SpeedTask


def work_id(work: Work) -> str:
    """What a piece of work is called: the key of its record in the ledger, but for a trial that is stopped early."""
    if isinstance(work, SpeedTask):
        return work.speed_id
    return work.teacher_id if isinstance(work, TeacherTask) else work.trial_id


def record_ids(work: Work) -> tuple[str, ...]:
    """The keys that its record may have; where both have one, the first counts: others were tried in view of it."""
    if isinstance(work, TrialSpec) and work.stopping is not None:
        return work.stopped_id, work.trial_id
    return (work_id(work),)
