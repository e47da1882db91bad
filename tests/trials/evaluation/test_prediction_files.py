"""Predictions kept of each test example: those that the scores are of."""

import numpy as np
import pyarrow.parquet
import pytest
from made_tasks import made_dataset
from tiny import prepare

from trials.datasets.loading import load_dataset_splits
from trials.specs.dataset import TaskName
from trials.tasks.metrics import classification_scores, correlation_scores


@pytest.mark.parametrize("task", [TaskName.CLASSIFICATION, TaskName.REGRESSION, TaskName.TOKEN_CLASSIFICATION])
def test_kept_answers_score_as_the_record_says(task, tiny_model, tmp_path):
    dataset = made_dataset(task, tmp_path / "data")
    tiny = prepare(tiny_model, tmp_path / "data", tmp_path / "study", dataset=dataset)
    spec = tiny.trial()
    if task is TaskName.REGRESSION:
        spec = spec.model_copy(update={"configuration": spec.configuration.without_softmax()})
    record = tiny.run(spec)
    file = tiny.workspace.predictions(spec.trial_id)
    if task is TaskName.TOKEN_CLASSIFICATION:
        assert not file.exists()
        assert not list(tiny.workspace.root.glob("predictions/*"))
        return
    table = pyarrow.parquet.read_table(file)
    found = table["prediction"].to_numpy()
    examples = pyarrow.parquet.read_table(tiny.workspace.examples(spec.data_fingerprint)).to_pydict()
    loaded = load_dataset_splits(dataset)
    test = loaded.splits["test"]
    assert tuple(examples["text"]) == test.texts
    assert examples["text_pair"] == [None] * len(test)
    if task is TaskName.CLASSIFICATION:
        assert examples["label"] == [loaded.label_names[label] for label in test.labels]
        logits = np.eye(2)[found]
        assert classification_scores(logits, test.labels)["accuracy"] == record.test_scores["accuracy"]
        # Probabilities of all classes; the answer is the likeliest
        shares = np.array(table["probabilities"].to_pylist())
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(shares.argmax(axis=1), found)
        assert np.ptp(shares[:, 0]) > 0
    else:
        assert table.column_names == ["prediction"]
        np.testing.assert_array_equal(np.array(examples["label"], np.float32), test.labels)
        scores = correlation_scores(found, np.asarray(test.labels))
        assert scores == pytest.approx(record.test_scores, rel=1e-6)
    # The teacher's, of each checkpoint that was selected
    for checkpoint in {tiny.teacher.highest_score, tiny.teacher.lowest_loss}:
        name = f"{tiny.task.teacher_id}-{tiny.teacher.checkpoints[checkpoint].fingerprint}"
        assert pyarrow.parquet.read_table(tiny.workspace.predictions(name)).num_rows == len(test)
