"""Whole trials and teachers on a tiny model: records, caches, label order, poison."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import RECIPE, prepare, tiny_task
from transformers import AutoModel, AutoModelForSequenceClassification

from search_spaces.configuration import Distance, TeacherCheckpoint
from search_spaces.faults import InputError
from trials.datasets.loading import load_dataset_splits
from trials.datasets.tokenized_data import InputsChanged, load_tokenized
from trials.evaluation.outputs import evaluate
from trials.models.pretrained import load_model
from trials.networks.transformers_network import TransformersNetwork
from trials.specs.dataset import DatasetSpec
from trials.specs.records import Status, TrialRecord, parse_record
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec
from trials.storage.workspace import Workspace
from trials.students.encoder import build_encoder
from trials.tasks.head import Head
from trials.tasks.registry import task_of
from trials.teachers.outputs import Teacher, TeacherOutputs
from trials.workers.run_work import run_work

CPU = torch.device("cpu")


def cached_logits(study, fingerprint) -> np.ndarray:
    teacher = Teacher.open(fingerprint, study.task.dataset, study.task.data_fingerprint, study.workspace)
    return teacher.outputs("train", CPU).values


def same_result(one: TrialRecord, two: TrialRecord) -> bool:
    """Equal in all but times and places."""
    drop = {"run", "train_seconds", "examples_per_second", "spec"}
    return one.model_dump(exclude=drop) == two.model_dump(exclude=drop)


def test_teacher_learns_and_both_checkpoints_are_the_best_of_all_on_validation(tiny):
    record = tiny.teacher
    assert record.status is Status.COMPLETED, record.reason
    scores = [checkpoint.validation_score for checkpoint in record.checkpoints]
    losses = [checkpoint.validation_loss for checkpoint in record.checkpoints]
    assert record.highest_score == scores.index(max(scores))
    assert record.lowest_loss == losses.index(min(losses))
    # Every checkpoint is kept in the record, weights and test scores only of the selected
    assert len(scores) == 16
    selected = {record.highest_score, record.lowest_loss}
    assert {i for i, c in enumerate(record.checkpoints) if c.fingerprint} == selected
    assert record.selected("highest_score").test_score > record.majority_score + 0.25


def test_stored_teacher_reloads_and_scores_as_recorded(tiny):
    chosen = tiny.teacher.selected("lowest_loss")
    folder = tiny.workspace.teacher(chosen.fingerprint)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    data = load_tokenized(tiny.task.dataset, tiny.task.data_fingerprint, folder, 16, tiny.workspace)
    scores, loss = evaluate(task_of(tiny.task.dataset), TransformersNetwork(model), data.splits["validation"])
    assert scores["accuracy"] == chosen.validation_score
    assert loss == pytest.approx(chosen.validation_loss, abs=1e-6)


def test_cached_teacher_logits_are_those_of_a_forward_pass_row_by_row(tiny):
    # Rows one at a time, without padding or sorting: the row that a shuffled loader asks for is the right one
    fingerprint = tiny.teacher.selected("highest_score").fingerprint
    cached = cached_logits(tiny, fingerprint)
    folder = tiny.workspace.teacher(fingerprint)
    model = load_model(folder, Head.SEQUENCE).eval()
    split = load_tokenized(tiny.task.dataset, tiny.task.data_fingerprint, folder, 16, tiny.workspace).splits["train"]
    with torch.no_grad():
        online = [model(**split.batch(np.array([row]), CPU)).logits[0].numpy() for row in range(len(split))]
    np.testing.assert_allclose(cached, np.stack(online), atol=1e-6)


def test_trial_with_cached_logits_equals_one_with_online_teacher(tiny, monkeypatch):
    spec = tiny.trial(distance=Distance.MSE, student_temperature="one", temperature=2.0)
    cached = tiny.run(spec)
    folder = tiny.workspace.teacher(spec.teacher_fingerprint)
    split = load_tokenized(tiny.task.dataset, tiny.task.data_fingerprint, folder, 16, tiny.workspace).splits["train"]
    model = load_model(folder, Head.SEQUENCE).eval()

    def online(*args: object) -> TeacherOutputs:
        with torch.no_grad():
            return TeacherOutputs(model(**split.batch(np.arange(len(split)), CPU)).logits.numpy())

    monkeypatch.setattr(Teacher, "outputs", online)
    again = tiny.run(spec)
    for one, two in zip(cached.curve, again.curve, strict=True):
        assert one.train_loss == pytest.approx(two.train_loss, abs=1e-5)
        assert one.validation_loss == pytest.approx(two.validation_loss, abs=1e-5)


def test_trial_repeats_to_the_bit_and_differs_by_seed(tiny):
    spec = tiny.trial()
    one, two, other = tiny.run(spec), tiny.run(spec), tiny.run(tiny.trial(seed=14))
    assert one.status is Status.COMPLETED, one.reason
    assert same_result(one, two)
    assert not same_result(one, other)


def test_trial_reports_what_it_did(tiny):
    record = tiny.run(tiny.trial(soft_label_weight=0.5))
    assert [point.step for point in record.curve] == [6, 12]
    best = max(record.curve, key=lambda point: point.validation_score)
    assert (record.best_step, record.validation_score) == (best.step, best.validation_score)
    assert record.test_scores["accuracy"] == record.test_score
    assert record.examples_per_second == pytest.approx(2 * 96 / record.train_seconds)
    assert record.num_parameters > 10_000
    assert parse_record(json.loads(record.model_dump_json())) == record
    assert record.run.versions["torch"] == torch.__version__
    # A process that has imported torch holds more than 100 MB; the tiny model adds little to it
    assert 1e8 < record.run.peak_memory_bytes < 1e10


def test_padding_changes_neither_loss_nor_gradients(tiny):
    folder = tiny.workspace.teacher(tiny.teacher.selected("highest_score").fingerprint)
    split = load_tokenized(tiny.task.dataset, tiny.task.data_fingerprint, folder, 16, tiny.workspace).splits["train"]
    model = load_model(folder, Head.SEQUENCE).eval().double()
    batch = split.batch(np.arange(8), CPU)

    def loss_and_gradients(inputs: dict[str, torch.Tensor]) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        loss = model(**inputs).logits.logsumexp(-1).sum()
        loss.backward()
        return loss.item(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    wider = {name: torch.nn.functional.pad(value, (0, 9)) for name, value in batch.items()}
    (one, grads), (two, wide) = loss_and_gradients(batch), loss_and_gradients(wider)
    assert one == pytest.approx(two, rel=1e-12)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(grads, wide, strict=True))


def test_poisoned_test_labels_change_test_scores_alone(tiny_model, tiny_data, tmp_path):
    # The whole of a trial and its teacher, run again with every test label flipped
    poisoned = tmp_path / "poisoned"
    poisoned.mkdir()
    for split in ("train", "validation", "test"):
        rows = [json.loads(line) for line in (tiny_data / f"{split}.jsonl").read_text().splitlines()]
        for row in rows if split == "test" else ():
            row["label"] = 1 - row["label"]
        (poisoned / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    clean, dirty = (prepare(tiny_model, data, tmp_path / data.name) for data in (tiny_data, poisoned))
    drop = {"checkpoints": {"__all__": {"test_score"}}, "majority_score": True, "run": True, "task": True}
    assert clean.teacher.model_dump(exclude=drop) == dirty.teacher.model_dump(exclude=drop)
    one, two = clean.run(clean.trial()), dirty.run(dirty.trial())
    assert one.curve == two.curve
    assert (one.best_step, one.validation_score) == (two.best_step, two.validation_score)
    assert one.test_score == pytest.approx(1 - two.test_score)


def test_changed_teacher_tokenizer_text_or_length_never_hits_an_old_cache(tiny, tiny_model, tiny_data, tmp_path):
    data, fingerprint = tiny.task.dataset, tiny.task.data_fingerprint
    key = load_tokenized(data, fingerprint, tiny_model, 16, tiny.workspace).key
    assert load_tokenized(data, fingerprint, tiny_model, 8, tiny.workspace).key != key
    other_data = DatasetSpec(**{**data.model_dump(), "examples": {"train": 95}})
    other_print = load_dataset_splits(other_data).fingerprint
    assert load_tokenized(other_data, other_print, tiny_model, 16, tiny.workspace).key != key
    other_model = tmp_path / "model"
    other_model.mkdir()
    for path in tiny_model.iterdir():
        (other_model / path.name).write_bytes(path.read_bytes().replace(b'"clever"', b'"klever"'))
    assert load_tokenized(data, fingerprint, other_model, 16, tiny.workspace).key != key


def test_data_that_change_during_a_study_are_named_and_leave_no_record(tiny_model, tiny_data, tmp_path):
    task = tiny_task(tiny_model, tiny_data)
    changed = task.model_copy(update={"data_fingerprint": "0" * 64})
    # Not a record: were the change undone, the trial would be good
    with pytest.raises(InputsChanged, match="data of words changed since the study was launched"):
        run_work(changed, ("", ""), Workspace(tmp_path))


def test_nan_in_training_is_a_failed_record_not_an_exception(tiny):
    record = tiny.run(tiny.trial(learning_rate=0.9, temperature=1e30))
    assert record.status is Status.FAILED
    assert "step" in record.reason
    assert record.validation_score is None


class TestGivenCheckpoints:
    """Existing fine-tuned folders: scored, selected, never trained; labels matched by name."""

    def given(self, tiny, tiny_model, tiny_data, root: Path, folders: list[Path]):
        spec = TeacherSpec(name="tiny", model=str(tiny_model), checkpoints={"words": tuple(map(str, folders))})
        return prepare(tiny_model, tiny_data, root, teacher=spec)

    def test_scores_equal_those_of_the_fine_tuning(self, tiny, tiny_model, tiny_data, tmp_path):
        chosen = [tiny.teacher.selected(name) for name in ("highest_score", "lowest_loss")]
        folders = [tiny.workspace.teacher(checkpoint.fingerprint) for checkpoint in chosen]
        record = self.given(tiny, tiny_model, tiny_data, tmp_path, folders).teacher
        assert record.status is Status.COMPLETED, record.reason
        for found, expected in zip(record.checkpoints, chosen, strict=True):
            assert found.validation_score == expected.validation_score
            assert found.test_score == expected.test_score

    def test_permuted_labels_are_matched_by_name(self, tiny, tiny_model, tiny_data, tmp_path):
        source = tiny.workspace.teacher(tiny.teacher.selected("highest_score").fingerprint)
        model, swapped = load_model(source, Head.SEQUENCE), tmp_path / "swapped"
        with torch.no_grad():
            for parameter in (model.classifier.weight, model.classifier.bias):
                parameter.copy_(parameter.flip(0))
        model.config.id2label = {0: "Good", 1: "Bad"}
        model.config.label2id = {"Good": 0, "Bad": 1}
        model.save_pretrained(swapped)
        for path in tiny_model.glob("tokenizer*"):
            (swapped / path.name).write_bytes(path.read_bytes())
        given = self.given(tiny, tiny_model, tiny_data, tmp_path / "study", [swapped])
        assert given.teacher.checkpoints[0].validation_score == tiny.teacher.selected("highest_score").validation_score
        # Its trials learn from columns in the data's order: the same as from the unswapped teacher
        ours = given.run(given.trial(temperature=4.0))
        assert ours.curve == tiny.run(tiny.trial(temperature=4.0)).curve

    def test_other_labels_are_refused_by_name(self, tiny, tiny_model, tiny_data, tmp_path):
        source = tiny.workspace.teacher(tiny.teacher.selected("highest_score").fingerprint)
        wrong = tmp_path / "wrong"
        load_model(source, Head.SEQUENCE).save_pretrained(wrong)
        for path in tiny_model.glob("tokenizer*"):
            (wrong / path.name).write_bytes(path.read_bytes())
        config = json.loads((wrong / "config.json").read_text())
        config["id2label"] = {"0": "cat", "1": "dog"}
        config["label2id"] = {"cat": 0, "dog": 1}
        (wrong / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=r"(?s)'cat'.*'good'|'good'.*'cat'"):
            self.given(tiny, tiny_model, tiny_data, tmp_path / "study", [wrong])

    def test_one_checkpoint_serves_data_of_two_label_orders(self, tiny, tiny_model, tiny_data, tmp_path):
        source = tiny.workspace.teacher(tiny.teacher.selected("highest_score").fingerprint)
        named = tmp_path / "named"
        model = load_model(source, Head.SEQUENCE)
        model.config.id2label, model.config.label2id = {0: "bad", 1: "good"}, {"bad": 0, "good": 1}
        model.save_pretrained(named)
        for path in tiny_model.glob("tokenizer*"):
            (named / path.name).write_bytes(path.read_bytes())
        spec = TeacherSpec(name="tiny", model=str(tiny_model), checkpoints={"words": (str(named),)})
        logits = []
        for labels in (("bad", "good"), ("good", "bad")):
            rows = [json.loads(line) for line in (tiny_data / "train.jsonl").read_text().splitlines()]
            folder = tmp_path / labels[0]
            folder.mkdir()
            for split in ("train", "validation", "test"):
                rows = [json.loads(line) for line in (tiny_data / f"{split}.jsonl").read_text().splitlines()]
                lines = [json.dumps({**row, "label": ["bad", "good"][row["label"]]}) for row in rows]
                (folder / f"{split}.jsonl").write_text("\n".join(lines))
            dataset = DatasetSpec(name="words", task="classification", path=str(folder), labels=labels)
            study = prepare(tiny_model, tiny_data, tmp_path / "study", teacher=spec, dataset=dataset)
            logits.append((study, study.teacher.selected("highest_score").fingerprint))
        # Both orders live side by side, also after the caches are gone
        shutil.rmtree(tmp_path / "study" / "cache")
        (one, first), (two, second) = logits
        columns = [cached_logits(study, name) for study, name in ((one, first), (two, second))]
        np.testing.assert_allclose(columns[0], columns[1][:, ::-1], atol=1e-6)


def test_half_precision_source_is_trained_in_single_precision(tiny, tiny_model, tmp_path):
    half = tmp_path / "half"
    AutoModel.from_pretrained(tiny_model).half().save_pretrained(half)
    student = build_encoder(StudentSpec(name="2L", source="x", layers=2), half, ("bad", "good"), 1)
    assert {parameter.dtype for parameter in student.parameters()} == {torch.float32}


def test_lowest_loss_trials_learn_from_the_other_checkpoint(tiny):
    if tiny.teacher.one_checkpoint:
        pytest.skip("both criteria chose one checkpoint on this machine")
    one = tiny.run(tiny.trial(teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE))
    two = tiny.run(tiny.trial(teacher_checkpoint=TeacherCheckpoint.LOWEST_LOSS))
    assert one.curve != two.curve
    assert one.spec.training == RECIPE
