"""Scores of classification, by scikit-learn. Torch-free; scikit-learn is imported when first used."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Labels = np.ndarray  # int64 [rows]

CLASSIFICATION_METRICS: dict[str, Callable[[Labels, Labels], float]] = {
    "accuracy": lambda labels, predictions: float(np.mean(labels == predictions)),
    "f1": lambda labels, predictions: _f1(labels, predictions, "binary"),
    "f1_macro": lambda labels, predictions: _f1(labels, predictions, "macro"),
    "matthews_corrcoef": lambda labels, predictions: _matthews(labels, predictions),
}


def classification_scores(logits: np.ndarray, labels: Labels) -> dict[str, float]:
    """All scores of some predictions; `f1` (of label 1) only where there are two classes.

    Args:
        logits: float [rows, classes].
        labels: int64 [rows].
    """
    predictions = logits.argmax(axis=1)
    binary = logits.shape[1] == 2
    return {
        name: metric(labels, predictions) for name, metric in CLASSIFICATION_METRICS.items() if name != "f1" or binary
    }


def _f1(labels: Labels, predictions: Labels, average: str) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average=average, zero_division=0.0))


def _matthews(labels: Labels, predictions: Labels) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))
