"""A trial that memory does not hold goes on with parts of its batches: the same gradients; what holds no row fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_tasks import made_dataset
from tiny import Tiny, prepare, tiny_configuration

from search_spaces.configuration import Distance, Schedule
from trials.datasets.tokenized_data import load_tokenized
from trials.evaluation import outputs as evaluation
from trials.models.pretrained import model_folder
from trials.networks.loading import open_network
from trials.networks.packed_network import PackedNetwork
from trials.objectives.objective import Objective
from trials.objectives.registry import make_objective
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.specs.trial import TeacherSpec, TrialSpec
from trials.students.registry import initial_student, tokenizer_folder
from trials.tasks.registry import task_of
from trials.teachers.outputs import Teacher
from trials.training.loop import _micro_batches
from trials.training.memory import OneRowTooLarge, is_out_of_memory, map_batches, retry_with_smaller_batches
from trials.training.stacked_runs import StackedRuns
from trials.training.training_run import TrialFailed

CPU = torch.device("cpu")
ROWS = np.array([3, 17, 5, 40, 8, 61, 2])  # of unequal lengths; 7 in parts of 3: 3, 3, 1
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError("Unable to allocate 9.31 GiB for an array"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_out_of_memory_is_known_by_class_or_words_and_as_the_cause_of_another(error: Exception):
    assert is_out_of_memory(error)
    later = RuntimeError("operation failed due to a previous error during capture")
    later.__context__ = error
    assert is_out_of_memory(later)
    assert not is_out_of_memory(RuntimeError("shapes differ"))
    assert not is_out_of_memory(OSError(28, "No space left on device"))


def test_rows_are_halved_down_to_one_and_then_it_failed():
    tried = []

    def never(micro_batch):
        tried.append(micro_batch)
        raise MemoryError

    with pytest.raises(TrialFailed, match="out of memory at 1 row a step"):
        retry_with_smaller_batches(never, 12)
    assert tried == [None, 6, 3, 1]
    assert retry_with_smaller_batches(lambda micro: micro, 12) is None


def test_other_errors_are_not_tried_again():
    with pytest.raises(OSError, match="full"):
        retry_with_smaller_batches(lambda micro: (_ for _ in ()).throw(OSError("disk full")), 12)


def test_evaluation_computes_each_row_once_in_halves_that_fit():
    seen = []

    def at_most_three(rows):
        if len(rows) > 3:
            raise MemoryError
        seen.extend(rows.tolist())
        return rows * 2

    found = list(map_batches(at_most_three, [np.arange(10), np.arange(10, 12)]))
    assert seen == list(range(12))
    assert all((result == rows * 2).all() for rows, result in found)
    with pytest.raises(OneRowTooLarge, match="out of memory at 1 row in evaluation"):
        list(map_batches(lambda rows: (_ for _ in ()).throw(MemoryError()), [np.arange(4)]))


# Gradients


def objective_for(tiny: Tiny, spec: TrialSpec) -> Objective:
    """What a trial learns from, without any dropout, the optimizer's noise or Ray."""
    triple = spec.triple
    kind = task_of(triple.dataset)
    source = model_folder(str(tiny.model), None)
    folder = tokenizer_folder(triple.student, source, triple.dataset, spec.data_fingerprint, tiny.workspace)
    data = load_tokenized(triple.dataset, spec.data_fingerprint, folder, spec.training.max_length, tiny.workspace)
    teacher = Teacher.open(spec.teacher_fingerprint, triple.dataset, spec.data_fingerprint, tiny.workspace)
    initial = initial_student(triple.student, folder, data.label_names, spec.seed, tiny.workspace, data.head)
    attention = spec.configuration.attention_weight > 0
    student = open_network(initial, data, spec.training.precision, CPU, attention=attention).double()
    return make_objective([spec], kind, data, teacher, [student], CPU)


def without_dropout(network: torch.nn.Module) -> None:
    """In training, but for what is drawn."""
    network.eval()


def gradients(objective: Objective, rows: np.ndarray, size: int | None) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of a batch, whole or in parts of a size."""
    (student,) = objective.students
    without_dropout(student.network)
    student.network.zero_grad()
    total = 0.0
    if size is None:
        batch = objective.draw(rows)
        loss = student.loss(student.network(batch.inputs), batch.targets)
        loss.backward()
        total = float(loss.detach())
    else:
        for batch, share in _micro_batches(rows, size, objective.draw, objective.count):
            loss = student.loss(student.network(batch.inputs), batch.targets, share)
            loss.backward()
            total += float(loss.detach())
    return total, {name: p.grad.clone() for name, p in student.network.named_parameters() if p.grad is not None}


def assert_parts_are_the_whole(objective: Objective) -> None:
    loss, expected = gradients(objective, ROWS, None)
    assert expected
    for size in (1, 3):
        again, found = gradients(objective, ROWS, size)
        assert again == pytest.approx(loss, rel=1e-6)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=0, atol=1e-6, msg=name)


CHANGES = {
    "soft": {},
    "both": {"soft_label_weight": 0.5, "temperature": 2.0},
    "mse": {"distance": Distance.MSE, "soft_label_weight": 0.7},
    "layers": {"hidden_weight": 1.0, "cosine_weight": 0.5, "soft_label_weight": 0.5, "schedule": Schedule.JOINT},
    "attention": {"attention_weight": 1.0, "soft_label_weight": 0.5, "schedule": Schedule.JOINT},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_gradients_of_parts_add_up_to_those_of_the_batch(tiny: Tiny, changes: dict):
    assert_parts_are_the_whole(objective_for(tiny, tiny.trial(**changes)))


def test_gradients_of_parts_of_a_transfer_objective_add_up(tiny_transfer: Tiny):
    changes = {"representation_weight": 0.5, "soft_label_weight": 0.4, "distance": Distance.LOGITS}
    spec = tiny_transfer.trial(**changes)
    assert spec.uses_transfer_objective
    assert_parts_are_the_whole(objective_for(tiny_transfer, spec))


TASKS = [TaskName.TOKEN_CLASSIFICATION, TaskName.QUESTION_ANSWERING, TaskName.TRANSLATION, TaskName.REGRESSION]


@pytest.mark.parametrize("task", TASKS)
def test_gradients_of_parts_add_up_in_every_task(
    task: TaskName, tiny_model: Path, tiny_translator: Path, tmp_path: Path
):
    model = tiny_translator if task is TaskName.TRANSLATION else tiny_model
    dataset = made_dataset(task, tmp_path / "data")
    teacher = TeacherSpec(name="tiny", model=str(model))
    tiny = prepare(model, tmp_path / "data", tmp_path / "study", dataset=dataset, teacher=teacher)
    configuration = replace(tiny_configuration(), soft_label_weight=0.5)
    spec = tiny.trial().model_copy(
        update={"configuration": configuration if task_of(dataset).softmax else configuration.without_softmax()}
    )
    assert_parts_are_the_whole(objective_for(tiny, spec))


# Trials


def out_of_memory_above(monkeypatch: pytest.MonkeyPatch, rows: int) -> list[int]:
    """Let a forward in training of more rows than this run out of memory; the sizes that were tried."""
    tried, forward = [], PackedNetwork.forward

    def limited(self, batch):
        if self.training and torch.is_grad_enabled():
            tried.append(len(batch.rows))
            if len(batch.rows) > rows:
                raise ERRORS[1]
        return forward(self, batch)

    monkeypatch.setattr(PackedNetwork, "forward", limited)
    return tried


def test_trial_that_memory_does_not_hold_is_completed_with_its_micro_batch_noted(tiny: Tiny, monkeypatch):
    spec = tiny.trial(seed=14)
    whole = tiny.run(spec)
    tried = out_of_memory_above(monkeypatch, 5)
    record = tiny.run(spec, checkpoint_seconds=0)
    assert (record.status, record.micro_batch, whole.micro_batch) == (Status.COMPLETED, 4, None)
    # 16 rows, then 8, then each of 2 epochs' 6 batches in 4 parts
    assert tried == [16, 8, *[4] * 48]
    assert record.record_id == whole.record_id
    # Dropout is drawn otherwise; what is drawn from, and how often is validated, is the same
    assert [point.step for point in record.curve] == [point.step for point in whole.curve]


def test_parts_of_batches_train_the_same_weights_without_dropout(tiny: Tiny, monkeypatch):
    # A network without dropout: its curve in parts is that of whole batches
    train_mode = torch.nn.Module.train
    monkeypatch.setattr(PackedNetwork, "train", lambda self, mode=True: train_mode(self, mode=False))
    spec = tiny.trial(seed=15)
    whole = tiny.run(spec)
    step, failures = StackedRuns.step, []

    def too_large(self, batch, share):
        failures.append(batch.size)
        raise MemoryError

    monkeypatch.setattr(StackedRuns, "step", too_large)
    record = tiny.run(spec)
    assert (record.micro_batch, failures) == (8, [16])
    for one, two in zip(record.curve, whole.curve, strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, rel=1e-5)
        assert one.validation_loss == pytest.approx(two.validation_loss, rel=1e-5)
    assert record.test_scores == whole.test_scores
    monkeypatch.setattr(StackedRuns, "step", step)


def test_run_that_was_killed_goes_on_with_its_micro_batch(tiny: Tiny, monkeypatch):
    spec = tiny.trial(seed=16)
    tried = out_of_memory_above(monkeypatch, 8)
    expected = tiny.run(spec)
    in_parts, steps = StackedRuns.step_in_micro_batches, 0

    def deadly(self, parts, share):
        nonlocal steps
        steps += 1
        if steps == 5:
            raise KeyboardInterrupt
        in_parts(self, parts, share)

    with monkeypatch.context() as patch:
        patch.setattr(StackedRuns, "step_in_micro_batches", deadly)
        with pytest.raises(KeyboardInterrupt):
            tiny.run(spec, checkpoint_seconds=0)
    tried.clear()
    again = tiny.run(spec, checkpoint_seconds=0)
    assert tried == [8] * 16  # no whole batch is tried again, and only the last 8 of 12 steps are done
    assert (again.curve, again.test_scores, again.micro_batch) == (expected.curve, expected.test_scores, 8)


def test_trial_that_no_memory_holds_is_recorded_as_failed(tiny: Tiny, monkeypatch):
    out_of_memory_above(monkeypatch, 0)
    record = tiny.run(tiny.trial(seed=17))
    assert (record.status, record.reason) == (Status.FAILED, "out of memory at 1 row a step")


def test_teacher_that_memory_does_not_hold_is_prepared_in_parts(tiny: Tiny, tiny_model, tiny_data, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        out_of_memory_above(patch, 8)
        record = prepare(tiny_model, tiny_data, tmp_path).teacher
    assert (record.status, record.micro_batch) == (Status.COMPLETED, 8)
    assert len(record.checkpoints) == len(tiny.teacher.checkpoints)


def test_predictions_in_halves_are_those_of_whole_batches(tiny: Tiny, monkeypatch):
    spec = tiny.trial()
    data = load_tokenized(
        spec.triple.dataset, spec.data_fingerprint, tiny.model, spec.training.max_length, tiny.workspace
    )
    network = open_network(tiny.workspace.teacher(spec.teacher_fingerprint), data, spec.training.precision, CPU)
    expected = evaluation.predict(network, data.splits["test"])
    forward, tried = PackedNetwork.forward, []

    def limited(self, batch):
        tried.append(len(batch.rows))
        if len(batch.rows) > 9:
            raise MemoryError
        return forward(self, batch)

    monkeypatch.setattr(PackedNetwork, "forward", limited)
    assert np.allclose(evaluation.predict(network, data.splits["test"]), expected, atol=1e-6)
    assert tried == [32, 16, 8, 8, 16, 8, 8]


def test_group_that_memory_does_not_hold_fails_as_one(tiny: Tiny, monkeypatch):
    # Its members are then run alone, where halving applies (`GpuCoordinator`)
    from trials.workers.run_work import run_group

    monkeypatch.setattr(StackedRuns, "step", lambda self, batch, share: (_ for _ in ()).throw(MemoryError()))
    specs = [tiny.trial(seed=18, learning_rate=rate) for rate in (0.001, 0.002)]
    records = []
    with pytest.raises(MemoryError):
        run_group(specs, (str(tiny.model), ""), tiny.workspace, records.append)
    assert records == []
    for spec in specs:
        run_group([spec], (str(tiny.model), ""), tiny.workspace, records.append)
    assert [record.micro_batch for record in records] == [8, 8]


def test_memory_that_holds_no_row_in_evaluation_fails_a_group_as_one_and_a_trial_alone(tiny: Tiny, monkeypatch):
    from trials.workers.run_work import run_group

    train, evaluate = PackedNetwork.forward, []

    def limited(self, batch):
        if self.training:
            return train(self, batch)
        evaluate.append(len(batch.rows))
        raise MemoryError

    specs = [tiny.trial(seed=19, learning_rate=rate) for rate in (0.001, 0.002)]
    records = []
    monkeypatch.setattr(PackedNetwork, "forward", limited)
    with pytest.raises(MemoryError):
        run_group(specs, (str(tiny.model), ""), tiny.workspace, records.append)
    assert records == []
    assert evaluate[-1] == 1
    run_group(specs[:1], (str(tiny.model), ""), tiny.workspace, records.append)
    (record,) = records
    # no smaller part of a batch in training would help
    assert (record.status, record.reason) == (Status.FAILED, "out of memory at 1 row in evaluation")


def test_record_of_before_there_were_micro_batches_reads(tiny: Tiny):
    from trials.specs.records import parse_record

    values = tiny.teacher.model_dump(mode="json")
    del values["micro_batch"]
    assert parse_record(values) == tiny.teacher
