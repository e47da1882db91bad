"""Whether a triple fits paper D's methods: recurrent students, transfer sets, D's losses and schedules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from search_spaces import UNFREEZING_SCHEDULES, Configuration, Distance, Fault, Optimizer
from study.config import Study
from trials.models import NUM_RECURRENT_PARTS
from trials.readers import dataset_key
from trials.specs import Triple
from trials.tasks import Head, task_of
from trials.training import training_stages

OF_TEXTS = (Head.SEQUENCE,)


def transfer_faults(study: Study, triple: Triple) -> Iterator[Fault]:
    """Faults of a triple that uses paper D's methods.

    Args:
        study: The study.
        triple: The triple.
    """
    yield from _student_faults(study, triple)
    task, dataset, tried = task_of(triple.dataset), triple.dataset, study.tried
    if not dataset.has_transfer_set and any(each.transfer_rows for each in tried):
        message = f"data set {dataset.name} has no transfer set: set its `labelled` or `splits.unlabeled`"
        yield Fault("study file", "search.space (transfer_rows)", None, message)
    if dataset.has_transfer_set and any(each.compares_layers for each in tried):
        message = "layers are compared on labelled data only: set their weights to 0, or remove the transfer set"
        yield Fault("study file", dataset_key(dataset, "labelled"), dataset.name, message)
    of_texts = {
        "representation_weight": any(each.representation_weight for each in tried),
        "distance (logits, hard)": any(each.distance in (Distance.LOGITS, Distance.HARD) for each in tried),
        "labelled_per_class": any(each.labelled_per_class for each in tried),
    }
    if task.head not in (Head.SEQUENCE, Head.TOKENS) and any(each.optimizer is not Optimizer.ADAMW for each in tried):
        message = f"{dataset.task} ({dataset.name}) is trained with adamw only"
        yield Fault("study file", "search.space (optimizer)", None, message)
    right = task.head in OF_TEXTS and task.softmax
    for name in (name for name, is_tried in of_texts.items() if is_tried and not right):
        message = f"is for text classification, not for {dataset.task} ({dataset.name})"
        yield Fault("study file", f"search.space ({name})", None, message)


def _student_faults(study: Study, triple: Triple) -> Iterator[Fault]:
    """Tasks and layers that a student does not support, and schedules without an epoch for their last stage."""
    student, dataset = triple.student, triple.dataset
    key, head = f"students.{student.name}.architecture", task_of(dataset).head
    heads = OF_TEXTS if student.architecture.has_own_words else (Head.SEQUENCE, Head.TOKENS)
    if student.is_recurrent and head not in heads:
        yield Fault("study file", key, str(student.architecture), f"cannot do {dataset.task} (data set {dataset.name})")
    if not student.distil and not study.space.without_teacher().experiments:
        message = "this student learns without a teacher, but no experiment does: add one with soft_label_weight 0"
        yield Fault("study file", f"students.{student.name}.distil", False, message)
    if student.is_recurrent and any(each.compares_layers for each in study.tried):
        message = "has no layers to compare with a teacher's; use representation_weight instead"
        yield Fault("study file", key, str(student.architecture), message)
    unfreezing = [each for each in study.tried if each.schedule in UNFREEZING_SCHEDULES]
    if unfreezing and not student.is_recurrent:
        schedule = unfreezing[0].schedule
        message = f"schedule {schedule} is for recurrent students (bilstm, rnn); transformers need schedule joint"
        yield Fault("study file", key, str(student.architecture), message)
    epochs = study.student_recipe(dataset).epochs
    weights = study.space.soft_label_weight.then
    others = [replace(each, soft_label_weight=weight) for each in unfreezing for weight in weights]
    longest = max((_epochs_before_last(each) for each in (*unfreezing, *others)), default=0)
    if longest >= epochs:
        message = f"leaves no epoch for the last stage of {triple.triple_id}: the stages before it may take {longest}"
        yield Fault("study file", "training.epochs", epochs, message)


def _epochs_before_last(configuration: Configuration) -> int:
    return sum(stage.epochs or 0 for stage in training_stages(configuration.canonical(), parts=NUM_RECURRENT_PARTS))
