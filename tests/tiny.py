"""Trials on the tiny model and data of `conftest`: specifications, a prepared teacher, a workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from search_spaces.configuration import Configuration
from search_spaces.space import load_space
from trials.datasets.loading import load_dataset_splits
from trials.models.pretrained import model_fingerprint, models_fingerprint
from trials.specs.dataset import DatasetSpec
from trials.specs.records import TeacherRecord, TrialRecord
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec, TeacherTask, TrainingRecipe, TrialSpec, Triple
from trials.storage.workspace import Workspace
from trials.training import stacked_runs as unit
from trials.workers.run_work import run_work

RECIPE = TrainingRecipe(epochs=2, batch_size=16, max_length=16)
TEACHER_RECIPE = TrainingRecipe(epochs=8, batch_size=16, max_length=16, learning_rate=0.003, evaluate_every=3)


@dataclass(frozen=True)
class Tiny:
    """A prepared teacher and what trials need."""

    model: Path
    workspace: Workspace
    task: TeacherTask
    teacher: TeacherRecord

    def trial(self, *, seed: int = 13, student: StudentSpec | None = None, **changes: object) -> TrialSpec:
        """A trial; keywords replace parameters of the default configuration."""
        configuration = replace(tiny_configuration(), **changes).canonical()
        student = student or StudentSpec(name="2L", source="tiny", layers=2)
        return TrialSpec(
            triple=Triple(teacher=self.task.teacher, student=student, dataset=self.task.dataset),
            configuration=configuration,
            seed=seed,
            training=RECIPE,
            data_fingerprint=self.task.data_fingerprint,
            teacher_fingerprint=self.teacher.selected(configuration.teacher_checkpoint).fingerprint,
            source_fingerprint=model_fingerprint(self.model),
        )

    def run(self, spec: TrialSpec, **options: float):
        """The trial's record."""
        return run_work(spec, (str(self.model), ""), self.workspace, **options)


def tiny_configuration() -> Configuration:
    return replace(load_space("paper_a").default(), learning_rate=0.003)


def tiny_task(
    model: Path, data: Path, *, teacher: TeacherSpec | None = None, dataset: DatasetSpec | None = None
) -> TeacherTask:
    """The preparation of a teacher."""
    dataset = dataset or DatasetSpec(name="words", task="classification", path=str(data), labels=("bad", "good"))
    teacher = teacher or TeacherSpec(name="tiny", model=str(model))
    folders = [Path(folder) for folder in teacher.checkpoints.get(dataset.name, ())] or [model]
    return TeacherTask(
        teacher=teacher,
        dataset=dataset,
        training=TEACHER_RECIPE,
        data_fingerprint=load_dataset_splits(dataset).fingerprint,
        model_fingerprint=models_fingerprint(folders),
    )


def prepare(model: Path, data: Path, root: Path, **parts: object) -> Tiny:
    """Prepare a tiny teacher in a new workspace."""
    workspace, task = Workspace(root), tiny_task(model, data, **parts)
    record = run_work(task, ("", ""), workspace)
    return Tiny(model, workspace, task, record)


def assert_killed_ends_as(expected: TrialRecord, spec: TrialSpec, at: int, tiny: Tiny) -> None:
    """Kill a trial before a step, let it go on, and compare."""
    steps, step = 0, unit.StackedRuns.step

    def deadly(self, batch, share):
        nonlocal steps
        steps += 1
        if steps == at:
            raise KeyboardInterrupt
        step(self, batch, share)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unit.StackedRuns, "step", deadly)
        with pytest.raises(KeyboardInterrupt):
            tiny.run(spec, checkpoint_seconds=0)
    again = tiny.run(spec, checkpoint_seconds=0)
    assert steps == at
    assert [point.model_dump() for point in again.curve] == [point.model_dump() for point in expected.curve]
    assert again.test_scores == expected.test_scores
