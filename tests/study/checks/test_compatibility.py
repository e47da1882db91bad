"""Triples whose parts are right each for itself and do not fit each other: refused before anything starts."""

import json
import shutil

import pytest
import yaml
from made_tasks import made_dataset
from transformers import (
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    ElectraConfig,
    ElectraModel,
)

from study.checks.compatibility import has_head
from study.checks.study_checks import check_study
from study.config.study_file import load_study
from trials.models.families import FAMILIES
from trials.specs.dataset import TaskName
from trials.tasks.head import Head

TOKEN_TASKS = [TaskName.TOKEN_CLASSIFICATION, TaskName.QUESTION_ANSWERING]
TEXT_TASKS = [TaskName.CLASSIFICATION, TaskName.REGRESSION]


@pytest.fixture
def other_words(tiny_model, tmp_path):
    """The tiny model with two words swapped in its tokenizer."""
    folder = tmp_path / "other"
    shutil.copytree(tiny_model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    words = tokenizer["model"]["vocab"]
    words["film"], words["book"] = words["book"], words["film"]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def validation_faults(task, model, tmp_path, *, student=None, teacher=None, **keys):
    """All faults of a study of one triple."""
    dataset = made_dataset(task, tmp_path / "data").model_dump(mode="json", exclude_none=True)
    values = {
        "name": "made",
        "datasets": [dataset],
        "teachers": [{"name": "tiny", "model": str(model), **(teacher or {})}],
        "students": [{"name": "small", "from": "tiny", "layers": 1, **(student or {})}],
        "search": {"space": "demo"},
        "training": {"max_length": 16},
        **keys,
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    return [str(fault) for fault in check_study(load_study(tmp_path / "study.yaml")).faults]


@pytest.mark.parametrize("task", [*TEXT_TASKS, *TOKEN_TASKS])
def test_parts_that_fit_are_no_fault(task, tiny_model, tmp_path):
    assert validation_faults(task, tiny_model, tmp_path) == []


def test_translators_fit_translation(tiny_translator, tmp_path):
    assert validation_faults(TaskName.TRANSLATION, tiny_translator, tmp_path) == []


@pytest.mark.parametrize("task", TOKEN_TASKS)
def test_other_tokens_where_outputs_belong_to_tokens(task, tiny_model, other_words, tmp_path):
    (fault,) = validation_faults(task, tiny_model, tmp_path, student={"from": str(other_words)})
    assert (
        f"students.small = '{other_words}': its tokenizer differs from that of teacher tiny; on data set made both must"
        in fault
    )


@pytest.mark.parametrize("task", TEXT_TASKS)
def test_other_tokens_are_fine_where_outputs_belong_to_texts(task, tiny_model, other_words, tmp_path):
    assert validation_faults(task, tiny_model, tmp_path, student={"from": str(other_words)}) == []


@pytest.mark.parametrize("task", TOKEN_TASKS)
def test_other_lengths_where_outputs_belong_to_tokens(task, tiny_model, tmp_path):
    (fault,) = validation_faults(task, tiny_model, tmp_path, teacher={"training": {"max_length": 24}})
    assert "teachers.tiny.training.max_length = 24: must equal the students' 16" in fault


def test_other_numbers_of_outputs_where_vocabularies_are_compared(tiny_translator, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(tiny_translator, other)
    config = json.loads((other / "config.json").read_text())
    words = config["vocab_size"]
    larger = dict.fromkeys(("vocab_size", "decoder_vocab_size"), words + 8)
    (other / "config.json").write_text(json.dumps(config | larger))
    student = {"from": str(other)}
    (fault,) = validation_faults(TaskName.TRANSLATION, tiny_translator, tmp_path, student=student)
    assert f"students.small = '{other}': has a vocabulary of {words + 8} tokens, teacher tiny one of {words}" in fault


HEADS = {
    TaskName.CLASSIFICATION: (BertForSequenceClassification, 2),
    TaskName.REGRESSION: (BertForSequenceClassification, 1),
    TaskName.TOKEN_CLASSIFICATION: (BertForTokenClassification, 3),
    TaskName.QUESTION_ANSWERING: (BertForQuestionAnswering, 2),
}


def checkpoint_of(model, head, labels, folder):
    """The tiny model as if it were fine-tuned; its labels are those of the made data, where it has as many."""
    shutil.copytree(model, folder)
    config = BertConfig.from_pretrained(model, num_labels=labels)
    names = {2: ("bad", "good"), 3: ("B-BAD", "B-GOOD", "O")}.get(labels)
    if names is not None and head is not BertForQuestionAnswering:
        config.id2label = dict(enumerate(names))
    head(config).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("given", [*HEADS, None])
@pytest.mark.parametrize("task", HEADS)
def test_given_checkpoints_must_have_the_tasks_head(task, given, tiny_model, tmp_path):
    head, labels = HEADS[given] if given else (BertModel, HEADS[task][1])
    folder = checkpoint_of(tiny_model, head, labels, tmp_path / "given")
    faults = validation_faults(task, tiny_model, tmp_path, teacher={"checkpoints": {"made": [folder]}})
    if given is task:
        assert faults == []
    elif head is HEADS[task][0]:  # another number of outputs
        assert any(folder in fault for fault in faults)
    else:
        assert f"{folder}: teachers.tiny = '{head.__name__}': is not fine-tuned for {task} (data set made)" in faults[0]


def test_encoder_does_no_translation(tiny_model, tmp_path):
    faults = validation_faults(TaskName.TRANSLATION, tiny_model, tmp_path)
    assert len(faults) == 1
    assert "bert models have no head for translation (data set made)" in faults[0]


def test_translator_does_no_entities(tiny_translator, tmp_path):
    faults = validation_faults(TaskName.TOKEN_CLASSIFICATION, tiny_translator, tmp_path)
    assert "marian models have no head for token_classification (data set made)" in "\n".join(faults)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"encoder_layers": 1},
            "students.small.encoder_layers = 1: {model} is not an encoder-decoder: use layers instead",
        ),
        ({"layers": 9}, "students.small.layers = 9: {model} has only 4 layers"),
    ],
)
def test_layers_of_an_encoder(keys, message, tiny_model, tmp_path):
    (fault,) = validation_faults(TaskName.CLASSIFICATION, tiny_model, tmp_path, student=keys)
    assert message.format(model=tiny_model) in fault


def test_layers_of_an_encoder_decoder(tiny_translator, tmp_path):
    keys = {"layers": None, "encoder_layers": 2, "decoder_layers": 3}
    (fault,) = validation_faults(TaskName.TRANSLATION, tiny_translator, tmp_path, student=keys)
    assert f"students.small.decoder_layers = 3: {tiny_translator} has only 2 decoder layers" in fault


def test_heads_are_those_of_transformers():
    assert all(has_head(family, head) for family in FAMILIES for head in (Head.SEQUENCE, Head.TOKENS, Head.SPANS))
    assert has_head("t5", Head.SEQ2SEQ)
    assert has_head("electra", Head.SPANS)
    assert not has_head("electra", Head.SEQ2SEQ)


def test_any_other_encoder_takes_its_own_forward(tiny_model, tmp_path):
    electra = tmp_path / "electra"
    shutil.copytree(tiny_model, electra)
    size = {"hidden_size": 16, "embedding_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    words = json.loads((tiny_model / "config.json").read_text())["vocab_size"]
    ElectraModel(ElectraConfig(vocab_size=words, num_hidden_layers=2, **size)).save_pretrained(electra)
    assert validation_faults(TaskName.QUESTION_ANSWERING, electra, tmp_path) == []
