"""Teachers that learn the language of their data first: what is masked, what they learn, exact resume."""

import pytest
import torch
from tiny import prepare, tiny_task

from trials.models.pretrained import model_fingerprint
from trials.readers.tokenizers import load_tokenizer
from trials.specs.trial import Adaptation, TeacherSpec
from trials.storage.workspace import Workspace
from trials.teachers.language_adaptation import MASKED, REPLACED, Masking
from trials.training import stacked_runs
from trials.workers.run_work import run_work

HOW = Adaptation(epochs=6, learning_rate=0.003, masked=0.3)


@pytest.fixture
def model(tiny_masked_model):
    return tiny_masked_model


def teacher(model, adapt=HOW):
    return TeacherSpec(name="tiny", model=str(model), adapt=adapt)


def test_tokens_are_masked_as_in_bert(model):
    tokenizer = load_tokenizer(model)
    masking = Masking(tokenizer, 0.15, 1000)
    ids = torch.full((400, 50), 8)
    ids[:, 0], ids[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    mask = torch.ones_like(ids)
    mask[:, 40:] = 0
    torch.manual_seed(1)
    hidden, labels = masking({"input_ids": ids, "attention_mask": mask})
    places, count = hidden["places"], 400 * 39  # neither special tokens nor padding
    assert len(places) / count == pytest.approx(0.15, abs=0.01)
    assert labels.tolist() == ids.flatten()[places].tolist() == [8] * len(places)
    assert ((places % 50 > 0) & (places % 50 < 40)).all()
    shown = hidden["input_ids"].flatten()[places]
    assert (shown == tokenizer.mask_token_id).float().mean() == pytest.approx(MASKED, abs=0.03)
    others = (shown != tokenizer.mask_token_id) & (shown != 8)
    assert others.float().mean() == pytest.approx(REPLACED, abs=0.03)
    untouched = torch.ones(ids.numel(), dtype=torch.bool)
    untouched[places] = False
    assert torch.equal(hidden["input_ids"].flatten()[untouched], ids.flatten()[untouched])


def test_a_batch_always_has_something_to_predict(model):
    masking = Masking(load_tokenizer(model), 1e-9, 30)
    _, labels = masking({"input_ids": torch.tensor([[2, 9, 3]]), "attention_mask": torch.ones(1, 3)})
    assert labels.tolist() == [9]


def test_adapted_teachers_are_others(model, tiny_data, tmp_path):
    plain = prepare(model, tiny_data, tmp_path / "plain")
    own = prepare(model, tiny_data, tmp_path / "own", teacher=teacher(model))
    assert own.task.teacher_id != plain.task.teacher_id
    assert own.teacher.checkpoints[0].validation_loss != plain.teacher.checkpoints[0].validation_loss
    adapted = [folder for folder in (tmp_path / "own" / "cache" / "initial").iterdir() if folder.is_dir()]
    assert model_fingerprint(model) not in {model_fingerprint(folder) for folder in adapted}
    assert tiny_task(model, tiny_data).teacher_id == plain.task.teacher_id


def test_killed_while_it_adapts_it_ends_as_undisturbed(model, tiny_data, tmp_path, monkeypatch):
    own = prepare(model, tiny_data, tmp_path / "whole", teacher=teacher(model))
    step, steps = stacked_runs.StackedRuns.step, 0

    def deadly(self, batch, share):
        nonlocal steps
        steps += 1
        if steps == 17:  # of 36
            raise KeyboardInterrupt
        step(self, batch, share)

    monkeypatch.setattr(stacked_runs.StackedRuns, "step", deadly)
    workspace = Workspace(tmp_path / "killed")
    with pytest.raises(KeyboardInterrupt):
        run_work(own.task, ("", ""), workspace, checkpoint_seconds=0)
    again = run_work(own.task, ("", ""), workspace, checkpoint_seconds=0)
    assert again.checkpoints == own.teacher.checkpoints


def test_checkpoints_are_not_adapted():
    with pytest.raises(ValueError, match="adapt comes before fine-tuning"):
        TeacherSpec(name="t", model="m", adapt={}, checkpoints={"d": ["folder"]})
