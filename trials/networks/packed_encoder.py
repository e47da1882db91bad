"""A BERT-like classifier for packed tokens. Padding exists only inside attention; the last layer computes only outputs.

It computes the same as BERT, RoBERTa, MPNet and DistilBERT of Transformers (`trials/models/families.py` has the names
of their weights), on [tokens, hidden] instead of [rows, length, hidden]. Shapes: T tokens of all rows of a batch, R
rows, H hidden size, A heads of D = H / A each; an attention group has r rows of length L.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trials.models import Family
from trials.networks.packed_batches import AttentionGroup, PackedBatch
from trials.tasks import Head

ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "tanh": torch.tanh,
}


DEFAULT_LABELS = {"0": "LABEL_0", "1": "LABEL_1"}  # Transformers leaves its default labels out of config.json


@dataclass(frozen=True)
class PackedConfig:
    """The shape of a packed classifier; the names are Transformers'."""

    num_trained_words: int
    num_other_words: int
    num_labels: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str
    max_position_embeddings: int
    first_position: int
    padding_id: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout: float
    attention_dropout: float
    classifier_dropout: float
    attention_output_dropout: float
    head_activation: str
    head_input_dropout: bool
    relative_attention_num_buckets: int
    head: Head

    @classmethod
    def of(cls, family: Family, config: Mapping[str, Any], head: Head, *, trained_words: int, other_words: int) -> Self:
        """The shape for a config.json of a family and a head, with the vocabulary of the data."""
        dropout = family.get(config, "hidden_dropout_prob", 0.1)
        padding_id = (family.first_position or 0) - 1 if family.first_position else config.get("pad_token_id") or 0
        return cls(
            num_trained_words=trained_words,
            num_other_words=other_words,
            num_labels=len(config.get("id2label", DEFAULT_LABELS)),
            hidden_size=family.get(config, "hidden_size"),
            num_hidden_layers=family.get(config, "num_hidden_layers"),
            num_attention_heads=family.get(config, "num_attention_heads"),
            intermediate_size=family.get(config, "intermediate_size"),
            hidden_act=family.get(config, "hidden_act", "gelu"),
            max_position_embeddings=config["max_position_embeddings"],
            first_position=padding_id + 1 if family.first_position is None else family.first_position,
            padding_id=padding_id,
            type_vocab_size=config.get("type_vocab_size", 2) if family.type_embeddings else 0,
            layer_norm_eps=config.get("layer_norm_eps", 1e-12),
            hidden_dropout=dropout,
            attention_dropout=family.get(config, "attention_probs_dropout_prob", 0.1),
            classifier_dropout=_head_dropout(family, config, head),
            attention_output_dropout=dropout if family.attention_output_dropout else 0.0,
            head_activation=family.head_activation,
            head_input_dropout=family.head_input_dropout,
            relative_attention_num_buckets=config.get("relative_attention_num_buckets", 32)
            if family.relative_bias
            else 0,
            head=head,
        )


def _head_dropout(family: Family, config: Mapping[str, Any], head: Head) -> float:
    if head is Head.SPANS:
        return family.get(config, family.dropout_for_spans, 0.1) if family.dropout_for_spans else 0.0
    name = "classifier_dropout" if head is Head.SEQUENCE else family.dropout_for_tokens
    of_head = family.get(config, name)
    return family.get(config, "hidden_dropout_prob", 0.1) if of_head is None else of_head


@dataclass
class LayerRecorder:
    """Records hidden states and attention maps during a forward.

    Attributes:
        attention: Positions of the layers whose attention maps are recorded.
        states: First-token hidden states of each layer, [R, H].
        log_attention: For each recorded layer and each group, log-probabilities of attention before dropout, float32
            [r, A, L, L]; -inf at padding.
    """

    attention: frozenset[int] = frozenset()
    states: list[Tensor] = field(default_factory=list)
    log_attention: list[list[Tensor]] = field(default_factory=list)


class PackedClassifier(nn.Module):
    """Embeddings, layers, and a head on the first token of each row, or on the tokens with an output.

    Args:
        config: Its shape.
        compute_dtype: Type of activations and working copies of weights; the weights themselves are float32.
    """

    def __init__(self, config: PackedConfig, compute_dtype: torch.dtype = torch.float32):
        super().__init__()
        self.config = config
        self.compute_dtype = compute_dtype
        self.embeddings = PackedEmbeddings(config)
        self.layers = nn.ModuleList(PackedLayer(config) for _ in range(config.num_hidden_layers))
        buckets = config.relative_attention_num_buckets
        self.relative_bias = nn.Embedding(buckets, config.num_attention_heads) if buckets else None
        self.head_inner = Linear(config.hidden_size, config.hidden_size) if config.head is Head.SEQUENCE else None
        self.head_outer = Linear(config.hidden_size, config.num_labels)

    def forward(self, batch: PackedBatch, recorder: LayerRecorder | None = None) -> Tensor:
        """Logits, float32 [R, labels] or [positions, labels], rows in the batch's order; `recorder` notes."""
        x = self.embeddings(batch).to(self.compute_dtype)  # [T, H]
        biases = [self._attention_bias(group) for group in batch.groups]
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            recorded: list[Tensor] | None = [] if recorder and index in recorder.attention else None
            first_only = index == last and batch.outputs is None and recorded is None
            x = layer(x, batch, biases, recorded, first_only=first_only)  # [T, H], or [R, H] of first tokens only
            if recorder:
                recorder.states.append(x if first_only else x.index_select(0, batch.first))
            if recorder and recorded is not None:
                recorder.log_attention.append(recorded)
        if not first_only:
            x = x.index_select(0, batch.first if batch.outputs is None else batch.outputs)  # [positions, H]
        return self._head(x).float()

    def _head(self, x: Tensor) -> Tensor:
        """[R, H] -> [R, labels], or of positions."""
        if self.head_inner is None:
            return self.head_outer(self._head_dropout(x))
        if self.config.head_input_dropout:
            x = self._head_dropout(x)
        x = ACTIVATION_FUNCTIONS[self.config.head_activation](self.head_inner(x))
        return self.head_outer(self._head_dropout(x))

    def _head_dropout(self, x: Tensor) -> Tensor:
        return dropout(x, self.config.classifier_dropout, self.training)

    def _attention_bias(self, group: AttentionGroup) -> Tensor:
        """What is added to a group's scores: [r * A, 1, L], or [r * A, L, L] with MPNet's relative positions."""
        heads = self.config.num_attention_heads
        if self.relative_bias is None:
            return group.mask.to(self.compute_dtype).expand(-1, heads, -1, -1).flatten(0, 1)
        steps = torch.arange(group.length, device=group.mask.device)
        bias = self.relative_bias(relative_position_buckets(steps - steps[:, None])).permute(2, 0, 1)  # [A, L, L]
        return (bias + group.mask).to(self.compute_dtype).flatten(0, 1)


class PackedEmbeddings(nn.Module):
    """Sum of word, position and token type embeddings, normalised.

    `word` has the words of the training data, and one extra row. The extra row starts at 1 and gets no gradient, so
    that it has the weight decay that all left-out words would have had. `other_words` are the left-out words that occur
    in validation or test, without that decay.
    """

    other_words: Tensor  # [words, H]

    def __init__(self, config: PackedConfig):
        super().__init__()
        self.first_position = config.first_position
        self.padding_row: int | None = None  # row of `word` that gets no gradient, as in Transformers
        self.hidden_dropout = config.hidden_dropout
        self.word = nn.Embedding(config.num_trained_words + 1, config.hidden_size)
        self.register_buffer("other_words", torch.empty(config.num_other_words, config.hidden_size), persistent=False)
        self.position = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type = nn.Embedding(config.type_vocab_size, config.hidden_size) if config.type_vocab_size else None
        self.norm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, batch: PackedBatch) -> Tensor:
        """[T, H]."""
        words = self.word.weight  # [trained + 1, H]
        if not self.training:
            words = torch.cat([words, self.other_words * words[-1, 0]])
        positions = batch.positions + self.first_position
        unlearned = self.first_position - 1 if self.first_position else None
        x = F.embedding(batch.ids, words, padding_idx=self.padding_row)
        x = x + F.embedding(positions, self.position.weight, padding_idx=unlearned)
        if self.token_type is not None:
            type_ids = torch.zeros_like(batch.ids) if batch.type_ids is None else batch.type_ids
            x = x + self.token_type(type_ids)
        return dropout(self.norm(x), self.hidden_dropout, self.training)


class PackedLayer(nn.Module):
    """Self-attention and feed-forward network, each with a residual connection and normalised after it."""

    def __init__(self, config: PackedConfig):
        super().__init__()
        hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
        self.config = config
        self.query_key_value = Linear(hidden, 3 * hidden)
        self.attention_output = Linear(hidden, hidden)
        self.attention_norm = LayerNorm(hidden, eps=eps)
        self.intermediate = Linear(hidden, inner)
        self.output = Linear(inner, hidden)
        self.output_norm = LayerNorm(hidden, eps=eps)

    def forward(
        self,
        x: Tensor,
        batch: PackedBatch,
        biases: list[Tensor],
        recorded: list[Tensor] | None = None,
        *,
        first_only: bool = False,
    ) -> Tensor:
        """x [T, H] -> [T, H], or [R, H] if only rows' first tokens are asked for; attention is added to `recorded`."""
        if first_only:
            context = self._attend_first(x, batch, biases)  # [R, H]
            x = x.index_select(0, batch.first)  # [R, H]
        else:
            context = self._attend(x, batch, biases, recorded)  # [T, H]
        attended = dropout(self.attention_output(context), self.config.attention_output_dropout, self.training)
        x = self.attention_norm(attended + x)
        inner = ACTIVATION_FUNCTIONS[self.config.hidden_act](self.intermediate(x))
        return self.output_norm(dropout(self.output(inner), self.config.hidden_dropout, self.training) + x)

    def _attend(self, x: Tensor, batch: PackedBatch, biases: list[Tensor], recorded: list[Tensor] | None) -> Tensor:
        """Attention of all tokens to their rows: [T, H] -> [T, H]."""
        padded = self.query_key_value(x).index_select(0, batch.tokens)  # [slots, 3H]
        contexts = []
        for part, group, bias in zip(padded.split(batch.slots_of_groups), batch.groups, biases, strict=True):
            query, key, value = part.view(group.rows, group.length, -1).chunk(3, dim=-1)  # [r, L, H] each
            contexts.append(self._attention(query, key, value, bias, recorded).flatten(0, 1))  # [r * L, H]
        return torch.cat(contexts).index_select(0, batch.slots)

    def _attend_first(self, x: Tensor, batch: PackedBatch, biases: list[Tensor]) -> Tensor:
        """Attention of rows' first tokens to their rows: [T, H] -> [R, H]."""
        hidden = self.config.hidden_size
        query_weight, key_value_weight = self.query_key_value.weight.split([hidden, 2 * hidden])
        query_bias, key_value_bias = self.query_key_value.bias.split([hidden, 2 * hidden])
        first = x.index_select(0, batch.first.index_select(0, batch.rows))  # [R, H], in the groups' order
        queries = linear(first, query_weight, query_bias).split([group.rows for group in batch.groups])
        padded = linear(x, key_value_weight, key_value_bias).index_select(0, batch.tokens)  # [slots, 2H]
        contexts = []
        parts = padded.split(batch.slots_of_groups)
        for query, part, group, bias in zip(queries, parts, batch.groups, biases, strict=True):
            key, value = part.view(group.rows, group.length, -1).chunk(2, dim=-1)  # [r, L, H] each
            contexts.append(self._attention(query[:, None], key, value, bias[:, :1]).squeeze(1))  # [r, H]
        return torch.cat(contexts).index_select(0, batch.row_slots)

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, recorded: list[Tensor] | None = None
    ) -> Tensor:
        """Query [r, Q, H], key and value [r, L, H], bias [r * A, 1 or Q, L] -> context [r, Q, H]."""
        scale = 1 / math.sqrt(self.config.hidden_size // self.config.num_attention_heads)
        scores = torch.baddbmm(bias, self._heads(query), self._heads(key).mT, alpha=scale)  # [r * A, Q, L]
        if recorded is not None:
            recorded.append(scores.float().log_softmax(-1).unflatten(0, (-1, self.config.num_attention_heads)))
        probabilities = dropout(scores.softmax(-1), self.config.attention_dropout, self.training)
        context = torch.bmm(probabilities, self._heads(value))  # [r * A, Q, D]
        return context.unflatten(0, (-1, self.config.num_attention_heads)).transpose(1, 2).flatten(2)

    def _heads(self, x: Tensor) -> Tensor:
        """[r, L, H] -> [r * A, L, D]."""
        return x.unflatten(-1, (self.config.num_attention_heads, -1)).transpose(1, 2).flatten(0, 1)


class Linear(nn.Linear):
    """A linear layer whose float32 weights are cast to the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return linear(x, self.weight, self.bias)


class LayerNorm(nn.LayerNorm):
    """Layer normalisation whose float32 weights are cast to the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., H] -> [..., H]."""
        return F.layer_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.bias.to(x.dtype), self.eps)


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [..., in], weight [out, in], bias [out] -> [..., out], in the type of x."""
    return F.linear(x, weight.to(x.dtype), bias.to(x.dtype))


def dropout(x: Tensor, probability: float, training: bool) -> Tensor:
    """Dropout with 16 random bits per element of torch's default generator; ten times faster than torch's own.

    The probability is rounded to a multiple of 1/65536, and outputs are scaled accordingly.
    """
    dropped = round(probability * 65536)
    if not training or not dropped:
        return x
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)  # uniform over -32768 ... 32767
    return x * (bits >= dropped - 32768).to(x.dtype).mul_(65536 / (65536 - dropped))


def relative_position_buckets(distance: Tensor, buckets: int = 32, max_distance: int = 128) -> Tensor:
    """MPNet's bucket of each distance key - query, int64 [...]: exact up to a fourth of them, then logarithmic."""
    half = buckets // 2
    exact = half // 2
    far = distance.abs().clamp(min=1).float()
    logarithmic = exact + (torch.log(far / exact) / math.log(max_distance / exact) * (half - exact)).long()
    bucket = torch.where(distance.abs() < exact, distance.abs(), logarithmic.clamp(max=half - 1))
    return bucket + (distance > 0) * half
