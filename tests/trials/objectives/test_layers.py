"""Learning from a teacher's layers: what is compared, and trials that learn so, also those that are killed."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import assert_killed_ends_as
from transformers import AutoModelForSequenceClassification

from search_spaces.configuration import ClassificationLoss, Configuration, Projection, Schedule, TeacherCheckpoint
from trials.losses.layer_losses import attention_loss, cosine_loss, hidden_state_loss
from trials.networks.loading import open_network
from trials.networks.transformers_network import TransformersNetwork
from trials.objectives.layers import StudentWithLayers, open_teacher_layers
from trials.specs.records import Status
from trials.specs.student import StudentSpec
from trials.specs.trial import Precision
from trials.students.registry import initial_student
from trials.teachers.attention_maps import CachedMaps, ComputedMaps, write_maps
from trials.teachers.outputs import Teacher
from trials.training.schedules import StageProgress
from trials.training.training_run import TrainingRun
from trials.workers.run_work import run_group

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
        TransformersNetwork.open(teacher.folder, Precision.FP32),
    ):
        network.eval()
        outputs, states, _ = network.layer_outputs(network.inputs(split, ROWS))
        torch.testing.assert_close(states, expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(outputs, network(network.inputs(split, ROWS)))
        assert network.num_layers == states.shape[1]
        assert network.hidden_size == states.shape[2]
    cached = teacher.states("train", CPU)
    assert cached.dtype == np.float32
    assert len(cached) == len(split)
    torch.testing.assert_close(torch.from_numpy(cached[ROWS]), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [32, 48])
def test_student_returns_the_layers_that_are_asked_for(width, tiny):
    teacher = teacher_of(tiny)
    student = open_network(teacher.folder, teacher.data, Precision.FP32, CPU)
    with_layers = StudentWithLayers(student, ((1, 2), (3, 4)), width, seed=1)
    batch = student.inputs(teacher.data.splits["train"], ROWS)
    _, (states, attention, _) = with_layers.train()((batch, (0, 1)))
    assert states.shape == (3, 2, width)
    assert attention == ()
    outputs, (one, _, _) = with_layers.eval()((batch, (1,)))
    assert one.shape == (3, 1, width)
    torch.testing.assert_close(outputs, student(batch))
    projected = {name for name, _ in with_layers.named_parameters()} - {
        f"student.{name}" for name, _ in student.named_parameters()
    }
    assert projected == (set() if width == student.hidden_size else {"projection.weight"})
    # It gets a gradient as the others do
    hidden_state_loss(states, torch.zeros_like(states)).backward()
    assert all(dict(with_layers.named_parameters())[name].grad.abs().sum() > 0 for name in projected)


def test_leading_states_are_compared_where_none_is_projected(tiny):
    student = StudentSpec(name="narrow", source="tiny", hidden_size=16, init="sliced")
    weights = {"soft_label_weight": THIRD, "hidden_weight": THIRD, "layer_map": "uniform"}
    spec = tiny.trial(student=student, projection=Projection.LEADING, **weights)
    assert spec.trial_id != tiny.trial(student=student, **weights).trial_id
    teacher = teacher_of(tiny)
    folder = initial_student(student, tiny.model, ("bad", "good"), 1, tiny.workspace)
    network = open_network(folder, teacher.data, Precision.FP32, CPU)
    teacher_layers = open_teacher_layers(spec, network, teacher, CPU)
    batch = network.inputs(teacher.data.splits["train"], ROWS)
    states = teacher_layers.of(ROWS, range(4), network, batch).states
    assert states.shape == (3, 4, 16)
    np.testing.assert_array_equal(states.numpy(), teacher.states("train", CPU)[ROWS][:, :, :16])
    own = teacher_layers.compared_with(network).train()
    assert [name for name, _ in own.named_parameters() if "projection" in name] == []
    assert own((batch, (0, 1, 2, 3)))[1].states.shape == states.shape
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


def test_killed_trials_with_a_projection_end_as_undisturbed_ones(tiny):
    student = StudentSpec(name="narrow", source="tiny", hidden_size=16, init="sliced")
    spec = tiny.trial(student=student, soft_label_weight=THIRD, hidden_weight=THIRD, layer_map="uniform", seed=5)
    expected = tiny.run(spec)
    assert_killed_ends_as(expected, spec, 9, tiny)


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


def attention_of(model, split, rows, layers):
    """Transformers' own, eager: [rows, layers, heads, length, length]."""
    with torch.no_grad():
        maps = model.eval()(**split.batch(rows, CPU), output_attentions=True).attentions
    return torch.stack([maps[layer] for layer in layers], dim=1)


def test_attention_is_that_of_transformers(tiny):
    teacher = teacher_of(tiny)
    split, layers = teacher.data.splits["train"], (1, 3)
    eager = AutoModelForSequenceClassification.from_pretrained(teacher.folder, attn_implementation="eager")
    expected = attention_of(eager, split, ROWS, layers)
    packed = open_network(teacher.folder, teacher.data, Precision.FP32, CPU).eval()
    plain = TransformersNetwork.open(teacher.folder, Precision.FP32, attention=True).eval()
    kept = CachedMaps.open(written(packed, split, layers), split.lengths, 2, packed.num_heads)
    computed = ComputedMaps(packed, split, layers)
    for network in (packed, plain):
        batch = network.inputs(split, ROWS)
        layout = network.attention_layout(batch)
        said = [log.exp() for log in network.layer_outputs(batch, layers).log_attention]
        sources = [kept.of(ROWS, layout, CPU), *([computed.of(ROWS, layout, CPU)] if network is packed else [])]
        for maps, tolerance in zip((said, *sources), (1e-5, 1e-3, 1e-5), strict=False):
            for (members, length), group in zip(layout, maps, strict=True):
                assert group.shape[-1] == length
                for place, row in enumerate(members):
                    own = int(split.lengths[ROWS[row]])
                    found = group[place, :, :, :own, :own]
                    torch.testing.assert_close(found, expected[row, :, :, :own, :own], rtol=0, atol=tolerance)


def written(network, split, layers):
    file = Path(tempfile.mkdtemp()) / "maps.npy"
    write_maps(network, split, layers, network.num_heads, file)
    return file


def test_plain_networks_say_attention_only_if_opened_for_it(tiny):
    teacher = teacher_of(tiny)
    plain = TransformersNetwork.open(teacher.folder, Precision.FP32)
    with pytest.raises(RuntimeError, match="eager"):
        plain.layer_outputs(plain.inputs(teacher.data.splits["train"], ROWS), (0,))
    # In training, too, its rows are distributions: there is no dropout in them
    plain = TransformersNetwork.open(teacher.folder, Precision.FP32, attention=True).train()
    (maps,) = plain.layer_outputs(plain.inputs(teacher.data.splits["train"], ROWS), (0,)).log_attention
    torch.testing.assert_close(maps.exp().sum(-1), torch.ones(maps.shape[:-1]))


def test_student_that_is_its_teacher_has_nothing_to_learn_from_its_layers(tiny):
    teacher = teacher_of(tiny)
    split = teacher.data.splits["train"]
    spec = tiny.trial(attention_weight=1.0, cosine_weight=1.0)
    network = open_network(teacher.folder, teacher.data, Precision.FP32, CPU).eval()
    teacher_layers = open_teacher_layers(spec, network, teacher, CPU)
    batch = network.inputs(split, ROWS)
    own, other = (
        teacher_layers.compared_with(network).eval()((batch, (0, 1)))[1],
        teacher_layers.of(ROWS, (0, 1), network, batch),
    )
    assert hidden_state_loss(own.states, other.states).item() == pytest.approx(0, abs=1e-10)
    assert cosine_loss(own.states, other.states).item() == pytest.approx(0, abs=1e-6)
    # Kept in half precision; computed again they are its own
    assert attention_loss(own.attention, other.attention, other.weights).item() == pytest.approx(0, abs=5e-5)
    exact = [log.exp() for log in own.attention]
    assert attention_loss(own.attention, exact, other.weights).item() == pytest.approx(0, abs=1e-6)


SCHEDULES = [
    {"schedule": schedule, "classification_loss": when, "layer_epochs": 1}
    for schedule in (Schedule.PROGRESSIVE, Schedule.STACKED)
    for when in ClassificationLoss
]


def scheduled(tiny, **changes):
    """A trial that learns two layers, an epoch each, and then the labels."""
    changes = {"attention_weight": 1.0, "cosine_weight": 1.0, "soft_label_weight": 1.0, "seed": 5} | changes
    spec = tiny.trial(**changes)
    training = spec.training.model_copy(update={"epochs": 4, "early_stopping": 1})
    return spec.model_copy(update={"training": training})


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: f"{each['schedule']}-{each['classification_loss']}")
def test_layers_are_learned_before_the_labels(schedule, tiny):
    record = tiny.run(scheduled(tiny, **schedule))
    assert record.status is Status.COMPLETED, record.reason
    # Early stopping waits for the last stage
    assert [point.stage for point in record.curve][:3] == [1, 2, 3]


def test_head_stays_as_it_is_while_layers_are_learned(tiny, monkeypatch):
    heads = []
    validate = TrainingRun.validate

    def noting(self, step, epoch, **how):
        heads.append(self.network.student.classifier.head_outer.weight.detach().clone())
        validate(self, step, epoch, **how)

    monkeypatch.setattr(TrainingRun, "validate", noting)
    tiny.run(scheduled(tiny, **SCHEDULES[1]))
    assert SCHEDULES[1]["classification_loss"] is ClassificationLoss.LAST
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_layers_that_are_learned_early_are_left_early(tiny):
    spec = scheduled(tiny, schedule="stacked", classification_loss="last", layer_epochs=2, cosine_threshold=1e9)
    assert [point.stage for point in tiny.run(spec).curve][:3] == [1, 2, 3]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: f"{each['schedule']}-{each['classification_loss']}")
@pytest.mark.parametrize("epoch", [0.5, 1, 1.5, 2.5])
def test_killed_in_any_stage_it_ends_as_undisturbed(schedule, epoch, tiny):
    # a threshold that the sum of half an epoch is below, and that of a whole one is not; states outlive their trials
    changes = {**schedule, "layer_epochs": 2, "cosine_threshold": 0.75 * epoch_sum(tiny, schedule)}
    spec = scheduled(tiny, **changes, seed=round(10 * epoch))
    expected = tiny.run(spec)
    assert_killed_ends_as(expected, spec, 1 + round(epoch * expected.curve[0].step), tiny)


def epoch_sum(tiny, schedule) -> float:
    """The cosine term, summed over the first epoch's batches."""
    sums = []
    end = StageProgress.end_epoch

    def noting(self, *, converged):
        sums.append(float(self.cosine_sum))
        return end(self, converged=converged)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StageProgress, "end_epoch", noting)
        tiny.run(scheduled(tiny, **{**schedule, "layer_epochs": 2}, cosine_threshold=1e-9, seed=3))
    return sums[0]


def test_trials_whose_stages_end_by_what_they_learn_are_alone(tiny):
    one, other = (
        scheduled(tiny, schedule=Schedule.STACKED, layer_epochs=2, cosine_threshold=0.5, learning_rate=rate)
        for rate in (0.002, 0.004)
    )
    assert one.group_id != other.group_id


def test_scheduled_trials_side_by_side_equal_those_alone(tiny):
    specs = [scheduled(tiny, **SCHEDULES[2], learning_rate=rate) for rate in (0.002, 0.004)]
    assert specs[0].group_id == specs[1].group_id
    found = []
    run_group(specs, (str(tiny.model), ""), tiny.workspace, found.append)
    for spec, record in zip(specs, sorted(found, key=lambda r: r.configuration.learning_rate), strict=True):
        alone = tiny.run(spec)
        assert [p.stage for p in record.curve] == [p.stage for p in alone.curve]
        assert [p.train_loss for p in record.curve] == pytest.approx([p.train_loss for p in alone.curve], rel=1e-3)


def test_maps_computed_for_each_batch_teach_what_kept_ones_do(tiny, monkeypatch):
    spec = tiny.trial(attention_weight=1.0, seed=9)
    kept = tiny.run(spec)
    monkeypatch.setattr("trials.teachers.outputs.is_caching_cheaper", lambda *_, **__: False)
    computed = tiny.run(spec)
    losses = [[point.train_loss for point in record.curve] for record in (kept, computed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
