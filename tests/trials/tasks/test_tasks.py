"""What every task promises, on made-up data and a tiny model: one suite for all."""

import json
import shutil

import numpy as np
import pytest
import torch
from made_tasks import made_dataset, poison
from tiny import Tiny, prepare

from search_spaces.configuration import Distance
from trials.datasets.tokenized_data import TokenizedData, load_tokenized
from trials.evaluation.outputs import as_tensors, predict, write_decoder_states
from trials.models.pretrained import load_model
from trials.networks.loading import open_network
from trials.networks.packed_network import PackedNetwork
from trials.networks.transformers_network import TransformersNetwork
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.specs.trial import Precision, TrialSpec
from trials.tasks.head import Head
from trials.tasks.registry import task_of
from trials.teachers.outputs import Teacher, TeacherOutputs

CPU = torch.device("cpu")
MAX_LENGTH = 16


@pytest.fixture(scope="module", params=sorted(TaskName))
def made(request, tiny_model, tiny_translator, tmp_path_factory) -> Tiny:
    """A prepared teacher of the task."""
    folder = tmp_path_factory.mktemp(request.param)
    dataset = made_dataset(request.param, folder / "data")
    model = tiny_translator if task_of(dataset).head is Head.SEQ2SEQ else tiny_model
    return prepare(model, folder / "data", folder / "study", dataset=dataset)


@pytest.fixture(scope="module")
def task(made):
    return task_of(made.task.dataset)


@pytest.fixture(scope="module")
def teacher_folder(made):
    return made.workspace.teacher(made.teacher.selected("highest_score").fingerprint)


@pytest.fixture(scope="module")
def data(made, teacher_folder) -> TokenizedData:
    return load_tokenized(made.task.dataset, made.task.data_fingerprint, teacher_folder, MAX_LENGTH, made.workspace)


@pytest.fixture(scope="module")
def cached(made) -> TeacherOutputs:
    fingerprint = made.teacher.selected("highest_score").fingerprint
    teacher = Teacher.open(fingerprint, made.task.dataset, made.task.data_fingerprint, made.workspace)
    return teacher.outputs("train", CPU)


def student_of(made: Tiny):
    spec = made.trial(soft_label_weight=0.5, temperature=2.0)
    return spec, made.run(spec)


def loss_and_gradients(network, task, split, cached, rows, configuration):
    """The KD loss of some rows, and its gradients by Transformers' names."""
    network.zero_grad()
    teacher, targets = cached.of(split, rows, CPU), as_tensors(task.targets(split, rows))
    loss = task.kd_loss(network(network.inputs(split, rows)), teacher, targets, configuration)
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def norm(gradients):
    return torch.stack([gradient.norm() for gradient in gradients.values()]).norm()


def test_short_run_learns(made, task):
    scores = [checkpoint.validation_score for checkpoint in made.teacher.checkpoints]
    assert made.teacher.status is Status.COMPLETED, made.teacher.reason
    assert max(scores) > made.teacher.majority_score + 0.2
    spec, record = student_of(made)
    assert record.status is Status.COMPLETED, record.reason
    assert record.curve[-1].train_loss < record.curve[0].train_loss
    assert set(record.test_scores) <= set(task.metrics)
    assert record.test_score == record.test_scores[spec.triple.dataset.metric]


def transformers_outputs(model, task, split, row):
    """What Transformers says of one row, without padding."""
    inputs = split.batch(np.array([row]), CPU)
    if task.head is Head.SEQ2SEQ:
        labels = torch.from_numpy(split.position_values(split.labels, np.array([row])))[None]
        return model(input_ids=inputs["input_ids"], labels=labels).logits[0]
    found = model(**inputs)
    if task.head is Head.SEQUENCE:
        return found.logits
    places = torch.from_numpy(split.position_values(split.positions, np.array([row])))
    outputs = found.logits if task.head is Head.TOKENS else torch.stack([found.start_logits, found.end_logits], -1)
    return outputs[0][places]


def test_cached_outputs_are_those_of_transformers_row_by_row(task, teacher_folder, data, cached):
    model, split = load_model(teacher_folder, task.head).eval(), data.splits["train"]
    with torch.no_grad():
        online = torch.cat([transformers_outputs(model, task, split, row) for row in range(len(split))])
    found = cached.of(split, np.arange(len(split)), CPU)
    if task.head is not Head.SEQ2SEQ:
        torch.testing.assert_close(found, online, atol=1e-5, rtol=0)
    else:  # hidden states are kept as float16
        torch.testing.assert_close(found, online, atol=1e-2, rtol=0)
        logs = found.log_softmax(-1), online.log_softmax(-1)
        assert torch.nn.functional.kl_div(*logs, log_target=True, reduction="batchmean") < 1e-6


@torch.no_grad()
def outputs_of(network, split, rows):
    return network.eval()(network.inputs(split, np.array(rows)))


@pytest.mark.parametrize("distance", [Distance.CE, Distance.MSE])
def test_padding_changes_neither_loss_nor_gradients(made, task, teacher_folder, data, cached, distance):
    # Packed without padding against Transformers' padded batches, with rows of all lengths
    split, rows = data.splits["train"], np.arange(24)
    assert len(set(split.lengths[rows].tolist())) > 3
    configuration = made.trial(soft_label_weight=0.5, temperature=2.0, distance=distance).configuration
    network = open_network(teacher_folder, data, Precision.FP32, CPU).eval()
    ours, our_gradients = loss_and_gradients(network, task, split, cached, rows, configuration)
    assert isinstance(network, PackedNetwork) == (task.head is not Head.SEQ2SEQ)
    if isinstance(network, PackedNetwork):
        plain = TransformersNetwork(load_model(teacher_folder, task.head)).eval()
        theirs, their_gradients = loss_and_gradients(plain, task, split, cached, rows, configuration)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(norm(our_gradients), norm(their_gradients), atol=1e-5, rtol=1e-4)
    # Rows one at a time: what a batch pads inside the loss weighs nothing
    alone = [loss_and_gradients(network, task, split, cached, rows[i : i + 1], configuration) for i in range(len(rows))]
    one_label_a_row = len(split.labels) == len(split)
    weights = torch.ones(len(rows)) if one_label_a_row else torch.from_numpy(np.diff(split.position_offsets)[rows])
    mean = (torch.stack([loss for loss, _ in alone]) * weights / weights.sum()).sum()
    torch.testing.assert_close(mean, ours, atol=1e-5, rtol=1e-5)
    for name, gradient in our_gradients.items():
        parts = torch.stack([gradients.get(name, torch.zeros_like(gradient)) for _, gradients in alone])
        shares = (weights / weights.sum()).view(-1, *[1] * gradient.ndim)
        torch.testing.assert_close((parts * shares).sum(0), gradient, atol=1e-5, rtol=1e-4)


def test_student_reloads_into_transformers_with_equal_outputs(made, task, data, teacher_folder, tmp_path):
    network = open_network(teacher_folder, data, Precision.FP32, CPU)
    network.save(tmp_path / "saved")
    reloaded = load_model(tmp_path / "saved", task.head).eval()
    for split in data.splits.values():
        for row in (0, 5, len(split) - 1):
            torch.testing.assert_close(
                outputs_of(network, split, [row]), transformers_outputs(reloaded, task, split, row), atol=1e-5, rtol=0
            )


def test_outputs_come_back_in_the_splits_order(task, data, teacher_folder, tmp_path):
    network, split = open_network(teacher_folder, data, Precision.FP32, CPU), data.splits["validation"]
    if task.head is Head.SEQ2SEQ:
        write_decoder_states(network, split, tmp_path / "states.npy")
        states, (weight, bias) = torch.from_numpy(np.load(tmp_path / "states.npy")), network.output_head()
        whole = (states.float() @ weight.T + bias).numpy()
    else:
        whole = predict(network, split)
    for row in (0, 7, len(split) - 1):
        found = torch.from_numpy(split.position_values(whole, np.array([row])))
        tolerance = 1e-2 if task.head is Head.SEQ2SEQ else 1e-5
        torch.testing.assert_close(found, outputs_of(network, split, [row]), atol=tolerance, rtol=0)


def test_poisoned_test_labels_change_only_the_test_score(made, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(made.task.dataset.path, folder)
    poison(made.task.dataset.task, folder)
    dataset = made.task.dataset.model_copy(update={"path": str(folder)})
    poisoned = prepare(made.model, folder, tmp_path / "study", dataset=dataset)
    blind = {"test_score", "test_scores", "run", "train_seconds", "examples_per_second", "spec"}
    assert [c.validation_score for c in poisoned.teacher.checkpoints] == [
        c.validation_score for c in made.teacher.checkpoints
    ]
    (_, clean), (_, dirty) = student_of(made), student_of(poisoned)
    assert dirty.model_dump(exclude=blind) == clean.model_dump(exclude=blind)
    assert dirty.test_score != clean.test_score


def test_records_of_it_are_json(made):
    _, record = student_of(made)
    assert json.loads(record.model_dump_json())["status"] == "completed"


def test_sequence_level_students_train_on_the_teachers_translations(made, task):
    if task.head is not Head.SEQ2SEQ:
        pytest.skip("of translation")
    spec, _ = student_of(made)
    teacher = Teacher.open(spec.teacher_fingerprint, spec.triple.dataset, spec.data_fingerprint, made.workspace)
    split, own = teacher.data.splits["train"], teacher.translated_split("train", CPU)
    model = load_model(teacher.folder, task.head).eval()
    for row in (0, 9):
        inputs = {
            name: values for name, values in split.batch(np.array([row]), CPU).items() if name != "token_type_ids"
        }
        ids = model.generate(**inputs)[0]
        said = split.tokenizer.decode(ids, skip_special_tokens=True)
        targets = own.position_values(own.labels, np.array([row]))
        assert split.tokenizer.decode(targets, skip_special_tokens=True) == said
    # Their outputs belong to these targets, and trials on them are other trials
    assert len(teacher.outputs("train", CPU, own).values) == own.position_offsets[-1]
    training = spec.training.model_dump() | {"sequence_level": True}
    other = TrialSpec.model_validate(spec.model_dump() | {"training": training})
    assert other.trial_id != spec.trial_id
    record = made.run(other)
    assert record.status is Status.COMPLETED, record.reason
    assert record.curve[-1].train_loss < record.curve[0].train_loss
