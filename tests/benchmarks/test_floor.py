"""The operations of a training step: against torch's own counter, and by hand."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from benchmarks.floor import Encoder, floor_seconds, measure_here, step_products, training_operations

ENCODER = Encoder(layers=3, hidden=32, intermediate=64, heads=4, classes=2)


def operations(lengths: list[int], *, cls_only: bool) -> int:
    return sum(product.operations for product in step_products(ENCODER, lengths, cls_only=cls_only))


def counted(rows: int, length: int) -> int:
    """What torch counts in one forward and backward pass of Transformers' model."""
    config = BertConfig(
        vocab_size=50,
        hidden_size=ENCODER.hidden,
        num_hidden_layers=ENCODER.layers,
        num_attention_heads=ENCODER.heads,
        intermediate_size=ENCODER.intermediate,
        num_labels=ENCODER.classes,
        attn_implementation="eager",  # whose products torch sees one by one
    )
    model = BertForSequenceClassification(config)
    with FlopCounterMode(display=False) as counter:
        model(torch.randint(50, (rows, length))).logits.sum().backward()
    return counter.get_total_flops()


@pytest.mark.parametrize(("rows", "length"), [(1, 5), (4, 9)])
def test_operations_are_those_that_torch_counts(rows, length):
    assert operations([length] * rows, cls_only=False) == counted(rows, length)


def test_operations_add_up_over_rows():
    # Rows share no product's operations, so that batches can be formed in any way
    assert operations([5, 9, 9], cls_only=True) == operations([5], cls_only=True) + 2 * operations([9], cls_only=True)


def test_first_token_only_saves_what_arithmetic_says():
    # Of the last layer, the length - 1 other tokens lose query and output (hidden^2 each) and both feed-forward
    # layers (hidden * intermediate each), and their rows of two attention products (length * hidden each over all
    # heads); 2 operations a term, three times for forward and the two gradients
    length, hidden, intermediate = 9, ENCODER.hidden, ENCODER.intermediate
    terms = (length - 1) * (2 * hidden**2 + 2 * hidden * intermediate + 2 * length * hidden)
    saved = operations([length], cls_only=False) - operations([length], cls_only=True)
    assert saved == 3 * 2 * terms


def test_floor_is_operations_over_rates():
    assert floor_seconds({"a": 10.0, "b": 6.0}, {"a": 5.0, "b": 2.0}) == 5.0


def test_every_product_of_a_training_has_a_rate(monkeypatch):
    monkeypatch.setattr("benchmarks.floor.SECONDS", 0.0)
    rates = measure_here(ENCODER, length=5, batch_size=2)
    needed = training_operations(ENCODER, [3, 5, 5, 8], epochs=2)
    assert sum(needed.values()) == 2 * operations([3, 5, 5, 8], cls_only=True)
    for precision in ("fp32", "bf16"):
        assert floor_seconds(needed, rates[precision]) > 0
