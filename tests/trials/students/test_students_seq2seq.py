"""Students cut from encoder-decoders: the right layers, ties and special tokens intact, loadable by Transformers."""

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, MarianConfig, MBartConfig, T5Config

from search_spaces.faults import InputError
from trials.specs.student import StudentSpec
from trials.students.encoder_decoder import build_encoder_decoder

WORDS = 40
BART = {
    "vocab_size": WORDS,
    "d_model": 16,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 32,
}
CONFIGS = {
    "marian": MarianConfig(**BART, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=None),
    "mbart": MBartConfig(**BART, pad_token_id=1, decoder_start_token_id=7),
    "t5": T5Config(vocab_size=WORDS, d_model=16, d_kv=8, d_ff=32, num_layers=4, num_heads=2, decoder_start_token_id=0),
}
LISTS = {"marian": "model.{}.layers", "mbart": "model.{}.layers", "t5": "{}.block"}


@pytest.fixture(params=sorted(CONFIGS))
def family(request):
    return request.param


@pytest.fixture
def source(family, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForSeq2SeqLM.from_config(CONFIGS[family])
    model.save_pretrained(tmp_path / "source")
    return tmp_path / "source"


def student(**keys):
    return StudentSpec(name="small", source="teacher", **keys)


def layer(model, family, stack, number):
    prefix = f"{LISTS[family].format(stack)}.{number}."
    weights = {
        name.removeprefix(prefix): value for name, value in model.state_dict().items() if name.startswith(prefix)
    }
    return {name: value for name, value in weights.items() if "relative_attention_bias" not in name}


@pytest.mark.parametrize(
    ("keys", "encoder", "decoder"),
    [
        ({"layers": 2}, (1, 3), (1, 3)),
        ({"encoder_layers": 4, "decoder_layers": 1}, (0, 1, 2, 3), (3,)),
        ({"layers": 3, "decoder_layers": 2, "init": "first"}, (0, 1, 2), (0, 1)),
        ({"layer_choice": (0, 2)}, (0, 2), (0, 2)),
    ],
)
def test_kept_layers_are_the_sources(family, source, keys, encoder, decoder):
    whole = AutoModelForSeq2SeqLM.from_pretrained(source)
    small = build_encoder_decoder(student(**keys), source, seed=1)
    for stack, kept in (("encoder", encoder), ("decoder", decoder)):
        for number, origin in enumerate(kept):
            ours, theirs = layer(small, family, stack, number), layer(whole, family, stack, origin)
            assert ours.keys() == theirs.keys()
            assert ours
            assert all(torch.equal(ours[name], theirs[name]) for name in ours)
        assert not layer(small, family, stack, len(kept))
    others = [name for name in small.state_dict() if ".layers." not in name and ".block." not in name]
    assert all(torch.equal(small.state_dict()[name], whole.state_dict()[name]) for name in others)


def test_ties_and_language_codes_stay(family, source, tmp_path):
    small = build_encoder_decoder(student(layers=2), source, seed=1)
    small.save_pretrained(tmp_path / "small")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "small")
    assert again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert again.config.decoder_start_token_id == CONFIGS[family].decoder_start_token_id
    assert again.config.pad_token_id == CONFIGS[family].pad_token_id
    inputs = {"input_ids": torch.tensor([[5, 6, 1]]), "labels": torch.tensor([[8, 9, 1]])}
    torch.testing.assert_close(again.eval()(**inputs).logits, small.eval()(**inputs).logits)


def test_student_with_all_layers_is_its_source(source):
    whole, same = AutoModelForSeq2SeqLM.from_pretrained(source), build_encoder_decoder(student(), source, seed=1)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in whole.state_dict().items())


def test_relative_positions_of_t5_stay_where_all_blocks_find_them(tmp_path):
    torch.manual_seed(0)
    whole = AutoModelForSeq2SeqLM.from_config(CONFIGS["t5"])
    whole.save_pretrained(tmp_path)
    small = build_encoder_decoder(student(layers=1, init="last"), tmp_path, seed=1)
    for stack in ("encoder", "decoder"):
        name = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        assert torch.equal(small.state_dict()[name], whole.state_dict()[name])


def test_deeper_student_than_its_source_is_a_fault(source):
    with pytest.raises(InputError, match=r"students\.small\.decoder_layers = 9: the source has only 4 layers"):
        build_encoder_decoder(student(decoder_layers=9), source, seed=1)


def test_random_students_copy_nothing(source, family):
    whole = AutoModelForSeq2SeqLM.from_pretrained(source)
    made = build_encoder_decoder(student(layers=2, init="random"), source, seed=1)
    own, other = layer(made, family, "encoder", 1), layer(whole, family, "encoder", 3)
    matrices = [name for name, value in own.items() if value.dim() == 2]
    assert matrices
    assert not any(torch.equal(own[name], other[name]) for name in matrices)
    assert (made.config.kept_encoder_layers, made.config.kept_decoder_layers) == ([], [])
