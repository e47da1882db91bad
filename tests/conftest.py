"""A tiny pretrained encoder and tiny data, made once a session: real models and files, in milliseconds."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"  # no test may ask the hub; set before anything imports its client
os.environ["OMP_NUM_THREADS"] = "1"  # tiny models only wait for threads; set before anything imports torch
settings.register_profile("no deadline", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("no deadline")

WORDS = {
    "good": ["bright", "happy", "lovely", "fine", "great", "warm", "sweet", "clever"],
    "bad": ["dark", "sad", "ugly", "poor", "awful", "cold", "bitter", "dull"],
}
FILLER = ["the", "a", "film", "book", "day", "was", "is", "and", "very", "quite", "of", "it", "this", "that"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of 4 layers, 32 wide, and its word-level tokenizer."""
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def tiny_masked_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The like, with a token for masked ones."""
    return make_tiny_model(tmp_path_factory.mktemp("masked"), mask=True)


@pytest.fixture(scope="session")
def tiny_translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Marian of 2 and 2 layers, 32 wide, and its word-level tokenizer."""
    return make_tiny_translator(tmp_path_factory.mktemp("translator"))


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train (96), validation (32) and test (32) rows of two classes that a bag of words tells apart."""
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(13)
    for split, rows in (("train", 96), ("validation", 32), ("test", 32)):
        lines = [json.dumps(_row(draw, index % 2)) for index in range(rows)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def tiny_study(tiny_model: Path, tiny_data: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a study file of one data set, one teacher and two students; keywords replace top-level keys."""
    return lambda **changes: write_study(tmp_path / "tiny.yaml", tiny_model, tiny_data, changes)


@pytest.fixture(scope="session")
def tiny_study_session(
    tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """`tiny_study` for fixtures that live as long as the session."""
    return lambda **changes: write_study(tmp_path_factory.mktemp("file") / "tiny.yaml", tiny_model, tiny_data, changes)


def write_study(path: Path, model: Path, data: Path, changes: dict[str, object]) -> Path:
    """Write the tiny study's file."""
    values = {
        "name": "tiny",
        "datasets": [{"name": "words", "task": "classification", "path": str(data), "labels": ["bad", "good"]}],
        "teachers": [
            {
                "name": "tiny",
                "model": str(model),
                "training": {"epochs": 8, "learning_rate": 0.003, "evaluate_every": 3},
            }
        ],
        "students": [{"name": "2L", "from": "tiny", "layers": 2}, {"name": "1L", "from": "tiny", "layers": 1}],
        "search": {
            "strategy": "greedy",
            "space": {
                "name": "tiny",
                "choices": {
                    "distance": ["ce", "mse"],
                    "teacher_checkpoint": ["highest_score", "lowest_loss"],
                    "student_temperature": ["equal", "one"],
                },
                "soft_label_weight": {"default": 1.0, "then": [0.5]},
                "learning_rates": [0.003],
                "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 1, "default": 1},
            },
        },
        "training": {"epochs": 2, "batch_size": 16, "max_length": 16},
        "seeds": [13],
    }
    path.write_text(yaml.safe_dump({**values, **changes}, sort_keys=False))
    return path


def make_tiny_model(folder: Path, *, mask: bool = False) -> Path:
    """Write the tiny encoder into a folder; its tokenizer may have a token for masked ones."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", **({"mask": "[MASK]"} if mask else {})}
    words = [*special.values(), *FILLER, *WORDS["good"], *WORDS["bad"]]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    roles = {f"{role}_token": token for role, token in special.items()}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def make_tiny_translator(folder: Path) -> Path:
    """Write the tiny encoder-decoder into a folder."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[EOS]", *FILLER, *WORDS["good"], *WORDS["bad"]]
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A [EOS]", special_tokens=[("[EOS]", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {"layers": 2, "attention_heads": 4, "ffn_dim": 64}
    config = MarianConfig(
        vocab_size=len(words),
        d_model=32,
        **{f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in size.items()},
        max_position_embeddings=32,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=0,
        forced_eos_token_id=None,
        init_std=0.1,
        scale_embedding=True,
    )
    MarianMTModel(config).save_pretrained(folder)
    return folder


def _row(draw: random.Random, label: int) -> dict[str, object]:
    kind = "good" if label else "bad"
    words = draw.choices(FILLER, k=draw.randint(2, 7)) + draw.choices(WORDS[kind], k=draw.randint(1, 3))
    draw.shuffle(words)
    return {"text": " ".join(words), "label": label}
