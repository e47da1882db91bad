"""Recurrent students: against torch's own packed LSTM, padding, words, vectors, and their files."""

import json

import numpy as np
import pytest
import torch
from made_tasks import made_dataset
from tiny import prepare
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from trials.datasets.loading import load_dataset_splits
from trials.datasets.tokenized_data import load_tokenized
from trials.networks.loading import open_network
from trials.networks.recurrent_network import RecurrentNetwork
from trials.readers.tokenizers import load_tokenizer
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.specs.student import StudentSpec
from trials.specs.trial import Precision
from trials.students.registry import initial_student, source_fingerprint, tokenizer_folder
from trials.tasks.head import Head

CONFIG = {
    "vocab_size": 20,
    "embedding_size": 5,
    "hidden_size": 7,
    "dropout": 0.4,
    "recurrent_dropout": 0.2,
    "head": str(Head.SEQUENCE),
    "id2label": {0: "a", 1: "b", 2: "c"},
}
LENGTHS = [6, 2, 4]


def network(pooling="max", **changes):
    torch.manual_seed(1)
    return RecurrentNetwork({**CONFIG, "pooling": pooling, **changes}).eval()


def batch(padding=0):
    generator = torch.Generator().manual_seed(2)
    mask = torch.arange(max(LENGTHS) + padding) < torch.tensor(LENGTHS)[:, None]
    ids = torch.randint(1, 20, (len(LENGTHS), max(LENGTHS)), generator=generator)
    ids = nn.functional.pad(ids, (0, padding), value=3) * mask
    return {"input_ids": ids, "attention_mask": mask.long()}


def oracle(own, inputs):
    """States [rows, length, 2 * units] and last states [rows, 2 * units] by torch's packed bidirectional LSTM."""
    both = nn.LSTM(5, 7, batch_first=True, bidirectional=True)
    state = {name: getattr(own.forwards, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")}
    state |= {f"{name}_reverse": getattr(own.backwards, name) for name in list(state)}
    both.load_state_dict(state)
    embedded = own.embedding(inputs["input_ids"])
    packed = pack_padded_sequence(embedded, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    states, (last, _) = both(packed)
    return pad_packed_sequence(states, batch_first=True)[0], torch.cat([last[0], last[1]], dim=-1)


@torch.no_grad()
def test_states_are_those_of_torchs_packed_lstm():
    states, last = oracle(network(), batch())
    greatest = torch.stack([states[row, :length].amax(0) for row, length in enumerate(LENGTHS)])
    for pooling, expected in (("max", greatest), ("last", last)):
        own = network(pooling)
        torch.testing.assert_close(own.layer_outputs(batch()).states[:, 0], expected)
        torch.testing.assert_close(own(batch()), own.classifier(expected))


@torch.no_grad()
def test_words_have_their_own_states():
    own = network(head=str(Head.TOKENS))
    places = torch.tensor([1, 2, 6, 13])  # of rows of 6
    states, _ = oracle(own, batch())
    expected = own.classifier(states.flatten(0, 1)[places])
    torch.testing.assert_close(own({**batch(), "places": places}), expected)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["max", "last"])
def test_padding_changes_nothing(pooling):
    own = network(pooling)
    torch.testing.assert_close(own(batch()), own(batch(padding=5)), rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["max", "last"])
def test_a_text_without_tokens_has_finite_outputs(pooling):
    inputs = {"input_ids": torch.zeros(2, 1, dtype=torch.long), "attention_mask": torch.tensor([[0], [1]])}
    assert network(pooling)(inputs).isfinite().all()


def test_recurrent_dropout_drops_states_of_all_positions_alike():
    own = network(dropout=0.0, recurrent_dropout=0.5).train()
    weights = own.forwards.weight_hh_l0.detach().clone()
    torch.manual_seed(3)
    first = own(batch())
    torch.manual_seed(3)
    assert torch.equal(first, own(batch()))
    assert not torch.equal(first, own(batch()))
    first.sum().backward()
    gradient = own.forwards.weight_hh_l0.grad.view(4, 7, 7)
    dropped = (gradient == 0).all(dim=1)  # [gates, units]: columns that no gradient reaches
    assert 0 < dropped.sum() < dropped.numel()
    assert torch.equal(weights, own.forwards.weight_hh_l0)  # the weights themselves stay


def test_parts_from_the_top_are_all_of_it():
    own = network()
    parts = [parameter for part in own.parts_from_top() for module in part for parameter in module.parameters()]
    assert {id(parameter) for parameter in parts} == {id(parameter) for parameter in own.parameters()}


def student(**keys):
    return StudentSpec(**{"name": "s", "from": "tiny", "architecture": "bilstm", "hidden_size": 8, **keys})


def made(tiny, spec, seed=13):
    dataset, fingerprint = tiny.task.dataset, tiny.task.data_fingerprint
    folder = tokenizer_folder(spec, tiny.model, dataset, fingerprint, tiny.workspace)
    data = load_tokenized(dataset, fingerprint, folder, 16, tiny.workspace)
    return initial_student(spec, folder, data.label_names, seed, tiny.workspace), data


def test_known_words_start_from_their_vectors(tiny, tmp_path):
    words = ["film", "bright"]
    np.save(tmp_path / "v.npy", np.array([[1.0, 2, 3], [4, 5, 6]], np.float32))
    (tmp_path / "words.json").write_text(json.dumps(words))
    spec = student(embeddings=str(tmp_path))
    folder, data = made(tiny, spec)
    own, vocabulary = (
        open_network(folder, data, Precision.FP32, torch.device("cpu")),
        load_tokenizer(folder).get_vocab(),
    )
    for row, word in enumerate(words):
        assert own.embedding.weight[vocabulary[word]].tolist() == [3 * row + 1, 3 * row + 2, 3 * row + 3]
    others = [row for word, row in vocabulary.items() if word not in words]
    assert own.embedding.weight[others].abs().max() <= 0.1
    assert source_fingerprint(spec, tiny.model).startswith(f"{source_fingerprint(student(), tiny.model)}+")


def test_saved_it_is_the_same(tiny, tmp_path):
    folder, data = made(tiny, student())
    own = open_network(folder, data, Precision.FP32, torch.device("cpu")).eval()
    own.save(tmp_path)
    again = open_network(tmp_path, data, Precision.FP32, torch.device("cpu")).eval()
    rows = np.arange(8)
    assert torch.equal(own(own.inputs(data.splits["test"], rows)), again(again.inputs(data.splits["test"], rows)))
    assert own.num_parameters() == sum(p.numel() for p in own.parameters())


def test_rnn_reads_lower_cased_words_of_its_data(tiny):
    folder, data = made(tiny, student(architecture="rnn"))
    texts = load_dataset_splits(tiny.task.dataset).splits["train"].texts
    vocabulary = load_tokenizer(folder).get_vocab()
    assert set(vocabulary) == {"[PAD]", "[UNK]", *(word for text in texts for word in text.lower().split())}
    split = data.splits["train"]
    names = {row: word for word, row in vocabulary.items()}
    first = [names[token] for token in split.ids[split.offsets[0] : split.offsets[1]]]
    assert first == texts[0].lower().split()


@pytest.mark.parametrize("architecture", ["bilstm", "rnn"])
def test_it_learns(architecture, tiny):
    spec = tiny.trial(student=student(architecture=architecture), soft_label_weight=0.0, learning_rate=0.02)
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": 8})})
    assert tiny.run(spec).test_score > 0.8
    assert spec.group_id == spec.trial_id  # it is trained alone


def test_keys_of_other_architectures_are_faults():
    for keys in ({"layers": 2}, {"heads": 2}, {"layer_choice": [0]}):
        with pytest.raises(ValueError, match="a bilstm student does not have this"):
            student(**keys)
    with pytest.raises(ValueError, match="a transformer student does not have this"):
        StudentSpec(name="s", source="tiny", dropout=0.1)
    with pytest.raises(ValueError, match="embedding_size follows from the file of embeddings"):
        student(embeddings="v.npy", embedding_size=3)


def test_shape_says_what_decides_its_weights():
    plain = student()
    assert plain.shape == {"architecture": "bilstm", "hidden_size": 8}
    assert plain.model_copy(update={"recurrent_dropout": 0.1}).shape != plain.shape
    assert plain.model_copy(update={"distil": False}).shape == plain.shape


def test_bilstm_tags_words(tiny_model, tmp_path):
    dataset = made_dataset(TaskName.TOKEN_CLASSIFICATION, tmp_path / "data")
    prepared = prepare(tiny_model, tmp_path, tmp_path / "study", dataset=dataset)
    for weight in (0.0, 1.0):
        spec = prepared.trial(student=student(), soft_label_weight=weight, learning_rate=0.02)
        spec = spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": 6})})
        record = prepared.run(spec)
        assert record.status is Status.COMPLETED, record.reason
        assert record.test_score > 0.5


def test_rnn_reads_texts_without_words(tiny_model, tiny_data, tmp_path):
    for file in tiny_data.glob("*.jsonl"):
        empty = [json.dumps({"text": " ", "label": 0})] * 17  # more than a batch
        (tmp_path / file.name).write_text("\n".join([*empty, file.read_text()]))
    prepared = prepare(tiny_model, tmp_path, tmp_path / "study")
    record = prepared.run(prepared.trial(student=student(architecture="rnn"), soft_label_weight=0.0))
    assert record.status is Status.COMPLETED, record.reason
