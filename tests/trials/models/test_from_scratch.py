"""Models from scratch: equal inputs give equal folders, texts are restored, and Transformers and studies read them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from made_tasks import made_dataset
from tiny import prepare
from transformers import GenerationConfig

from search_spaces.faults import Fault, InputError
from trials.datasets.loading import load_dataset_splits
from trials.models.from_scratch import ModelSpec, architecture_faults, make_model, training_texts
from trials.models.pretrained import load_model, model_files, model_folder
from trials.models.tokenizer_training import TokenizerKind, TokenizerSpec
from trials.readers.tokenizers import load_tokenizer
from trials.specs.dataset import CarvedSplit, DatasetSpec, TaskName
from trials.specs.records import Status
from trials.tasks.head import Head

MIRROR = Path(__file__).parents[3].parent / "shared" / "data" / "tiny"
KINDS = list(TokenizerKind)
DECODING = [TokenizerKind.BPE, TokenizerKind.UNIGRAM]
GERMAN = "Drei Männer, zwei Frauen (und ein Hund) laufen über die weiß-graue Straße; „schön“, sagt er: 3,50 € – nicht?"
ENGLISH = "The dog's owner isn't here. \"Why?\" she asks -- it's 10:45 & they don't know..."
STACK = {"layers": 1, "attention_heads": 2, "ffn_dim": 32}
BART = {f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in STACK.items()}
BART |= {"d_model": 16, "max_position_embeddings": 40}
BERT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
BERT |= {"max_position_embeddings": 40}
T5 = {"d_model": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2, "d_ff": 32}
ENCODER_DECODERS: dict[str, dict[str, Any]] = {
    "bart": BART,
    "bigbird_pegasus": {**BART, "attention_type": "original_full"},
    "marian": BART,
    "mbart": BART,
    "plbart": BART,
    "t5": T5,
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "distilbert": {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32, "max_position_embeddings": 40},
    "electra": {**BERT, "embedding_size": 16},
    "modernbert": BERT,
    "mpnet": BERT,
    "roberta": BERT,
    "xlm-roberta": {**BERT, "type_vocab_size": 1},
}
ALL = {**ENCODER_DECODERS, **ENCODERS}


def made_up_texts(rows: int = 300) -> list[str]:
    """Texts of made-up words, common and rare, among them the two sentences above."""
    draw = random.Random(13)
    syllables = [a + b + c for a in "bdgklmnprst" for b in "aeiouäöü" for c in ("", "n", "r", "st", "ß")]
    words = ["".join(draw.choices(syllables, k=draw.randint(1, 3))) for _ in range(200)]
    weights = [1 / (number + 1) for number in range(len(words))]
    return [GERMAN, ENGLISH, *(" ".join(draw.choices(words, weights, k=8)).capitalize() + "." for _ in range(rows))]


TEXTS = made_up_texts()
DATA = DatasetSpec(name="none", task=TaskName.CLASSIFICATION, path="nowhere")


def spec_of(architecture: str = "marian", **changes: Any) -> ModelSpec:
    values = {"config": ALL.get(architecture, {}), "tokenizer": {"vocabulary": 500}, "data": DATA, **changes}
    return ModelSpec.model_validate({"architecture": architecture, **values})


def make(folder: Path, texts: list[str], spec: ModelSpec) -> Path:
    folder.mkdir()
    make_model(spec, texts, folder, "spec.yaml")
    return folder


def tokenizer_of(kind: TokenizerKind, folder: Path, texts: list[str], **changes: Any) -> Any:
    architecture = "bert" if kind is TokenizerKind.WORDPIECE else "marian"
    spec = spec_of(architecture, tokenizer={"kind": kind, "vocabulary": 500, **changes})
    return load_tokenizer(make(folder, texts, spec))


def restored(tokenizer: Any, text: str) -> str:
    """The text, as a translation is decoded."""
    return tokenizer.batch_decode([tokenizer(text)["input_ids"]], skip_special_tokens=True)[0]


@pytest.fixture(scope="module", params=ALL)
def folder(request, tmp_path_factory) -> Path:
    """A model of each architecture."""
    return make(tmp_path_factory.mktemp("made") / request.param, TEXTS, spec_of(request.param))


# Equal inputs, equal models


@pytest.mark.parametrize("kind", KINDS)
def test_equal_inputs_give_equal_folders(kind, tmp_path, monkeypatch):
    spec = spec_of("bert", tokenizer={"kind": kind, "vocabulary": 500})
    folders = []
    for number in range(4):  # a hash map's order differs between any two runs, the number of threads makes none
        monkeypatch.setenv("TOKENIZERS_PARALLELISM", str(number < 2).lower())
        torch.manual_seed(number)
        folders.append(make(tmp_path / str(number), TEXTS, spec))
    contents = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= contents[0].keys()
    for content in contents[1:]:
        assert [name for name, held in content.items() if held != contents[0][name]] == []


def test_seed_decides_the_weights_and_nothing_else(tmp_path):
    state = torch.get_rng_state()
    one, other = (make(tmp_path / str(seed), TEXTS, spec_of(seed=seed)) for seed in (1, 2))
    differ = [file.name for file in one.iterdir() if file.read_bytes() != (other / file.name).read_bytes()]
    assert differ == ["model.safetensors"]
    # and no seed reaches beyond the model
    assert torch.equal(torch.get_rng_state(), state)


# Texts are restored


@pytest.mark.parametrize("kind", DECODING)
@pytest.mark.parametrize("text", [GERMAN, ENGLISH, "Drei Hunde.", "a-b", "er, sie", "(er)", "10:45"])
def test_text_is_restored(kind, text, tmp_path):
    assert restored(tokenizer_of(kind, tmp_path / "made", TEXTS), text) == text


@pytest.mark.parametrize("text", ["Ähren 😀 日本 ▁ Ġ ##x", "two  spaces", "line\nbreak\t", "</S> [CLS]", ""])
def test_bpe_restores_what_it_never_saw(text, tmp_path):
    assert restored(tokenizer_of(TokenizerKind.BPE, tmp_path / "made", TEXTS), text) == text


def test_unigram_restores_all_but_unknown_characters(tmp_path):
    tokenizer = tokenizer_of(TokenizerKind.UNIGRAM, tmp_path / "made", TEXTS)
    assert restored(tokenizer, "ein 日 Mann") == "ein  Mann"
    assert tokenizer.unk_token_id in tokenizer("日")["input_ids"]


def test_wordpiece_continues_words_and_keeps_accents(tmp_path):
    tokenizer = tokenizer_of(TokenizerKind.WORDPIECE, tmp_path / "made", TEXTS)
    assert restored(tokenizer, "Drei Männer, zwei Frauen.") == "Drei Männer, zwei Frauen."
    assert any(token.startswith("##") for token in tokenizer.tokenize(GERMAN))


@pytest.mark.parametrize("kind", KINDS)
def test_lowercase_loses_case_alone(kind, tmp_path):
    tokenizer = tokenizer_of(kind, tmp_path / "made", [text.lower() for text in TEXTS], lowercase=True)
    assert restored(tokenizer, "ÜBER Drei Männer") == "über drei männer"


@pytest.mark.parametrize("kind", KINDS)
def test_words_and_offsets_are_found_again(kind, tmp_path):
    made = make(tmp_path / "made", TEXTS, spec_of("bert", tokenizer={"kind": kind, "vocabulary": 500}))
    # of words: each has tokens, in order, as token classification needs them
    words = ["Drei", "O'Neil", "-", "laufen"]
    numbers = load_tokenizer(made, words=True)(words, is_split_into_words=True).word_ids()
    assert list(dict.fromkeys(number for number in numbers if number is not None)) == [0, 1, 2, 3]
    # of texts: offsets leave out the space before a word, as question answering needs them
    text = "Drei Männer"
    answer = load_tokenizer(made)(text, return_offsets_mapping=True)
    starts = [start for start, end in answer["offset_mapping"] if end > start]  # of others than special tokens
    assert starts[0] == 0
    assert text.index("Männer") in starts
    assert all(text[start:end] == text[start:end].strip() for start, end in answer["offset_mapping"])


@pytest.mark.skipif(not MIRROR.is_dir(), reason="the shared copies of public data sets are not here")
@pytest.mark.parametrize("kind", DECODING)
def test_real_captions_are_restored(kind, tmp_path):
    spec = DatasetSpec(
        name="multi30k", task=TaskName.TRANSLATION, path=str(MIRROR / "multi30k_deen"), languages=("de", "en")
    )
    texts = training_texts(spec)
    tokenizer = tokenizer_of(kind, tmp_path / "made", texts, vocabulary=1000)
    held_out = load_dataset_splits(spec).splits["test"]
    # unigram knows the characters of the training texts
    others = [*held_out.texts, *held_out.labels] if kind is TokenizerKind.BPE else []
    assert [text for text in [*texts, *others] if restored(tokenizer, text) != " ".join(text.split())] == []


# Folders that Transformers and studies read


def test_folder_is_a_model_that_loads(folder):
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in model_files(folder)}
    assert model_folder(str(folder)) == folder
    config = json.loads((folder / "config.json").read_text())
    tokenizer = load_tokenizer(folder)
    head = Head.SEQ2SEQ if folder.name in ENCODER_DECODERS else Head.SEQUENCE
    model = load_model(folder, head)
    # one vocabulary, and the special tokens' ids in it
    assert config["vocab_size"] == len(tokenizer) == model.get_input_embeddings().num_embeddings == 500
    assert config["pad_token_id"] == tokenizer.pad_token_id
    assert len({*tokenizer.all_special_ids}) == len(tokenizer.all_special_tokens)
    assert max(tokenizer.all_special_ids) < len(tokenizer.all_special_tokens)


def test_longest_input_goes_through_the_model(folder):
    tokenizer = load_tokenizer(folder)
    limit = min(tokenizer.model_max_length, 60)
    assert limit == (60 if folder.name == "t5" else 38 if folder.name in ("mpnet", "roberta", "xlm-roberta") else 40)
    inputs = tokenizer(GERMAN * 2, ENGLISH * 2, truncation=True, max_length=limit, return_tensors="pt")
    assert inputs["input_ids"].shape == (1, limit)
    head = Head.SEQ2SEQ if folder.name in ENCODER_DECODERS else Head.SEQUENCE
    labels = {"labels": inputs["input_ids"]} if head is Head.SEQ2SEQ else {}
    with torch.no_grad():
        outputs = load_model(folder, head).eval()(**inputs, **labels).logits
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("architecture", ENCODERS)
def test_encoder_reads_texts_and_pairs_as_bert_does(architecture, tmp_path):
    made = make(tmp_path / architecture, TEXTS, spec_of(architecture))
    tokenizer = load_tokenizer(made)
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    one, pair = tokenizer("Drei Männer"), tokenizer("Drei Männer", "laufen")
    assert (one["input_ids"][0], one["input_ids"][-1]) == (cls, sep)
    first, second = one["input_ids"], tokenizer("laufen")["input_ids"]
    assert pair["input_ids"] == [*first, *second[1:]]
    # token types are for models that embed them
    assert ("token_type_ids" in pair) == (architecture in ("bert", "electra", "roberta"))
    if "token_type_ids" in pair:
        assert pair["token_type_ids"] == [0] * len(first) + [1] * (len(second) - 1)


@pytest.mark.parametrize("architecture", ENCODER_DECODERS)
def test_decoder_starts_as_its_architecture_does(architecture, tmp_path):
    made = make(tmp_path / architecture, TEXTS, spec_of(architecture))
    tokenizer, model = load_tokenizer(made), load_model(made, Head.SEQ2SEQ)
    start = {"marian": "<pad>", "t5": "<pad>", "bigbird_pegasus": "<s>"}.get(architecture, "</s>")
    assert model.config.decoder_start_token_id == tokenizer.convert_tokens_to_ids(start)
    # a text ends with the end's token, once
    ids = tokenizer(GERMAN)["input_ids"]
    assert ids.index(tokenizer.eos_token_id) == len(ids) - 1
    # training starts where generation does
    started = model.prepare_decoder_input_ids_from_labels(labels=torch.tensor([ids]))
    assert started[0, 0] == model.config.decoder_start_token_id
    # what generates, knows it too
    generation = GenerationConfig.from_pretrained(made)
    assert generation.decoder_start_token_id == model.config.decoder_start_token_id
    assert (generation.pad_token_id, generation.eos_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id)
    assert (generation.forced_bos_token_id, generation.forced_eos_token_id) == (None, None)


def test_ids_are_the_architectures_own_where_they_are_small(tmp_path):
    # MPNet takes token 1 for padding, whatever its configuration says
    tokenizer = load_tokenizer(make(tmp_path / "mpnet", TEXTS, spec_of("mpnet")))
    assert [tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.sep_token_id] == [0, 1, 2]
    tokenizer = load_tokenizer(make(tmp_path / "bert", TEXTS, spec_of("bert")))
    assert tokenizer.convert_ids_to_tokens(range(5)) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_made_translator_learns_as_a_teacher(tmp_path):
    dataset = made_dataset(TaskName.TRANSLATION, tmp_path / "data")
    config = {**BART, "d_model": 32, "init_std": 0.1, "scale_embedding": True}
    made = make(tmp_path / "model", training_texts(dataset), spec_of(config=config, data=dataset))
    found = prepare(made, tmp_path / "data", tmp_path / "study", dataset=dataset).teacher
    assert found.status is Status.COMPLETED, found.reason
    # the better of two sentences for all has half of the words right, the scores are BLEU
    assert max(checkpoint.validation_score for checkpoint in found.checkpoints) > 0.6


# What a tokenizer is trained on


@pytest.mark.parametrize("task", list(TaskName))
def test_texts_are_all_that_models_read(task, tmp_path):
    spec = made_dataset(task, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    texts = training_texts(spec)
    assert all(isinstance(text, str) for text in texts)
    expected = {
        TaskName.TOKEN_CLASSIFICATION: lambda row: [" ".join(row["tokens"])],
        TaskName.QUESTION_ANSWERING: lambda row: [row["question"], row["context"]],
        TaskName.TRANSLATION: lambda row: [row["translation"]["xx"], row["translation"]["yy"]],
    }.get(task, lambda row: [row["text"]])
    assert sorted(texts) == sorted(text for row in rows for text in expected(row))


def test_texts_are_of_the_training_split_alone(tmp_path):
    spec = made_dataset(TaskName.CLASSIFICATION, tmp_path)
    for split in ("validation", "test"):
        row = json.dumps({"text": f"secret {split}", "label": "bad"})
        (tmp_path / f"{split}.jsonl").write_text(row)
    assert not any("secret" in text for text in training_texts(spec))
    # nor of what is carved from it
    carved = spec.model_copy(update={"carve": {"validation": CarvedSplit(rows=90)}})
    assert len(training_texts(carved)) == 6


def test_source_prefix_is_part_of_the_sources(tmp_path):
    spec = made_dataset(TaskName.TRANSLATION, tmp_path).model_copy(update={"source_prefix": "translate: "})
    texts = training_texts(spec)
    assert [text.startswith("translate: ") for text in texts] == [True] * 96 + [False] * 96


# Faults


def faults(**changes: Any) -> list[Fault]:
    found = architecture_faults(spec_of(**changes), "spec.yaml")
    assert {fault.where for fault in found} <= {"spec.yaml"}
    return found


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"architecture": "marien"}, "architecture", "no such model type; did you mean 'marian'? known: albert, "),
        (
            {"architecture": "fsmt"},
            "architecture",
            "is not supported: it has other inputs than texts, or more than one",
        ),
        ({"architecture": "m2m_100", "config": BART}, "architecture", "is not supported: Transformers does not define"),
        ({"config": {"d_modl": 16}}, "config.d_modl", "unknown key; did you mean 'd_model'? known: "),
        ({"config": {"encoder_layers": "two"}}, "config.encoder_layers", "expected int, got str"),
        ({"config": {"vocab_size": 80}}, "config.vocab_size", "follows from the tokenizer"),
        ({"config": {"pad_token_id": 3}}, "config.pad_token_id", "follows from the tokenizer"),
        ({"config": {"d_model": 16, "encoder_attention_heads": 3}}, "config", "cannot build a marian model from it: "),
        (
            {"config": {"activation_function": "gelo"}},
            "config",
            "cannot build a marian model from it: KeyError: 'gelo'",
        ),
        ({"tokenizer": {"kind": "wordpiece"}}, "tokenizer.kind", "use bpe or unigram"),
    ],
)
def test_fault_names_key_and_what_would_be_right(changes, key, message):
    (fault,) = faults(**changes)
    assert fault.key == key
    assert message in fault.message


def test_names_of_other_architectures_are_known_where_transformers_takes_them():
    # Transformers' common names for a family's own
    assert faults(architecture="distilbert", config={"hidden_size": 16, "n_heads": 2}) == []
    assert faults(config={**BART, "hidden_size": 32}) == []


def test_faults_of_configuration_and_tokenizer_come_at_once():
    found = faults(config={"d_modl": 1, "vocab_size": 1, "dropout": "x"}, tokenizer={"kind": "wordpiece"})
    assert [fault.key for fault in found] == ["config.d_modl", "config.vocab_size", "config.dropout", "tokenizer.kind"]


def test_large_configurations_are_checked_without_memory():
    assert faults(architecture="bert", config={"hidden_size": 65536, "num_hidden_layers": 96}, tokenizer={}) != []
    assert faults(architecture="bert", config={"hidden_size": 65536, "num_attention_heads": 64}, tokenizer={}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_vocabulary_too_small_for_the_characters_is_a_fault(kind, tmp_path):
    spec = spec_of("bert", tokenizer={"kind": kind, "vocabulary": 40})
    with pytest.raises(
        InputError, match=r"spec\.yaml: tokenizer\.vocabulary = 40: special tokens and .* alone need \d+"
    ):
        make_model(spec, TEXTS, tmp_path, "spec.yaml")
    assert list(tmp_path.iterdir()) == []


def test_vocabulary_of_a_small_corpus_is_smaller_and_the_models_is_its(tmp_path):
    made = make_model(spec_of(tokenizer={"vocabulary": 9000}), TEXTS[:3], tmp_path, "spec.yaml")
    assert 260 < made.vocabulary < 400
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == made.vocabulary
    assert made.parameters == load_model(tmp_path, Head.SEQ2SEQ).num_parameters()


def test_tokenizer_defaults_restore_every_text():
    assert TokenizerSpec().kind is TokenizerKind.BPE
