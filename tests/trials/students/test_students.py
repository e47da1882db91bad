"""Students: truncation by the named layers, equal logits after reloading. New students add a line to STUDENTS."""

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertForMaskedLM,
    DistilBertConfig,
    MPNetConfig,
    RobertaConfig,
)

from search_spaces.faults import InputError
from trials.models.shapes import kept_layers
from trials.specs.student import StudentSpec
from trials.students.encoder import build_encoder

STUDENTS = [
    StudentSpec(name="2L", source="tiny", layers=2),
    StudentSpec(name="first", source="tiny", layers=3, init="first"),
    StudentSpec(name="last", source="tiny", layers=1, init="last"),
    StudentSpec(name="chosen", source="tiny", layer_choice=(0, 3)),
    StudentSpec(name="whole", source="tiny"),
]
INPUTS = {"input_ids": torch.tensor([[2, 5, 6, 7, 3]]), "attention_mask": torch.ones(1, 5, dtype=torch.long)}


@pytest.fixture(params=STUDENTS, ids=lambda student: student.name)
def student(request):
    return request.param


def test_student_saved_and_reloaded_gives_equal_logits(student, tiny_model, tmp_path):
    model = build_encoder(student, tiny_model, ("bad", "good"), seed=1).eval()
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(model(**INPUTS).logits, again(**INPUTS).logits, rtol=0, atol=1e-6)
    assert again.config.num_hidden_layers == len(kept_layers(student, 4))
    assert again.config.kept_layers == list(kept_layers(student, 4))
    assert again.config.id2label == {0: "bad", 1: "good"}


def test_student_computes_what_its_source_cut_by_hand_computes(student, tiny_model):
    # Independent oracle: the source itself with the other layers deleted from its list
    source = AutoModel.from_pretrained(tiny_model).eval()
    source.encoder.layer = torch.nn.ModuleList(source.encoder.layer[i] for i in kept_layers(student, 4))
    model = build_encoder(student, tiny_model, ("bad", "good"), seed=1).eval()
    with torch.no_grad():
        expected = source(**INPUTS).last_hidden_state
        torch.testing.assert_close(model.base_model(**INPUTS).last_hidden_state, expected, rtol=0, atol=1e-6)


def test_student_is_a_function_of_its_seed_and_never_shared(student, tiny_model):
    one = build_encoder(student, tiny_model, ("bad", "good"), seed=1)
    other = build_encoder(student, tiny_model, ("bad", "good"), seed=2)
    with torch.no_grad():
        one.classifier.weight.add_(1)  # training one must not touch the next
    fresh = build_encoder(student, tiny_model, ("bad", "good"), seed=1)
    assert not torch.equal(one.classifier.weight, fresh.classifier.weight)
    assert torch.equal(
        fresh.classifier.weight, build_encoder(student, tiny_model, ("bad", "good"), 1).classifier.weight
    )
    assert not torch.equal(fresh.classifier.weight, other.classifier.weight)


@pytest.mark.parametrize(
    "config",
    [
        RobertaConfig(
            vocab_size=40,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=20,
        ),
        MPNetConfig(
            vocab_size=40,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=20,
        ),
        DistilBertConfig(vocab_size=40, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=20),
    ],
    ids=lambda config: config.model_type,
)
def test_student_of_other_families_keeps_the_named_layers(config, tmp_path):
    torch.manual_seed(0)
    source = AutoModel.from_config(config)
    source.save_pretrained(tmp_path)
    model = build_encoder(StudentSpec(name="2L", source="x", layer_choice=(0, 2)), tmp_path, ("a", "b", "c"), 1)
    kept = [p for name, p in source.named_parameters() if "layer.0." in name or "layer.2." in name]
    copied = [p for name, p in model.base_model.named_parameters() if "layer.0." in name or "layer.1." in name]
    assert len(kept) == len(copied) > 10
    assert all(torch.equal(a, b) for a, b in zip(kept, copied, strict=True))
    assert model(**INPUTS).logits.shape == (1, 3)


@pytest.mark.parametrize(
    ("depth", "count", "expected"),
    [(6, 3, (1, 3, 5)), (6, 2, (2, 5)), (12, 6, (1, 3, 5, 7, 9, 11)), (24, 4, (5, 11, 17, 23))],
)
def test_skip_keeps_the_upper_layer_of_each_group(depth, count, expected):
    assert kept_layers(StudentSpec(name="s", source="t", layers=count), depth) == expected


@pytest.mark.parametrize("changes", [{"layers": 5}, {"layer_choice": (0, 4)}])
def test_student_deeper_than_its_source_is_refused(changes):
    with pytest.raises(InputError, match="source has only 4 layers"):
        kept_layers(StudentSpec(name="deep", source="tiny", **changes), 4)


def test_truncation_renumbers_every_layer_once(tiny_model):
    model = build_encoder(STUDENTS[0], tiny_model, ("a", "b"), 1)
    layers = {name.split(".")[2] for name, _ in model.base_model.named_parameters() if name.startswith("encoder.layer")}
    assert layers == {"0", "1"}
    assert np.isfinite(model(**INPUTS).logits.detach().numpy()).all()


def test_what_the_source_lacks_follows_from_the_seed(tiny_model, tmp_path):
    # A source that was saved without a pooler, as masked language models are
    BertForMaskedLM.from_pretrained(tiny_model).save_pretrained(tmp_path)
    spec, poolers = StudentSpec(name="1L", source="tiny", layers=1), []
    for state in (1, 2):
        torch.manual_seed(state)
        poolers.append(build_encoder(spec, tmp_path, ("bad", "good"), seed=1).bert.pooler.dense.weight)
    assert torch.equal(*poolers)
