"""Learning as in D: its losses, what each stage trains and sees, convergence, and exact resume."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Tiny, assert_killed_ends_as

from search_spaces.configuration import Distance, Optimizer, Schedule
from search_spaces.space import load_space
from trials.datasets.tokenized_data import load_tokenized
from trials.losses.distillation import log_odds, log_odds_loss, representation_loss
from trials.networks.loading import open_network
from trials.objectives.registry import make_objective
from trials.specs.records import Status
from trials.specs.student import StudentSpec
from trials.specs.trial import Precision
from trials.students.registry import initial_student
from trials.tasks.registry import task_of
from trials.teachers.outputs import Teacher
from trials.training.schedules import Stage, StageProgress, training_stages
from trials.training.training_run import TrainingRun

EXPERIMENTS = load_space("paper_d").named()
BILSTM = StudentSpec(name="bilstm", source="tiny", architecture="bilstm", hidden_size=8, embedding_size=6)
SCHEDULED = ("joint", "staged", "distil_once")


def trial(tiny: Tiny, name: str, *, student=BILSTM, epochs=8, patience=None, **changes):
    """One of D's experiments on a tiny model."""
    own = replace(EXPERIMENTS[name], optimizer=Optimizer.ADAM, learning_rate=0.02, layer_epochs=2)
    own = replace(own, **changes)
    spec = tiny.trial(student=student, **{key: getattr(own, key) for key in vars(own)})
    training = spec.training.model_copy(update={"epochs": epochs, "early_stopping": patience, "warmup_fraction": 0})
    return spec.model_copy(update={"training": training})


def opened(tiny: Tiny, spec):
    """The trial's objective."""
    dataset = tiny.task.dataset
    data = load_tokenized(dataset, tiny.task.data_fingerprint, tiny.model, 16, tiny.workspace)
    teacher = Teacher.open(spec.teacher_fingerprint, dataset, tiny.task.data_fingerprint, tiny.workspace)
    cpu = torch.device("cpu")
    folder = initial_student(spec.triple.student, tiny.model, data.label_names, spec.seed, tiny.workspace)
    student = open_network(folder, data, Precision.FP32, cpu)
    return make_objective([spec], task_of(dataset), data, teacher, [student], cpu), teacher, data


# Losses


@settings(deadline=None)  # the first example loads kernels
@given(st.integers(2, 5), st.integers(0, 99))
def test_log_odds_are_those_of_the_probabilities(classes, seed):
    logits = torch.randn(3, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(log_odds(logits), torch.logit(logits.softmax(-1)))
    student = torch.randn(3, classes, dtype=torch.float64)
    oracle = 0.5 * torch.nn.functional.mse_loss(student, torch.logit(logits.softmax(-1)))
    torch.testing.assert_close(log_odds_loss(student, logits), oracle)
    torch.testing.assert_close(
        representation_loss(student, logits), 0.5 * torch.nn.functional.mse_loss(student, logits)
    )


def test_log_odds_of_a_sure_teacher_are_finite():
    found = log_odds(torch.tensor([[200.0, -200.0, 0.0]]))
    assert torch.equal(found, torch.tensor([[200.0, -400.0, -200.0]]))


def test_losses_vanish_where_student_is_teacher():
    logits = torch.randn(4, 3, dtype=torch.float64)
    assert log_odds_loss(log_odds(logits), logits) == 0
    assert representation_loss(logits, logits) == 0


@pytest.mark.parametrize("loss", [log_odds_loss, representation_loss])
def test_gradients_are_right(loss):
    teacher = torch.randn(3, 4, dtype=torch.float64)
    student = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: loss(value, teacher), student)


# Stages as data


def test_schedules_are_those_of_section_5():
    limits = {"epochs": 20, "converges": True}
    found = {name: training_stages(EXPERIMENTS[name].canonical(), parts=3) for name in EXPERIMENTS}
    assert found["none"] == found["hard"] == (Stage(),)
    assert found["joint"] == (Stage(representation=True),)
    assert found["staged"] == (
        Stage(soft=False, hard=False, representation=True, **limits),
        Stage(unfrozen_parts=1, **limits),
        Stage(unfrozen_parts=2, **limits),
        Stage(),
    )
    assert found["distil_once"] == (
        Stage(hard=False, representation=True, **limits),
        Stage(soft=False, unfrozen_parts=1, **limits),
        Stage(soft=False, unfrozen_parts=2, **limits),
        Stage(soft=False),
    )
    assert str(found["staged"][0]) == "representation: 20 epochs at most, or until it converges"
    assert str(found["distil_once"][1]).startswith("hard labels (1 part from the top): 20 epochs")


def test_a_stage_that_converged_is_over_early():
    progress = StageProgress(training_stages(EXPERIMENTS["staged"].canonical(), parts=3))
    assert not progress.end_epoch(converged=False)
    assert progress.end_epoch(converged=True)
    assert progress.position == 1


# What is drawn and what learns


def test_labelled_and_transfer_rows_are_drawn_side_by_side(tiny_transfer, monkeypatch):
    objective, teacher, data = opened(tiny_transfer, trial(tiny_transfer, "joint"))
    assert objective.num_examples == 72
    rows = np.arange(16)
    batch = objective.draw(rows)
    (labelled, transfer), (labels, taught, states) = batch.inputs, batch.targets
    assert batch.size == 2 * len(rows)
    assert len(labelled["input_ids"]) == len(transfer["input_ids"]) == len(taught) == len(states) == len(rows)
    train, unlabeled = data.splits["train"], data.splits["unlabeled"]
    assert labels["labels"].tolist() == train.labels[rows % len(train)].tolist()
    outputs, said = teacher.outputs_and_states("unlabeled", torch.device("cpu"))
    assert torch.equal(taught, torch.from_numpy(outputs.values[rows]))
    assert torch.equal(states, torch.from_numpy(said[rows]))
    assert torch.equal(transfer["input_ids"], unlabeled.batch(rows, torch.device("cpu"))["input_ids"])
    # Each labelled example comes as often as the others in an epoch
    drawn = np.concatenate([objective._labelled[part % 24] for part in np.split(np.arange(72), 3)])
    assert (np.bincount(drawn) == 3).all()


def test_fewer_labels_and_fewer_transfer_rows(tiny_transfer):
    few = opened(tiny_transfer, trial(tiny_transfer, "joint", labelled_per_class=3, transfer_rows=40))[0]
    more = opened(tiny_transfer, trial(tiny_transfer, "joint", labelled_per_class=5, transfer_rows=60))[0]
    assert (len(few._labelled), len(few._transfer), few.num_examples) == (6, 40, 40)
    assert set(few._labelled) < set(more._labelled)
    assert set(few._transfer) < set(more._transfer)


def changed_parts(tiny, spec, monkeypatch):
    """Of each stage of a trial: which parts of the student it changed."""
    seen, enter = [], TrainingRun.validate

    def state(run):
        student = run.network.student
        return {name: value.clone() for name, value in student.state_dict().items()}

    def noting(self, step, epoch, **how):
        seen.append((self.progress.position, state(self)))
        enter(self, step, epoch, **how)

    monkeypatch.setattr(TrainingRun, "validate", noting)
    tiny.run(spec)
    found = {}
    for (stage, before), (next_stage, after) in itertools.pairwise(seen):
        if stage == next_stage:
            changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
            found.setdefault(stage, set()).update(changed)
    return found


LSTMS = {"forwards", "backwards"}


def test_stages_thaw_the_student_from_the_top(tiny_transfer, monkeypatch):
    found = changed_parts(tiny_transfer, trial(tiny_transfer, "staged"), monkeypatch)
    assert found == {
        0: {"embedding", *LSTMS},  # the representation does not know the classifier
        1: {"classifier"},
        2: {"classifier", *LSTMS},
        3: {"classifier", *LSTMS, "embedding"},
    }


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_experiments_learn(name, tiny_transfer):
    record = tiny_transfer.run(trial(tiny_transfer, name, epochs=14))
    assert record.status is Status.COMPLETED, record.reason
    assert record.test_score > 0.7
    own_losses = [point.stage_loss is not None for point in record.curve]
    stages = len(training_stages(record.configuration, parts=3))
    assert own_losses == [stages > 1 and point.stage < stages for point in record.curve]
    # Scores of a student that has not learned to classify are not selected
    if stages > 1:
        assert next(point.stage for point in record.curve if point.step == record.best_step) > 1


def test_a_stage_goes_on_from_its_best_weights(tiny_transfer, monkeypatch):
    spec = trial(tiny_transfer, "staged", layer_epochs=6, epochs=20, patience=1, learning_rate=0.2)
    left, entered, end = [], [], TrainingRun.end_epoch

    def noting(self):
        best = self.result.best.get("stage")
        kept = self.result.weights.get("stage")
        position = self.progress.position
        end(self)
        if self.progress.position > position:
            left.append(min((p.stage_loss, i) for i, p in enumerate(self.result.curve) if p.stage == position + 1)[1])
            entered.append(best)
            now = self.network.state_dict()
            assert all(torch.equal(kept[name], now[name]) for name in kept)
            assert "stage" not in self.result.weights

    monkeypatch.setattr(TrainingRun, "end_epoch", noting)
    record = tiny_transfer.run(spec)
    assert left == entered
    assert len(left) == 3
    spent = [sum(point.stage == stage for point in record.curve) for stage in (1, 2, 3)]
    assert min(spent) < 6  # one converged before its limit


# Resume and identity


@pytest.mark.parametrize("name", SCHEDULED)
@pytest.mark.parametrize("at", [3, 9, 17, 24])
def test_killed_in_any_stage_it_ends_as_undisturbed(name, at, tiny_transfer):
    patience = None if name == "joint" else 2
    spec = trial(tiny_transfer, name, patience=patience).model_copy(update={"seed": 100 + at})
    assert_killed_ends_as(tiny_transfer.run(spec), spec, at, tiny_transfer)


def test_adadelta_is_resumed_too(tiny_transfer):
    spec = trial(tiny_transfer, "joint", optimizer=Optimizer.ADADELTA)
    assert spec.configuration.learning_rate == 1
    assert_killed_ends_as(tiny_transfer.run(spec), spec, 12, tiny_transfer)


def test_without_a_transfer_set_the_teacher_speaks_about_labelled_rows(tiny):
    objective, _, data = opened(tiny, trial(tiny, "joint"))
    rows = np.arange(8)
    labelled, transfer = objective.draw(rows).inputs
    assert torch.equal(labelled["input_ids"], transfer["input_ids"])
    assert objective.num_examples == len(data.splits["train"])


def test_transformers_learn_from_transfer_sets_too(tiny_transfer):
    student = StudentSpec(name="2L", source="tiny", layers=2)
    for name in ("hard", "joint"):
        record = tiny_transfer.run(trial(tiny_transfer, name, student=student, learning_rate=0.003))
        assert record.status is Status.COMPLETED, record.reason
        assert record.test_score > 0.6  # a coin has half; its teacher had 24 rows


def test_what_does_not_count_makes_no_other_trial():
    joint = EXPERIMENTS["joint"]
    untaught = replace(joint, soft_label_weight=0.0, representation_weight=0.0)
    assert replace(untaught, transfer_rows=9).canonical() == untaught.canonical()
    assert replace(joint, learning_rate=0.5, optimizer=Optimizer.ADADELTA).canonical() == joint.canonical()
    hard = replace(joint, distance=Distance.HARD)
    assert replace(hard, temperature=4.0).canonical() == hard.canonical()
    assert replace(joint, schedule=Schedule.STAGED).canonical() != joint.canonical()


def test_scores_that_cannot_be_selected_stop_nothing(tiny_transfer, monkeypatch):
    # The first stage's scores are best by far, and the last one's rise: it is not stopped before its end
    scores = iter([0.9, 0.9, *(0.1 + 0.01 * step for step in range(20))])
    monkeypatch.setattr("trials.workers.run_work.evaluate", scripted(scores))
    spec = trial(tiny_transfer, "distil_once", epochs=12, patience=2)
    record = tiny_transfer.run(spec)
    assert record.curve[-1].epoch == 12
    assert record.best_step == record.curve[-1].step


def scripted(scores):
    def evaluate(task, network, split, keep=None):
        return {"accuracy": 0.0 if keep else next(scores)}, 0.5

    return evaluate
