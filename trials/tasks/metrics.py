"""Metrics, by scikit-learn, scipy, seqeval, torchmetrics and sacreBLEU, which are imported when first used."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Labels = np.ndarray  # int64 [rows]

CLASSIFICATION_METRICS: dict[str, Callable[[Labels, Labels], float]] = {
    "accuracy": lambda labels, predictions: float(np.mean(labels == predictions)),
    "f1": lambda labels, predictions: _f1(labels, predictions, "binary"),
    "f1_macro": lambda labels, predictions: _f1(labels, predictions, "macro"),
    "accuracy_f1": lambda labels, predictions: (
        (float(np.mean(labels == predictions)) + _f1(labels, predictions, "binary")) / 2
    ),  # B's for MRPC and QQP
    "matthews_corrcoef": lambda labels, predictions: _matthews(labels, predictions),
}


def classification_scores(logits: np.ndarray, labels: Labels) -> dict[str, float]:
    """All scores of predictions; `f1` and `accuracy_f1` only if there are two classes.

    Args:
        logits: float [rows, classes].
        labels: int64 [rows].
    """
    predictions = logits.argmax(axis=1)
    binary = logits.shape[1] == 2
    return {
        name: metric(labels, predictions)
        for name, metric in CLASSIFICATION_METRICS.items()
        if binary or name not in ("f1", "accuracy_f1")
    }


def prediction_variance(logits: np.ndarray) -> float:
    """Confidence of predictions: the variance of the probabilities over classes, averaged over rows (D, table 9).

    The population variance: 0 for equal probabilities, (1/C) (1 - 1/C) for one-hot ones.
    Example: probabilities (.7, .3) have .04; the maximum for two classes is .25.

    Args:
        logits: float [rows, classes], at least one row.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    return float((odds / odds.sum(axis=1, keepdims=True)).var(axis=1).mean())


def correlation_scores(predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Pearson's and Spearman's correlation and their mean (GLUE's score of STS-B).

    Constant predictions or labels give 0.

    Args:
        predictions: float [rows].
        labels: float [rows].
    """
    from scipy.stats import pearsonr, spearmanr

    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return {"pearson_spearman": 0.0, "pearson": 0.0, "spearman": 0.0}
    pearson = float(pearsonr(predictions.astype(np.float64), labels.astype(np.float64)).statistic)
    spearman = float(spearmanr(predictions, labels).statistic)
    return {"pearson_spearman": (pearson + spearman) / 2, "pearson": pearson, "spearman": spearman}


def _f1(labels: Labels, predictions: Labels, average: str) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average=average, zero_division=0.0))


def _matthews(labels: Labels, predictions: Labels) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))


def span_scores(
    predictions: np.ndarray, labels: np.ndarray, offsets: np.ndarray, names: tuple[str, ...]
) -> dict[str, float]:
    """Scores of entities by seqeval, as in the conlleval script, and the accuracy of tags.

    Args:
        predictions: Predicted tags, int [words].
        labels: Correct tags, int [words].
        offsets: First word of each sentence, int [sentences + 1].
        names: Names of the tags in the order of their numbers.
    """
    from seqeval.metrics import f1_score, precision_score, recall_score

    def sentences(tags: np.ndarray) -> list[list[str]]:
        named = np.array(names, dtype=object)[tags]
        return [named[start:end].tolist() for start, end in pairwise(offsets)]

    true, predicted = sentences(labels), sentences(predictions)
    return {
        "span_f1": float(f1_score(true, predicted, zero_division=0)),
        "span_precision": float(precision_score(true, predicted, zero_division=0)),
        "span_recall": float(recall_score(true, predicted, zero_division=0)),
        "tag_accuracy": float(np.mean(predictions == labels)),
    }


def answer_scores(predictions: list[str], answers: list[list[str]]) -> dict[str, float]:
    """SQuAD's F1 and exact match by torchmetrics, between 0 and 1; the best of several correct answers counts.

    Args:
        predictions: The predicted answer of each question; empty for no answer.
        answers: The correct answers of each question; an empty list for a question without an answer.
    """
    from torchmetrics.functional.text import squad

    given = [{"id": str(row), "prediction_text": text} for row, text in enumerate(predictions)]
    right: list[Any] = [
        {"id": str(row), "answers": {"text": texts or [""], "answer_start": [0] * max(1, len(texts))}}
        for row, texts in enumerate(answers)
    ]
    found = squad(given, right)
    return {"squad_f1": float(found["f1"]) / 100, "exact_match": float(found["exact_match"]) / 100}


def translation_scores(translations: list[str], references: list[str]) -> dict[str, float]:
    """BLEU and chrF by sacreBLEU with its defaults, between 0 and 100.

    Args:
        translations: One text per row.
        references: One reference per row.
    """
    from sacrebleu import corpus_bleu, corpus_chrf

    return {
        "bleu": float(corpus_bleu(translations, [references]).score),
        "chrf": float(corpus_chrf(translations, [references]).score),
    }
