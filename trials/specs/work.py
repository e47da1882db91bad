"""Pieces of work: trials, teacher preparations and speed measurements. Torch-free."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from pydantic import Field

from search_spaces import digest
from trials.specs.dataset import DatasetSpec, FrozenSpec
from trials.specs.student import StudentSpec
from trials.specs.trial import PROTOCOL_VERSION, TeacherSpec, TeacherTask, TrialSpec


class SpeedSettings(FrozenSpec):
    """Settings of a speed measurement, the same for all models.

    Attributes:
        rows: Maximal number of test rows; the first ones are used.
        batch_size: Rows per batch, in the data's order.
        warm_up: Uncounted passes per model.
        rounds: Counted passes per model, interleaved.
        max_length: Longest input in tokens; None means the training recipe's.
        forward: The implementation: ``transformers``, as exported models are used, or ``kdstudy``, as in training.
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
        teacher, students, dataset: The models and the data set.
        max_length: Longest input in tokens.
        settings: The settings.
        data_fingerprint: Content hash of the data set's splits.
        sources: Reference and revision of the model that each model starts from; the teacher's comes first.
        fingerprints: Content hashes of those models.
        seed: Seed of new weights. Speed does not depend on it; with equal seeds the cache of initial models is shared.
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
        """24 hexadecimal digits: hash of the models, data and settings; the machine is no part of it."""
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
    """The id of a piece of work, which is also its record's key, unless a trial is stopped early."""
    if isinstance(work, SpeedTask):
        return work.speed_id
    return work.teacher_id if isinstance(work, TeacherTask) else work.trial_id


def record_ids(work: Work) -> tuple[str, ...]:
    """The keys that its record may have; if both exist the first one counts, because the search has used it."""
    if isinstance(work, TrialSpec) and work.stopping is not None:
        return work.stopped_id, work.trial_id
    return (work_id(work),)
