"""How sure a teacher is: the variance of its probabilities (D, table 9), and that its record says it."""

import numpy as np
import pytest
import torch
from made_tasks import made_dataset
from scipy.special import softmax
from tiny import prepare

from trials.specs.dataset import DatasetSpec, Labelled, TaskName
from trials.tasks.metrics import prediction_variance
from trials.teachers.outputs import Teacher


@pytest.mark.parametrize("classes", [2, 4, 14])
def test_variance_lies_between_equal_and_one_hot_probabilities(classes):
    logits = np.random.default_rng(0).normal(size=(50, classes)).astype(np.float32)
    most = (1 - 1 / classes) / classes
    assert 0 < prediction_variance(logits) < most
    # equal probabilities vary not at all, hard labels most (D, section 6.3)
    assert prediction_variance(np.full((3, classes), 7.0)) == pytest.approx(0, abs=1e-30)
    assert prediction_variance(1000 * np.eye(classes, dtype=np.float32)) == pytest.approx(most)
    # it is of probabilities: a constant added to logits changes nothing
    assert prediction_variance(logits.astype(np.float64) + 900) == pytest.approx(prediction_variance(logits))


def test_variance_is_the_populations():
    assert prediction_variance(np.log([[0.7, 0.3], [0.5, 0.5]])) == pytest.approx((0.04 + 0) / 2)


@pytest.mark.parametrize("split", ["train", "unlabeled"])
def test_record_says_the_variance_over_what_the_teacher_teaches_on(split, tiny_model, tmp_path):
    dataset = made_dataset(TaskName.CLASSIFICATION, tmp_path / "data")
    if split == "unlabeled":
        dataset = DatasetSpec.model_validate({**dataset.model_dump(), "labelled": Labelled(per_class=4)})
    tiny = prepare(tiny_model, tmp_path / "data", tmp_path / "study", dataset=dataset)
    for index in {tiny.teacher.highest_score, tiny.teacher.lowest_loss}:
        checkpoint = tiny.teacher.checkpoints[index]
        teacher = Teacher.open(checkpoint.fingerprint, dataset, tiny.task.data_fingerprint, tiny.workspace)
        outputs = teacher.outputs(split, torch.device("cpu")).values.astype(np.float64)
        assert checkpoint.prediction_variance == pytest.approx(np.var(softmax(outputs, axis=1), axis=1).mean())


def test_other_tasks_have_no_variance(tiny_model, tmp_path):
    dataset = made_dataset(TaskName.REGRESSION, tmp_path / "data")
    tiny = prepare(tiny_model, tmp_path / "data", tmp_path / "study", dataset=dataset)
    assert {each.prediction_variance for each in tiny.teacher.checkpoints} == {None}
