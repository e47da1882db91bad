"""Language codes of mBART and prefixes of T5: where they stand in sources, targets, decoder inputs and translations."""

import json

import numpy as np
import pytest
import torch
from transformers import MBartConfig, MBartForConditionalGeneration, MBartTokenizer

from study.config import load_study
from study.preflight import preflight
from trials.datasets import load_dataset_splits
from trials.families import Head
from trials.generation import translate
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.spec import DatasetSpec, Precision, StudentSpec
from trials.students import initial_student
from trials.tokens import tokenized
from trials.workspace import Workspace

PAIRS = [("der Film war toll", "the film was great"), ("der Film", "the film")]
SIZE = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
WORDS = sorted({word for pair in PAIRS for text in pair for word in text.split()})


@pytest.fixture(scope="module")
def mbart(tmp_path_factory):
    """A tiny mBART with real language codes; its configuration starts decoders in French."""
    folder = tmp_path_factory.mktemp("mbart")
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces = [(f"▁{word}", -1.0 - index / 100) for index, word in enumerate(WORDS)]
    tokenizer = MBartTokenizer(vocab=[*special, *pieces, ("▁", -9.0)])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    stacks = {f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in SIZE.items()}
    config = MBartConfig(vocab_size=len(tokenizer), d_model=16, max_position_embeddings=32, **stacks)
    config.decoder_start_token_id = tokenizer.convert_tokens_to_ids("fr_XX")
    MBartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def data_of(model, root, **keys):
    rows = "\n".join(json.dumps({"translation": {"de": german, "en": english}}) for german, english in PAIRS)
    for split in ("train", "validation", "test"):
        (root / f"{split}.jsonl").write_text(rows)
    dataset = DatasetSpec(name="pairs", task="translation", path=str(root), **{"languages": ("de", "en"), **keys})
    fingerprint = load_dataset_splits(dataset).fingerprint
    return tokenized(dataset, fingerprint, model, 16, Workspace(root / "study"))


def tokens(split, ids):
    return split.tokenizer.convert_ids_to_tokens([int(each) for each in ids])


@pytest.mark.parametrize(
    ("languages", "codes"), [(("de", "en"), ("de_DE", "en_XX")), (("en", "de"), ("en_XX", "de_DE"))]
)
def test_codes_end_sources_and_targets_and_start_decoders(languages, codes, mbart, tmp_path):
    data = data_of(mbart, tmp_path, languages=languages)
    split, row = data.splits["test"], np.array([0])
    source, target = PAIRS[0] if languages[0] == "de" else PAIRS[0][::-1]
    assert tokens(split, split.ids[: split.offsets[1]]) == [*(f"▁{w}" for w in source.split()), "</s>", codes[0]]
    labels = split.of_positions(split.labels, row)
    assert tokens(split, labels) == [*(f"▁{w}" for w in target.split()), "</s>", codes[1]]
    inputs = Seq2SeqNetwork.open(mbart, Precision.FP32).inputs(split, row)["decoder_input_ids"][0]
    # The code comes first, each output is about the token after it
    assert tokens(split, inputs) == [codes[1], *(f"▁{w}" for w in target.split()), "</s>"]


def test_translation_starts_with_the_targets_code_whatever_the_configuration_says(mbart, tmp_path, monkeypatch):
    split = data_of(mbart, tmp_path).splits["test"]
    network, starts = Seq2SeqNetwork.open(mbart, Precision.FP32), []
    generate = network.model.generate

    def watched(**options):
        ids = generate(**options)
        starts.extend(tokens(split, ids[:, 0]))
        return ids

    monkeypatch.setattr(network.model, "generate", watched)
    texts = translate(network, split)
    assert starts == ["en_XX", "en_XX"]
    assert not any("_XX" in text or "</s>" in text for text in texts)


def test_student_keeps_codes_and_ties(mbart, tmp_path):
    student = StudentSpec(name="1L", source="mbart", encoder_layers=2, decoder_layers=1)
    folder = initial_student(student, mbart, (), 13, Workspace(tmp_path), Head.SEQ2SEQ)
    model = MBartForConditionalGeneration.from_pretrained(folder)
    assert model.config.vocab_size == MBartConfig.from_pretrained(mbart).vocab_size
    assert model.lm_head.weight is model.model.shared.weight
    assert (len(model.model.encoder.layers), len(model.model.decoder.layers)) == (2, 1)


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("xx", "en"), "languages = 'xx': the tokenizer has no such language: ar_AR, cs_CZ"),
        (None, "languages: is required"),
    ],
)
def test_languages_that_the_tokenizer_cannot_mark_are_refused(languages, message, mbart, tmp_path):
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"text": "der Film", "label": "the film"}))
    dataset = {"name": "pairs", "task": "translation", "path": str(tmp_path), "text": "text", "label": "label"}
    values = {
        "name": "pairs",
        "datasets": [dataset | ({"languages": languages} if languages else {})],
        "teachers": [{"name": "mbart", "model": str(mbart)}],
        "students": [{"name": "1L", "from": "mbart", "layers": 1}],
        "search": {"space": "demo"},
        "training": {"max_length": 16},
    }
    (tmp_path / "study.yaml").write_text(json.dumps(values))
    (fault,) = preflight(load_study(tmp_path / "study.yaml")).faults
    assert message in str(fault)


def test_prefix_stands_before_each_source(tiny_translator, tmp_path):
    plain = data_of(tiny_translator, tmp_path)
    prefixed = data_of(tiny_translator, tmp_path, source_prefix="the film ")
    assert prefixed.key != plain.key
    one, two = plain.splits["test"], prefixed.splits["test"]
    assert (two.lengths - one.lengths).tolist() == [2, 2]
    assert tokens(one, two.ids[:2]) == ["the", "film"]
    np.testing.assert_array_equal(one.labels, two.labels)
