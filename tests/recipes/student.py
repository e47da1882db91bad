"""A bag of words: the mean of a text's embeddings, and a classifier."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from trials.networks.recurrent_network import RecurrentNetwork
from trials.specs import Precision


class BagOfWords(RecurrentNetwork):
    """Reads and writes the files of recurrent students, and has no recurrent layer.

    Args:
        config: Its config.json.
        precision: Says nothing here.
    """

    def __init__(self, config: dict[str, Any], precision: Precision = Precision.FP32):
        nn.Module.__init__(self)
        self.config = config
        self._pooling = "mean"
        self.embedding = nn.Embedding(config["vocab_size"], config["embedding_size"])
        self.dropout = nn.Dropout(config["dropout"])
        self.classifier = nn.Linear(config["embedding_size"], len(config["id2label"]))

    def parts_from_top(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Its parts in the order in which gradual unfreezing thaws them."""
        return (self.classifier,), (self.embedding,)

    def _pooled(self, batch: dict[str, Tensor]) -> Tensor:
        mask = batch["attention_mask"][..., None]  # [rows, length, 1]
        return (self.embedding(batch["input_ids"]) * mask).sum(1) / mask.sum(1).clamp(min=1)


NETWORK = BagOfWords
