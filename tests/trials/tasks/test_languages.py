"""Language codes of mBART and prefixes of T5: where they stand in sources, targets, decoder inputs and translations."""

import json

import numpy as np
import pytest
import torch
from transformers import MBart50Tokenizer, MBartConfig, MBartForConditionalGeneration, MBartTokenizer

from study.checks.study_checks import check_study
from study.config.study_file import load_study
from trials.datasets.loading import load_dataset_splits
from trials.datasets.tokenized_data import load_tokenized
from trials.evaluation.beam_search import translate
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.specs.dataset import DatasetSpec
from trials.specs.student import StudentSpec
from trials.specs.trial import Precision
from trials.storage.workspace import Workspace
from trials.students.registry import initial_student
from trials.tasks.head import Head

PAIRS = [("der Film war toll", "the film was great"), ("der Film", "the film")]
SIZE = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
WORDS = sorted({word for pair in PAIRS for text in pair for word in text.split()})


@pytest.fixture(scope="module")
def mbart(tmp_path_factory):
    """A tiny mBART with real language codes; its configuration starts decoders in French."""
    return made(MBartTokenizer, tmp_path_factory.mktemp("mbart"))


@pytest.fixture(scope="module")
def mbart50(tmp_path_factory):
    """A tiny mBART-50: codes come first, in sources and in targets."""
    return made(MBart50Tokenizer, tmp_path_factory.mktemp("mbart50"))


def made(tokenizer_class, folder):
    special = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces = [(f"▁{word}", -1.0 - index / 100) for index, word in enumerate(WORDS)]
    tokenizer = tokenizer_class(vocab=[*special, *pieces, ("▁", -9.0)])
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
    return load_tokenized(dataset, fingerprint, model, 16, Workspace(root / "study"))


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
    labels = split.position_values(split.labels, row)
    assert tokens(split, labels) == [*(f"▁{w}" for w in target.split()), "</s>", codes[1]]
    inputs = Seq2SeqNetwork.open(mbart, Precision.FP32).inputs(split, row)["decoder_input_ids"][0]
    # The code comes first, each output is about the token after it
    assert tokens(split, inputs) == [codes[1], *(f"▁{w}" for w in target.split()), "</s>"]


@pytest.mark.parametrize(("family", "start"), [("mbart", ["en_XX"]), ("mbart50", ["</s>", "en_XX"])])
def test_translations_start_as_decoders_do_in_training(family, start, request, tmp_path, monkeypatch):
    folder = request.getfixturevalue(family)
    split = data_of(folder, tmp_path).splits["test"]
    network, starts = Seq2SeqNetwork.open(folder, Precision.FP32), []
    generate = network.model.generate

    def watched(**options):
        ids = generate(**options)
        starts.extend(tokens(split, row[: len(start)]) for row in ids)
        return ids

    monkeypatch.setattr(network.model, "generate", watched)
    texts = translate(network, split)
    assert starts == [start, start]
    trained = network.inputs(split, np.array([0, 1]))["decoder_input_ids"]
    assert [tokens(split, row[: len(start)]) for row in trained] == starts
    assert not any("_XX" in text or "</s>" in text for text in texts)


def test_models_are_searched_alike_whatever_their_own_settings_are(mbart, tmp_path):
    split = data_of(mbart, tmp_path).splits["test"]
    one, other = (Seq2SeqNetwork.open(mbart, Precision.FP32) for _ in range(2))
    other.model.generation_config.update(num_beams=1, max_length=3, forced_bos_token_id=9, no_repeat_ngram_size=1)
    assert translate(one, split) == translate(other, split)
    # A saved one translates in plain Transformers as it was scored
    other.save(tmp_path / "saved")
    again = MBartForConditionalGeneration.from_pretrained(tmp_path / "saved")
    batch = split.batch(np.array([0, 1]), again.device)
    ids = again.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    assert split.tokenizer.batch_decode(ids, skip_special_tokens=True) == translate(one, split)


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
        (("xx", "en"), "languages = 'xx': the tokenizer does not know this language; known: ar_AR, cs_CZ"),
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
    (fault,) = check_study(load_study(tmp_path / "study.yaml")).faults
    assert message in str(fault)


def test_prefix_stands_before_each_source(tiny_translator, tmp_path):
    plain = data_of(tiny_translator, tmp_path)
    prefixed = data_of(tiny_translator, tmp_path, source_prefix="the film ")
    assert prefixed.key != plain.key
    one, two = plain.splits["test"], prefixed.splits["test"]
    assert (two.lengths - one.lengths).tolist() == [2, 2]
    assert tokens(one, two.ids[:2]) == ["the", "film"]
    np.testing.assert_array_equal(one.labels, two.labels)
