"""Preparation of a teacher: fine-tune it or take given checkpoints, score all, and select two (A, section 2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from search_spaces import digest
from trials.datasets import InputsChanged, TokenizedData, load_tokenized, match_labels, set_label_names
from trials.evaluation import as_tensors, evaluate, write_examples
from trials.models import load_model, model_fingerprint, model_folder, models_fingerprint
from trials.networks import Network, open_network
from trials.specs import Precision, TaskName, TeacherCheckpointRecord, TeacherTask
from trials.storage import Workspace
from trials.tasks import Head, Task, prediction_variance, task_of
from trials.teachers.checkpoints import TeacherSettings, store_fine_tuned, store_given
from trials.teachers.language_adaptation import adapt_teacher
from trials.teachers.outputs import Teacher, TeacherOutputs, TopKOutputs
from trials.training import (
    HIGHEST_SCORE,
    LOWEST_LOSS,
    WHOLE_BATCH,
    Batch,
    CheckpointFile,
    TermCounts,
    TrainingResult,
    TrainingRun,
    Validation,
    set_weights,
    train,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def prepare_teacher(
    task: TeacherTask,
    workspace: Workspace,
    device: torch.device,
    checkpoint_seconds: float,
    micro_batch: int | None = None,
) -> dict[str, object]:
    """Prepare a teacher and cache its outputs for the rows that students train on.

    Args:
        task: The preparation.
        workspace: The study's directory.
        device: Where to compute.
        checkpoint_seconds: Shortest time between two checkpoints.
        micro_batch: Rows per forward and backward, where memory does not hold a whole batch.

    Returns:
        Fields of the `TeacherRecord`.

    Raises:
        InputError: Model or data are not usable.
        InputsChanged: Model or data changed since the study was launched.
        TrialFailed: Fine-tuning diverged.
    """
    given = task.teacher.checkpoints.get(task.dataset.name)
    if given:
        folders = [model_folder(reference) for reference in given]
    else:
        folders = [model_folder(task.teacher.model, task.teacher.revision)]
    if models_fingerprint(folders) != task.model_fingerprint:
        raise InputsChanged(
            f"the model of teacher {task.teacher.name} changed since the study was launched; launch it again"
        )
    data = load_tokenized(task.dataset, task.data_fingerprint, folders[0], task.training.max_length, workspace)
    if given:
        checkpoints, num_parameters = _score_given(folders, task, data, workspace, device)
    else:
        source = folders[0]
        how = device, checkpoint_seconds, micro_batch
        if task.teacher.adapt is not None:
            source = adapt_teacher(task, task.teacher.adapt, source, data, workspace, *how)
        checkpoints, num_parameters, micro_batch = _fine_tune(source, task, data, workspace, *how)
    highest = max(range(len(checkpoints)), key=lambda i: checkpoints[i].validation_score)
    lowest = min(range(len(checkpoints)), key=lambda i: checkpoints[i].validation_loss)
    for index in {highest, lowest}:
        fingerprint = checkpoints[index].fingerprint or ""
        teacher = Teacher.open(fingerprint, task.dataset, task.data_fingerprint, workspace)
        outputs: TeacherOutputs | TopKOutputs
        if task.dataset.has_transfer_set:
            outputs, _ = teacher.outputs_and_states("unlabeled", device)
        else:
            outputs = teacher.outputs("train", device, top_k=task.training.teacher_top_k)
        if task.dataset.task is TaskName.CLASSIFICATION:
            assert isinstance(outputs, TeacherOutputs)
            noted = {"prediction_variance": prediction_variance(outputs.values)}
            checkpoints[index] = checkpoints[index].model_copy(update=noted)
    if task_of(task.dataset).head is Head.SEQUENCE:
        write_examples(task.dataset, task.data_fingerprint, workspace)
    return {
        "checkpoints": checkpoints,
        "highest_score": highest,
        "lowest_loss": lowest,
        "label_names": data.label_names,
        "rows": {name: task_of(task.dataset).num_examples(split) for name, split in data.splits.items()},
        "majority_score": task_of(task.dataset).trivial_baseline_score(
            task.dataset.metric, data.splits["train"], data.splits["test"], data.label_names
        ),
        "num_parameters": num_parameters,
        "micro_batch": None if given else micro_batch,
    }


def _fine_tune(
    source: Path,
    task: TeacherTask,
    data: TokenizedData,
    workspace: Workspace,
    device: torch.device,
    checkpoint_seconds: float,
    micro_batch: int | None,
) -> tuple[list[TeacherCheckpointRecord], int, int | None]:
    """Fine-tune on human labels; every validation is a checkpoint, and the weights of the selected ones are stored.

    Returns:
        The checkpoints, the number of parameters, and the size of micro-batches if there were any.
    """
    kind, recipe = task_of(task.dataset), task.training
    network = open_network(_initial(source, task, data, workspace), data, recipe.precision, device)
    train_split = data.splits["train"]

    def draw(rows: np.ndarray) -> Batch:
        targets = as_tensors(kind.targets(train_split, rows), device)
        return Batch(network.inputs(train_split, rows), targets, len(rows))

    def validate() -> Validation:
        found, loss = evaluate(kind, network, data.splits["validation"])
        return Validation(found[task.dataset.metric], loss)

    def loss(outputs: Tensor, targets: Any, share: TermCounts = WHOLE_BATCH) -> Tensor:
        return share.hard_terms * kind.hard_loss(outputs, targets)

    def count(rows: np.ndarray) -> TermCounts:
        return TermCounts(hard_terms=kind.num_loss_terms(train_split, rows))

    checkpoint = CheckpointFile.of(task.teacher_id, workspace, checkpoint_seconds)
    run = TrainingRun(network, loss, validate, recipe.learning_rate, checkpoint)
    train(
        [run],
        draw,
        num_examples=len(train_split),
        recipe=recipe,
        seed=task.teacher.seed,
        selections=(HIGHEST_SCORE, LOWEST_LOSS),
        micro_batch=micro_batch,
        count=count,
    )
    if run.failure is not None:
        raise run.failure
    checkpoints = _stored(run.result, network, source, task, data, workspace)
    return checkpoints, network.num_parameters(), run.result.micro_batch


def _stored(
    result: TrainingResult,
    network: Network,
    source: Path,
    task: TeacherTask,
    data: TokenizedData,
    workspace: Workspace,
) -> list[TeacherCheckpointRecord]:
    """All validations as checkpoints; those that were selected have stored weights and a test score."""
    kept: dict[int, tuple[str, float]] = {}
    for name, index in result.best.items():
        set_weights(network, result.weights[name])
        settings = TeacherSettings(task.training.max_length, list(range(len(data.label_names))))
        fingerprint = store_fine_tuned(network, source, settings, workspace)
        answers = workspace.predictions(f"{task.teacher_id}-{fingerprint}")
        found, _ = evaluate(task_of(task.dataset), network, data.splits["test"], keep=answers)
        workspace.share(answers)
        kept[index] = (fingerprint, found[task.dataset.metric])
    return [
        TeacherCheckpointRecord(
            step=point.step,
            epoch=point.epoch,
            validation_score=point.validation_score,
            validation_loss=point.validation_loss,
            fingerprint=kept.get(index, (None, None))[0],
            test_score=kept.get(index, (None, None))[1],
        )
        for index, point in enumerate(result.curve)
    ]


def _score_given(
    folders: list[Path], task: TeacherTask, data: TokenizedData, workspace: Workspace, device: torch.device
) -> tuple[list[TeacherCheckpointRecord], int]:
    """Score given checkpoints; nothing is trained."""
    kind, checkpoints, num_parameters = task_of(task.dataset), [], 0
    for index, folder in enumerate(folders):
        order = _label_order(folder, kind, data)
        fingerprint = store_given(folder, kind.head, TeacherSettings(task.training.max_length, order), workspace)
        network = open_network(workspace.teacher(fingerprint), data, Precision.FP32, device)
        kept = workspace.predictions(f"{task.teacher_id}-{fingerprint}")
        validation, validation_loss = evaluate(kind, network, data.splits["validation"], order)
        test, _ = evaluate(kind, network, data.splits["test"], order, kept)
        workspace.share(kept)
        checkpoints.append(
            TeacherCheckpointRecord(
                step=index,
                epoch=0,
                validation_score=validation[task.dataset.metric],
                validation_loss=validation_loss,
                test_score=test[task.dataset.metric],
                fingerprint=fingerprint,
            )
        )
        num_parameters = network.num_parameters()
    return checkpoints, num_parameters


def _initial(source: Path, task: TeacherTask, data: TokenizedData, workspace: Workspace) -> Path:
    """The folder of the pretrained model with a new head."""

    def build(target: Path) -> None:
        torch.manual_seed(task.teacher.seed)
        config = set_label_names(_config(source), data.label_names, data.head)
        load_model(source, data.head, config=config).save_pretrained(target)

    key = digest(["teacher", model_fingerprint(source), data.head, data.label_names, task.teacher.seed])[:24]
    return workspace.build_once(workspace.initial(key), build)


def _config(folder: Path) -> PreTrainedConfig:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _label_order(folder: Path, kind: Task, data: TokenizedData) -> list[int]:
    """The position of each output of the task in the given model's output."""
    if kind.output_names:
        return list(range(len(kind.output_names)))
    return match_labels(_config(folder).id2label or {}, data.label_names, folder)
