"""Trials side by side in one vectorised unit: the numbers of each alone; each ends and fails for itself."""

import gc

import pytest
import torch
from tiny import RECIPE

from search_spaces.configuration import Distance
from trials.specs.records import Status
from trials.specs.trial import TrainingRecipe
from trials.training.checkpoints import CheckpointFile
from trials.training.loop import train
from trials.training.training_run import Batch, TrainingRun, Validation
from trials.workers.run_work import run_group

TOLERANCE = 1e-4  # relative, of losses: matrix products of a stack round differently from single ones


def side_by_side(tiny, specs, **options):
    """Records by trial id, in the order in which the members ended."""
    records = {}
    run_group(
        specs,
        (str(tiny.model), ""),
        tiny.workspace,
        lambda record: records.update({record.record_id: record}),
        **options,
    )
    return records


def assert_equal_results(found, expected):
    assert found.status is expected.status is Status.COMPLETED
    assert [point.step for point in found.curve] == [point.step for point in expected.curve]
    for one, two in zip(found.curve, expected.curve, strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, rel=TOLERANCE)
        assert one.validation_loss == pytest.approx(two.validation_loss, rel=TOLERANCE)
        assert one.validation_score == two.validation_score
    assert (found.best_step, found.test_score) == (expected.best_step, expected.test_score)


def specs_of(tiny, count=4):
    changes = [
        {"learning_rate": 0.003, "temperature": 1.0},
        {"learning_rate": 0.001, "temperature": 4.0},
        {"learning_rate": 0.004, "distance": Distance.MSE},
        {"learning_rate": 0.002, "soft_label_weight": 0.5},
    ]
    return [tiny.trial(**change) for change in changes[:count]]


def test_group_gives_each_member_the_numbers_that_it_gives_alone(tiny):
    specs = specs_of(tiny)
    assert len({spec.group_id for spec in specs}) == 1
    records = side_by_side(tiny, specs)
    for spec in specs:
        assert_equal_results(records[spec.trial_id], tiny.run(spec))


def test_groups_hold_one_student_seed_and_teaching_checkpoint(tiny):
    spec = tiny.trial()
    assert tiny.trial(seed=14).group_id != spec.group_id
    assert tiny.trial(student=spec.triple.student.model_copy(update={"layers": 1})).group_id != spec.group_id
    assert tiny.trial().model_copy(update={"teacher_fingerprint": "other"}).group_id != spec.group_id
    assert tiny.trial(learning_rate=0.5).group_id == spec.group_id


def test_member_that_fails_leaves_the_others_as_they_are(tiny):
    good, bad = tiny.trial(), tiny.trial(learning_rate=0.9, temperature=1e30)
    records = side_by_side(tiny, [bad, good])
    assert records[bad.trial_id].status is Status.FAILED
    assert "step" in records[bad.trial_id].reason
    assert_equal_results(records[good.trial_id], tiny.run(good))
    # It ended first, and had its record first
    assert list(records) == [bad.trial_id, good.trial_id]


def test_member_that_stops_early_leaves_and_the_others_go_on(tiny):
    recipe = RECIPE.model_copy(update={"epochs": 8, "early_stopping": 4, "evaluate_every": 3})
    changes = [{"learning_rate": rate} for rate in (1e-9, 0.001, 0.003)]
    specs = [tiny.trial(**change).model_copy(update={"training": recipe}) for change in changes]
    records = side_by_side(tiny, specs)
    steps = [records[spec.trial_id].curve[-1].step for spec in specs]
    assert steps[0] < max(steps), "the member that cannot learn was expected to stop before the others"
    for spec in specs:
        assert_equal_results(records[spec.trial_id], tiny.run(spec))


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_group_that_was_killed_goes_on_and_ends_like_undisturbed(tiny, monkeypatch):
    specs = specs_of(tiny, 3)
    undisturbed = side_by_side(tiny, specs)
    save, saves = CheckpointFile.save, []

    def deadly(self, tensors, values):
        save(self, tensors, values)
        saves.append(values["step"])
        if len(saves) == 8:  # of three members two are saved at step 3, one at step 2
            raise Killed

    monkeypatch.setattr(CheckpointFile, "save", deadly)
    with pytest.raises(Killed):
        side_by_side(tiny, specs, checkpoint_seconds=0)
    monkeypatch.setattr(CheckpointFile, "save", save)
    states = [CheckpointFile(tiny.workspace.checkpoint(spec.trial_id)) for spec in specs]
    assert [state.step for state in states] == [3, 3, 2]
    records = side_by_side(tiny, specs)
    for state in states:
        state.remove()
    for spec in specs:
        assert_equal_results(records[spec.trial_id], undisturbed[spec.trial_id])


def test_members_that_leave_keep_nothing_of_the_stack(tmp_path):
    size, count, alive = 1000, 6, []

    def draw(rows):
        gc.collect()
        tensors = [found for found in gc.get_objects() if type(found) in (torch.Tensor, torch.nn.Parameter)]
        alive.append(sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values()))
        return Batch(torch.ones(2, size), torch.ones(2, 1), len(rows))

    def run_that_ends_at(validation):
        scores = iter([0.5] * (validation - 1) + [float("nan")])
        network, checkpoint = torch.nn.Linear(size, 1), CheckpointFile(tmp_path / "state", None)
        return TrainingRun(
            network, torch.nn.functional.mse_loss, lambda: Validation(next(scores), 1.0), 0.01, checkpoint
        )

    recipe = TrainingRecipe(epochs=100, batch_size=2, evaluate_every=2)
    runs = [run_that_ends_at(validation) for validation in range(1, count + 1)]
    train(runs, draw, num_examples=2, recipe=recipe, seed=13, selections=())
    # Two steps with all of them, the first without gradients, then two with each one less: no step holds more than all
    assert len(alive) == 2 * count
    assert max(alive) == alive[1]
    assert alive[-1] < alive[1]


def test_members_of_a_group_share_its_time(tiny):
    specs = specs_of(tiny)
    records = side_by_side(tiny, specs).values()
    assert len({round(record.train_seconds, 6) for record in records}) == 1
    assert sum(record.run.seconds for record in records) <= 4 * max(record.run.seconds for record in records)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_captured_group_on_a_gpu_gives_the_numbers_of_the_cpu(tiny):
    specs = specs_of(tiny)
    on_cpu, on_gpu = side_by_side(tiny, specs), side_by_side(tiny, specs, device=torch.device("cuda"))
    for spec in specs:
        one, two = on_cpu[spec.trial_id].curve[0], on_gpu[spec.trial_id].curve[0]
        # Dropout draws other numbers on a GPU: the same task is learned, not the same weights
        assert one.train_loss == pytest.approx(two.train_loss, rel=0.2)
