"""The intermediate loss: what is compared, with what gradient, and trials that have it."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from search_spaces.configuration import Configuration, Projection, TeacherCheckpoint
from trials.internals import ObservedStudent, hidden_loss, observed
from trials.networks import open_network
from trials.networks.plain_network import PlainNetwork
from trials.record import Status
from trials.run import run_group
from trials.spec import Precision, StudentSpec
from trials.students import initial_student
from trials.teacher_outputs import Teacher

CPU = torch.device("cpu")
ROWS = np.array([3, 0, 7])
THIRD = 1 / 3


def teacher_of(tiny):
    spec = tiny.trial()
    return Teacher.open(spec.teacher_fingerprint, spec.triple.dataset, spec.data_fingerprint, tiny.workspace)


def hidden_states(model, split, rows):
    """Transformers' own, of first tokens: [rows, layers, hidden]."""
    with torch.no_grad():
        states = model.eval()(**split.batch(rows, CPU), output_hidden_states=True).hidden_states[1:]
    return torch.stack([each[:, 0] for each in states], dim=1)


def test_states_are_those_of_transformers(tiny):
    teacher = teacher_of(tiny)
    split = teacher.data.splits["train"]
    expected = hidden_states(AutoModelForSequenceClassification.from_pretrained(teacher.folder), split, ROWS)
    for network in (
        open_network(teacher.folder, teacher.data, Precision.FP32, CPU),
        PlainNetwork.open(teacher.folder, Precision.FP32),
    ):
        network.eval()
        outputs, states = network.with_states(network.inputs(split, ROWS))
        torch.testing.assert_close(states, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(outputs, network(network.inputs(split, ROWS)))
        assert network.num_layers == states.shape[1]
        assert network.hidden_size == states.shape[2]
    cached = teacher.states("train", CPU)
    assert cached.dtype == np.float32
    assert len(cached) == len(split)
    torch.testing.assert_close(torch.from_numpy(cached[ROWS]), expected, rtol=0, atol=1e-5)


def test_loss_is_the_mean_squared_error_and_teaches_the_student_only():
    student, teacher = torch.randn(4, 2, 3, requires_grad=True), torch.randn(4, 2, 3, requires_grad=True)
    loss = hidden_loss(student, teacher)
    assert loss.item() == pytest.approx(float(np.square((student - teacher).detach().numpy()).mean()), rel=1e-6)
    loss.backward()
    torch.testing.assert_close(student.grad, 2 * (student - teacher).detach() / student.numel())
    assert teacher.grad is None


@pytest.mark.parametrize("width", [32, 48])
def test_observed_students_say_mapped_layers_in_training_and_outputs_alone_in_evaluation(width, tiny):
    teacher = teacher_of(tiny)
    student = open_network(teacher.folder, teacher.data, Precision.FP32, CPU)
    observed = ObservedStudent(student, ((1, 2), (3, 4)), width, seed=1)
    batch = student.inputs(teacher.data.splits["train"], ROWS)
    _, states = observed.train()(batch)
    assert states.shape == (3, 2, width)
    assert torch.equal(observed.eval()(batch), student(batch))
    projected = {name for name, _ in observed.named_parameters()} - {
        f"student.{name}" for name, _ in student.named_parameters()
    }
    assert projected == (set() if width == student.hidden_size else {"projection.weight"})
    # It gets a gradient as the others do
    hidden_loss(states, torch.zeros_like(states)).backward()
    assert all(dict(observed.named_parameters())[name].grad.abs().sum() > 0 for name in projected)


def test_leading_states_are_compared_where_none_is_projected(tiny):
    student = StudentSpec(name="narrow", source="tiny", hidden_size=16, init="sliced")
    weights = {"soft_label_weight": THIRD, "hidden_weight": THIRD, "layer_map": "uniform"}
    spec = tiny.trial(student=student, projection=Projection.LEADING, **weights)
    assert spec.trial_id != tiny.trial(student=student, **weights).trial_id
    teacher = teacher_of(tiny)
    folder = initial_student(student, tiny.model, ("bad", "good"), 1, tiny.workspace)
    network = open_network(folder, teacher.data, Precision.FP32, CPU)
    observation = observed(spec, network, teacher, CPU)
    states = observation.states_of(ROWS)
    assert states.shape == (3, 4, 16)
    np.testing.assert_array_equal(states.numpy(), teacher.states("train", CPU)[ROWS][:, :, :16])
    own = observation.of(network).train()
    assert [name for name, _ in own.named_parameters() if "projection" in name] == []
    assert own(network.inputs(teacher.data.splits["train"], ROWS))[1].shape == states.shape
    assert tiny.run(spec).status is Status.COMPLETED


@pytest.mark.parametrize(
    "student",
    [
        StudentSpec(name="2L", source="tiny", layers=2),
        StudentSpec(name="narrow", source="tiny", hidden_size=16, init="sliced"),
        StudentSpec(name="heads", source="tiny", heads=2),
    ],
    ids=lambda student: student.name,
)
def test_trials_with_hidden_states_learn_them(student, tiny):
    weights = {"soft_label_weight": THIRD, "hidden_weight": THIRD, "layer_map": "ends"}
    with_states = tiny.trial(student=student, **weights)
    without = tiny.trial(student=student, soft_label_weight=0.5)
    assert with_states.trial_id != without.trial_id
    assert with_states.group_id != without.group_id
    record = tiny.run(with_states)
    assert record.status is Status.COMPLETED, record.reason
    assert record.curve[-1].train_loss < record.curve[0].train_loss
    # The projection is no part of the student
    assert record.num_parameters == tiny.run(without).num_parameters


def test_killed_trials_with_a_projection_end_as_undisturbed_ones(tiny, monkeypatch):
    from trials import unit

    student = StudentSpec(name="narrow", source="tiny", hidden_size=16, init="sliced")
    spec = tiny.trial(student=student, soft_label_weight=THIRD, hidden_weight=THIRD, layer_map="uniform", seed=5)
    expected = tiny.run(spec)
    steps, step = 0, unit.Unit.step

    def deadly(self, batch, share):
        nonlocal steps
        steps += 1
        if steps == 9:
            raise KeyboardInterrupt
        step(self, batch, share)

    with monkeypatch.context() as patch:
        patch.setattr(unit.Unit, "step", deadly)
        with pytest.raises(KeyboardInterrupt):
            tiny.run(spec, checkpoint_seconds=0)
    again = tiny.run(spec, checkpoint_seconds=0)
    assert steps == 9
    assert [point.model_dump() for point in again.curve] == [point.model_dump() for point in expected.curve]
    assert again.test_scores == expected.test_scores


def test_side_by_side_equals_alone(tiny):
    specs = [
        tiny.trial(soft_label_weight=THIRD, hidden_weight=THIRD, layer_map="ends", learning_rate=rate, seed=7)
        for rate in (0.002, 0.004)
    ]
    assert specs[0].group_id == specs[1].group_id
    found = []
    run_group(specs, (str(tiny.model), ""), tiny.workspace, found.append)
    for spec, record in zip(specs, sorted(found, key=lambda r: r.configuration.learning_rate), strict=True):
        alone = tiny.run(spec)
        assert [p.train_loss for p in record.curve] == pytest.approx([p.train_loss for p in alone.curve], rel=1e-3)


def test_configurations_without_hidden_states_are_what_they_were(tiny):
    # Names of trials follow from it
    configuration = tiny.trial().configuration
    assert set(configuration.as_dict()) == {
        "distance", "teacher_checkpoint", "student_temperature", "soft_label_weight", "temperature", "learning_rate",
    }  # fmt: skip
    weighed = tiny.trial(soft_label_weight=THIRD, hidden_weight=THIRD, layer_map=((1, 2), (2, 4))).configuration
    assert Configuration.from_dict(weighed.as_dict()) == weighed
    assert weighed.hard_label_weight == pytest.approx(THIRD)
    # Void settings make no other configuration
    assert tiny.trial(layer_map="ends").configuration == configuration
    # The teacher still matters where only its states are read
    lowest = tiny.trial(soft_label_weight=0.0, hidden_weight=0.5, teacher_checkpoint=TeacherCheckpoint.LOWEST_LOSS)
    assert lowest.configuration.teacher_checkpoint is TeacherCheckpoint.LOWEST_LOSS
