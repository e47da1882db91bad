"""The model families that the packed encoder computes, with their names of weights. Torch-free.

Families are keyed by Transformers' model type. They differ in names, embeddings and classification head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trials.tasks import Head

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")  # those of the packed encoder


ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")  # names in a config.json
LINEAR_HEADS = {
    Head.TOKENS: "classifier",
    Head.SPANS: "qa_outputs",
}  # name of the linear layer, the same in all families


@dataclass(frozen=True)
class Family:
    """Names of a family's weights, and its differences from BERT.

    Attributes:
        encoder: Prefix of all weights except those of the classification head.
        layer: Prefix of a layer, inside the encoder.
        query, key, value, attention_output, attention_norm, intermediate, output, output_norm: Parts of a layer.
        head: The inner and outer linear layers of the head for sequences.
        head_activation: Activation between the two.
        head_input_dropout: Whether the head also has dropout on its input.
        dropout_for_tokens, dropout_for_spans: Keys of config.json for the dropout before those heads.
        first_position: Position of the first token; None means that positions start after the padding token's id.
        type_embeddings: Whether there are token type embeddings.
        relative_bias: Name of MPNet's relative attention bias, inside the encoder.
        attention_output_dropout: Whether the attention's output has dropout (not in DistilBERT).
        config_names: Keys of config.json that differ from BERT's.
    """

    encoder: str
    head: tuple[str, str]
    layer: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    intermediate: str = "intermediate.dense"
    output: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    head_activation: str = "tanh"
    head_input_dropout: bool = True
    dropout_for_tokens: str = "classifier_dropout"
    dropout_for_spans: str | None = None
    first_position: int | None = 0
    type_embeddings: bool = True
    relative_bias: str | None = None
    attention_output_dropout: bool = True
    config_names: Mapping[str, str] | None = None

    def get(self, config: Mapping[str, Any], name: str, default: Any = None) -> Any:
        """A value of a config.json, by BERT's key."""
        return config.get((self.config_names or {}).get(name, name), default)


_ROBERTA = Family(encoder="roberta", head=("classifier.dense", "classifier.out_proj"), first_position=None)

FAMILIES = {
    "bert": Family(encoder="bert", head=("bert.pooler.dense", "classifier"), head_input_dropout=False),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "mpnet": Family(
        encoder="mpnet",
        head=("classifier.dense", "classifier.out_proj"),
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        type_embeddings=False,
        relative_bias="encoder.relative_attention_bias",
        first_position=2,
    ),
    "distilbert": Family(
        encoder="distilbert",
        head=("pre_classifier", "classifier"),
        layer="transformer.layer",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        intermediate="ffn.lin1",
        output="ffn.lin2",
        output_norm="output_layer_norm",
        head_activation="relu",
        head_input_dropout=False,
        dropout_for_tokens="hidden_dropout_prob",
        dropout_for_spans="qa_dropout",
        type_embeddings=False,
        attention_output_dropout=False,
        config_names={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
            "classifier_dropout": "seq_classif_dropout",
        },
    ),
}


def why_not_packed(config: Mapping[str, Any]) -> str | None:
    """Why the packed encoder cannot compute a model with this config.json; None if it can."""
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        return f"{model_type} is not among {', '.join(FAMILIES)}"
    activation = FAMILIES[model_type].get(config, "hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        return f"its activation is {activation}"
    if config.get("position_embedding_type", "absolute") != "absolute":
        return f"its positions are {config['position_embedding_type']}"
    if config.get("is_decoder") or config.get("add_cross_attention"):
        return "it is a decoder"
    return None
