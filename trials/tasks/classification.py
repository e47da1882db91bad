"""Classification of one text or a pair of texts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trials.losses import hard_label_loss
from trials.metrics import classification_scores
from trials.networks import Network
from trials.spec import EVALUATION_TOKENS
from trials.tokens import TokenizedSplit


class Classification:
    """Logits are [rows, classes]; labels are int64 [rows]."""

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Loss against human labels."""
        return hard_label_loss(logits, labels)

    @torch.no_grad()
    def predict(self, network: Network, split: TokenizedSplit) -> np.ndarray:
        """float32 [rows, classes] in the split's order; rows of like length go through the model together."""
        network.eval()
        parts, order = [], []
        for rows in batches_by_length(split.lengths):
            parts.append(network(network.inputs(split, rows)).cpu().numpy())
            order.append(rows)
        logits = np.concatenate(parts)
        return logits[np.argsort(np.concatenate(order))]

    def evaluate(self, network: Network, split: TokenizedSplit) -> tuple[dict[str, float], float]:
        """All scores of a split, and the mean loss against its human labels."""
        return self.score(self.predict(network, split), split)

    def score(self, logits: np.ndarray, split: TokenizedSplit) -> tuple[dict[str, float], float]:
        """Scores and mean cross-entropy of logits, float32 [rows, classes], over a split."""
        labels = np.array(split.labels)
        loss = hard_label_loss(torch.from_numpy(logits), torch.from_numpy(labels))
        return classification_scores(logits, labels), float(loss)


def batches_by_length(lengths: np.ndarray) -> list[np.ndarray]:
    """Rows in batches of at most `EVALUATION_TOKENS` tokens, padding included, longest rows first."""
    rows = np.argsort(-lengths, kind="stable")
    batches, start = [], 0
    while start < len(rows):
        size = max(1, EVALUATION_TOKENS // int(lengths[rows[start]]))
        batches.append(rows[start : start + size])
        start += size
    return batches
