"""The packed encoder against Transformers' own forward and backward, for every family."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoConfig

from trials.datasets.label_matching import set_label_names
from trials.datasets.tokenized_data import TokenizedData
from trials.models.families import FAMILIES, why_not_packed
from trials.networks.loading import open_network
from trials.networks.packed_encoder import dropout, relative_position_buckets
from trials.networks.packed_network import PackedNetwork
from trials.networks.transformers_network import TransformersNetwork
from trials.readers.tokenized_split import TokenizedSplit
from trials.specs.trial import Precision
from trials.tasks.head import Head

CPU = torch.device("cpu")
LENGTHS = (3, 17, 9, 40, 16, 2)
VOCABULARY = 80
SHAPE = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 48,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
}


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request):
    return request.param


@pytest.fixture(
    scope="module",
    params=[
        *((Head.SEQUENCE, name) for name in ("gelu", "relu", "gelu_new")),
        (Head.TOKENS, "gelu"),
        (Head.SPANS, "gelu"),
    ],
    ids=lambda kind: f"{kind[0].name.lower()}-{kind[1]}",
)
def kind(request):
    """Head and activation."""
    return request.param


@pytest.fixture(scope="module")
def folder(family, kind, tmp_path_factory):
    """A model of the family with random weights everywhere, biases and norms too."""
    head, function = kind
    activation = "activation" if family == "distilbert" else "hidden_act"
    config = AutoConfig.for_model(family, **SHAPE, **{activation: function})
    names = ("start", "end") if head is Head.SPANS else ("a", "b", "c")
    if family == "bert":
        config.type_vocab_size = 2
    torch.manual_seed(1)
    model = getattr(transformers, head).from_config(set_label_names(config, names, head))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    path = tmp_path_factory.mktemp(family)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def data(family, kind):
    return make_data(types=family == "bert", head=kind[0])


def make_data(*, types, head=Head.SEQUENCE):
    """Rows of many lengths; token ids leave gaps in the vocabulary; the first token of each row is 0."""
    draw = np.random.default_rng(0)
    rows = [np.array([0, *(draw.integers(1, VOCABULARY // 2, length - 1) * 2 % VOCABULARY)]) for length in LENGTHS]
    rows = [np.where(row == 1, 2, row) for row in rows]
    rows[3][[5, 6, 20]] = 1  # the padding token, as a text may hold it: RoBERTa's positions do not count it
    split = TokenizedSplit(
        ids=np.concatenate(rows).astype(np.int32),
        type_ids=np.concatenate([np.arange(len(row)) > len(row) // 2 for row in rows]).astype(np.int8)
        if types
        else None,
        offsets=np.cumsum([0, *LENGTHS]),
        labels=np.zeros(len(rows), dtype=np.int64),
        pad_id=1,
    )
    other = TokenizedSplit(
        ids=np.array([0, 5, 2, 7, 0, 4, 9], dtype=np.int32),  # odd ones are not in train
        type_ids=np.zeros(7, dtype=np.int8) if types else None,
        offsets=np.array([0, 4, 7]),
        labels=np.zeros(2, dtype=np.int64),
        pad_id=1,
    )
    if head is not Head.SEQUENCE:
        split, other = (replace(each, **every_second_token(each)) for each in (split, other))
    trained = np.unique(split.ids)
    vocabulary = np.concatenate([trained, [5, 7, 9]])
    splits = {"train": split, "validation": other}
    return TokenizedData(f"key {types} {head}", ("a", "b", "c"), splits, vocabulary, len(trained), head)


def every_second_token(split):
    positions = [np.arange(0, length, 2, dtype=np.int32) for length in split.lengths]
    return {"positions": np.concatenate(positions), "position_offsets": np.cumsum([0, *map(len, positions)])}


def logits_of(network, split, rows):
    return network(network.inputs(split, rows))


def gradients(network, weights_of, split, rows):
    """Logits, and the gradients of a loss that looks at all of them, by Transformers' names."""
    logits = logits_of(network, split, rows)
    (logits.square().sum() + logits[:, 0].sum()).backward()
    return logits.detach(), weights_of(network)


def test_packed_forward_and_backward_equal_transformers(folder, data):
    rows, split = np.array([4, 0, 3, 2, 5, 1]), data.splits["train"]
    packed = open_network(folder, data, Precision.FP32, CPU).eval()
    assert isinstance(packed, PackedNetwork)
    plain = TransformersNetwork.open(folder, Precision.FP32, data.head).eval()

    # Gradients replace the weights, so that the network itself says what belongs to which name
    def packed_gradients(network):
        for parameter in network.parameters():
            parameter.data = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        return network.transformers_weights()

    logits, found = gradients(packed, packed_gradients, split, rows)
    expected, wanted = gradients(
        plain, lambda network: {name: p.grad for name, p in network.model.named_parameters()}, split, rows
    )
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    word = next(name for name in wanted if name.endswith("word_embeddings.weight"))
    used = torch.from_numpy(data.vocabulary[: data.num_trained].astype(np.int64))
    for name, gradient in wanted.items():
        mine = found[name]
        if name == word:
            unused = torch.ones(VOCABULARY, dtype=torch.bool)
            unused[used] = False
            # Rule: rows that are left out would have had no gradient
            assert not gradient[unused].any()
            mine, gradient = mine[used], gradient[used]
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(mine, gradient, rtol=0, atol=1e-5 * scale, msg=lambda text, n=name: f"{n}: {text}")


def test_packed_rows_do_not_see_each_other(folder, data):
    network, split = open_network(folder, data, Precision.FP32, CPU).eval(), data.splits["train"]
    with torch.no_grad():
        together = logits_of(network, split, np.arange(len(LENGTHS)))
        alone = torch.cat([logits_of(network, split, np.array([row])) for row in range(len(LENGTHS))])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_packed_network_saved_reloads_into_transformers_with_equal_logits(folder, data, tmp_path):
    rows, split = np.arange(len(LENGTHS)), data.splits["train"]
    network = open_network(folder, data, Precision.FP32, CPU)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0.5)
    for _ in range(3):
        logits_of(network, split, rows).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    network.save(tmp_path)
    again = TransformersNetwork.open(tmp_path, Precision.FP32, data.head).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            logits_of(network.eval(), split, rows), logits_of(again, split, rows), rtol=0, atol=1e-5
        )
        # Rule: words that only other splits have are there, with their weight decay
        other, pair = data.splits["validation"], np.arange(2)
        torch.testing.assert_close(logits_of(network, other, pair), logits_of(again, other, pair), rtol=0, atol=1e-5)
    # Rule: rows that the training data does not use have had their weight decay, as if they had been there
    before = TransformersNetwork.open(folder, Precision.FP32, data.head).model.get_input_embeddings().weight
    after = again.model.get_input_embeddings().weight
    unused = torch.ones(VOCABULARY, dtype=torch.bool)
    unused[torch.from_numpy(data.vocabulary[: data.num_trained].astype(np.int64))] = False
    torch.testing.assert_close(after[unused], before[unused] * (1 - 1e-2 * 0.5) ** 3)
    assert network.num_parameters() == again.num_parameters()


def test_labels_that_are_transformers_defaults_need_not_be_in_the_configuration(tmp_path):
    config = AutoConfig.for_model("bert", **SHAPE)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())
    data, rows = make_data(types=True), np.arange(3)
    packed, plain = (
        open_network(tmp_path, data, Precision.FP32, CPU).eval(),
        TransformersNetwork.open(tmp_path, Precision.FP32),
    )
    split = data.splits["train"]
    torch.testing.assert_close(logits_of(packed, split, rows), logits_of(plain.eval(), split, rows), rtol=0, atol=1e-5)


def test_bfloat16_is_close_and_its_weights_and_gradients_float32(folder, data):
    rows, split = np.arange(len(LENGTHS)), data.splits["train"]
    exact = logits_of(open_network(folder, data, Precision.FP32, CPU).eval(), split, rows)
    network = open_network(folder, data, Precision.BF16, CPU).eval()
    logits = logits_of(network, split, rows)
    assert logits.dtype is torch.float32
    torch.testing.assert_close(logits, exact, rtol=0.1, atol=0.1 * float(exact.detach().abs().max()))
    logits.sum().backward()
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in network.parameters() if p.grad is not None} == {torch.float32}


def test_training_is_reproducible_by_its_seed_and_differs_from_evaluation(folder, data):
    network, split, rows = open_network(folder, data, Precision.FP32, CPU), data.splits["train"], np.arange(3)
    network.train()
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(logits_of(network, split, rows).detach())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert not torch.allclose(drawn[0], logits_of(network.eval(), split, rows))


def test_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(1000, 1001, requires_grad=True)
    y = dropout(x, 0.1, training=True)
    # 1e6 draws: three standard deviations of the share are 0.0009
    assert float((y == 0).float().mean()) == pytest.approx(0.1, abs=1e-3)
    assert float(y.detach().mean()) == pytest.approx(1, abs=1.1e-3)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert dropout(x, 0.1, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_relative_position_buckets_are_mpnets():
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distance = torch.arange(-300, 301)
    assert torch.equal(relative_position_buckets(distance), MPNetEncoder.relative_position_bucket(distance))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "electra"}, "electra"),
        ({"model_type": "bert", "hidden_act": "swish"}, "swish"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "relative_key"),
        ({"model_type": "bert", "is_decoder": True}, "decoder"),
    ],
)
def test_why_not_packed_names_the_reason(config, reason):
    assert reason in (why_not_packed(config) or "")
