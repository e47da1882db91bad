"""Students of other shapes: B's Table 4 from configurations alone, what is sliced, what is refused."""

import json

import pytest
import torch
from pydantic import ValidationError
from transformers import (
    AutoModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    LongformerConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from study.planning.model_sizes import num_parameters
from trials.models.shapes import shape_faults, student_config
from trials.specs.student import Initialisation, StudentSpec
from trials.storage.workspace import Workspace
from trials.students.encoder import build_encoder
from trials.students.registry import initial_student
from trials.tasks.head import Head

ROBERTA_BASE = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1)
TABLE_4 = {  # millions of parameters: B's own where they are whole numbers, to one place those of the configurations
    "9L": ({"layers": 9}, 103.4),
    "6L": ({"layers": 6}, 82.1),
    "3L": ({"layers": 3}, 60.9),
    "8AH": ({"heads": 8}, 124.6),
    "4AH": ({"heads": 4}, 124.6),
    "516D": ({"hidden_size": 516}, 64.9),
    "384D": ({"hidden_size": 384}, 40.9),
    "6L_384D": ({"layers": 6, "hidden_size": 384}, 30.3),
}
INPUTS = {"input_ids": torch.tensor([[2, 5, 6, 7, 3]]), "attention_mask": torch.ones(1, 5, dtype=torch.long)}
SMALL = {"vocab_size": 40, "max_position_embeddings": 20}
SOURCES = {
    "bert": None,  # the tiny model
    "roberta": RobertaConfig(**SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64),
    "mpnet": MPNetConfig(**SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64),
    "distilbert": DistilBertConfig(**SMALL, dim=16, n_layers=3, n_heads=4, hidden_dim=64),
    "electra": ElectraConfig(
        **SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, embedding_size=4
    ),
    "electra-base": ElectraConfig(
        **SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, embedding_size=16
    ),
    "deberta-v2": DebertaV2Config(
        **SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, pooler_hidden_size=16
    ),
}


@pytest.fixture(params=SOURCES)
def source(request, tiny_model, tmp_path):
    config = SOURCES[request.param]
    if config is None:
        return tiny_model
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(tmp_path / "source")
    return tmp_path / "source"


def parameters(config) -> float:
    """Millions, of a model that is never made."""
    with torch.device("meta"):
        return round(sum(parameter.numel() for parameter in AutoModel.from_config(config).parameters()) / 1e6, 1)


def shapes_of(model):
    """But for the pooler's, which some heads do without."""
    return {name: value.shape for name, value in model.named_parameters() if not name.startswith("pooler.")}


def student(**keys):
    return StudentSpec(name="small", source="teacher", **keys)


@pytest.mark.parametrize(("keys", "millions"), TABLE_4.values(), ids=TABLE_4)
def test_parameters_are_those_of_table_4(keys, millions):
    shape = student_config(ROBERTA_BASE.to_dict(), student(**keys))
    assert parameters(RobertaConfig.from_dict(shape)) == pytest.approx(millions)
    assert round(num_parameters(shape) / 1e6, 1) == pytest.approx(millions)  # what `plan` says
    assert parameters(ROBERTA_BASE) == pytest.approx(124.6)


@pytest.mark.parametrize("init", ["random", "sliced"])
@pytest.mark.parametrize("keys", [{"heads": 2}, {"hidden_size": 8}, {"layers": 2, "hidden_size": 12, "heads": 2}])
def test_students_have_the_shape_that_their_configuration_says(keys, init, source):
    made = build_encoder(student(**keys, init=init), source, ("bad", "good"), seed=1).eval()
    read = json.loads((source / "config.json").read_text())
    shape = student_config(read, student(**keys, init=init))
    same = AutoModel.from_config(type(made.config).from_dict(shape))
    assert shapes_of(made.base_model) == shapes_of(same)
    if "hidden_size" in keys:
        assert made.config.hidden_size == keys["hidden_size"]
        assert any(4 * keys["hidden_size"] in value.shape for value in made.parameters())
    if "heads" in keys:
        assert made.config.num_attention_heads == keys["heads"]
    assert made.config.initialisation == init
    with torch.no_grad():
        assert torch.isfinite(made(**INPUTS).logits).all()


def test_sliced_weights_are_the_leading_ones_of_the_kept_layers(source):
    whole = AutoModel.from_pretrained(source).state_dict()
    depth = 1 + max(int(name.split("layer.")[1].split(".")[0]) for name in whole if "layer." in name)
    made = build_encoder(student(layers=1, hidden_size=8, heads=2, init="sliced"), source, ("a", "b"), seed=1)
    compared = 0
    for name, value in made.base_model.state_dict().items():
        origin = whole[name.replace("layer.0.", f"layer.{depth - 1}.")]  # of one group the upper layer
        if "embedding_size" not in name and value.dim():
            assert torch.equal(value, origin[tuple(slice(size) for size in value.shape)]), name
            compared += value.shape != origin.shape
    assert compared > 10


def test_random_students_copy_nothing_and_follow_from_their_seed(source):
    spec = student(layers=2)
    copied = build_encoder(spec, source, ("a", "b"), seed=1).base_model.state_dict()
    one, same, other = (
        build_encoder(student(layers=2, init="random"), source, ("a", "b"), seed=seed).base_model.state_dict()
        for seed in (1, 1, 2)
    )
    matrices = [name for name, value in one.items() if value.dim() == 2 and value.dtype.is_floating_point]
    assert len(matrices) > 10
    for name in matrices:
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name])
        assert not torch.equal(one[name], copied[name])


def test_initialisation_is_random_where_other_shapes_say_nothing_and_skip_elsewhere():
    assert student(layers=2).init is Initialisation.SKIP
    assert student(heads=2).init is student(hidden_size=8).init is Initialisation.RANDOM
    assert student(layers=2, heads=2, init="sliced").init is Initialisation.SLICED


@pytest.mark.parametrize("init", ["skip", "first", "last"])
@pytest.mark.parametrize("keys", [{"heads": 2}, {"hidden_size": 8}])
def test_whole_weights_are_not_copied_across_heads_and_widths(keys, init):
    (changed,) = keys
    with pytest.raises(ValidationError, match=f"needs the source's {changed}: set init to random or sliced"):
        student(**keys, init=init)


def test_layers_of_new_weights_cannot_be_chosen():
    with pytest.raises(ValidationError, match="init random copies none"):
        student(layer_choice=(0, 1), init="random")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"heads": 5}, "students.small.heads = 5: a width of 768 cannot be divided among 5 heads"),
        ({"hidden_size": 500}, "students.small.hidden_size = 500: a width of 500 cannot be divided among 12 heads"),
        (
            {"hidden_size": 1536, "init": "sliced"},
            "students.small.hidden_size = 1536: base has only a width of 768, so that it cannot be sliced",
        ),
        ({"layers": 13, "heads": 6}, "students.small.layers = 13: base has only 12 layers"),
    ],
)
def test_shapes_that_cannot_be_are_named(keys, message):
    (fault,) = shape_faults(student(**keys), "base", ROBERTA_BASE.to_dict())
    assert message in str(fault)


@pytest.mark.parametrize("choice", [[], [0, 0]])
def test_chosen_layers_are_some_and_different(choice):
    with pytest.raises(ValidationError, match="layer_choice"):
        student(layer_choice=choice)


def test_layers_that_share_their_weights_cannot_be_left_out():
    albert = {"model_type": "albert", "num_hidden_layers": 12, "hidden_size": 768, "num_attention_heads": 12}
    (fault,) = shape_faults(student(layers=6), "base", albert)
    assert "share their weights" in str(fault)


def test_what_is_said_layer_by_layer_follows_the_kept_layers(tmp_path):
    torch.manual_seed(0)
    windows = LongformerConfig(
        **SMALL, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64,
        attention_window=[4, 6, 8],
    )  # fmt: skip
    AutoModel.from_config(windows).save_pretrained(tmp_path)
    made = build_encoder(student(layer_choice=[0, 2]), tmp_path, ("a", "b"), seed=1)
    assert made.config.attention_window == [4, 8]


def test_first_layer_may_lack_a_norm_that_others_have(tmp_path):
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    source = ModernBertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=3, num_attention_heads=4, intermediate_size=32,
        global_attn_every_n_layers=2, **special,
    )  # fmt: skip
    AutoModel.from_config(source).save_pretrained(tmp_path)
    made = build_encoder(student(layer_choice=[1, 2]), tmp_path, ("a", "b"), seed=1).eval()
    assert made.config.layer_types == ["sliding_attention", "full_attention"]
    with torch.no_grad():
        assert torch.isfinite(made(**INPUTS).logits).all()


def test_encoder_decoders_lose_only_layers():
    config = {"model_type": "marian", "encoder_layers": 6, "decoder_layers": 6, "d_model": 512}
    (fault,) = shape_faults(student(heads=4), "marian", config)
    assert (
        "students.small.heads = 4: marian is an encoder-decoder, for which only the number of layers can be changed"
        in str(fault)
    )


def test_shape_of_students_that_only_lose_layers_is_what_it_was():
    # Names of trials follow from it
    assert student(layers=3).shape == {"layers": 3, "init": "skip", "layer_choice": None}
    assert student(heads=4).shape == {"layers": None, "heads": 4, "init": "random", "layer_choice": None}


def test_initial_students_of_other_shapes_are_not_each_others(tiny_model, tmp_path):
    made = {
        str(initial_student(student(**keys), tiny_model, ("a", "b"), 1, Workspace(tmp_path), Head.SEQUENCE))
        for keys in ({}, {"heads": 2}, {"heads": 2, "init": "sliced"}, {"hidden_size": 8})
    }
    assert len(made) == 4
