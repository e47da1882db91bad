"""How large scores are: at most 1, but for those of translation."""

from __future__ import annotations

HUNDREDS = frozenset({"bleu", "chrf"})  # metrics between 0 and 100, as they are always given


def in_points(value: float, metric: str) -> float:
    """A score, or a difference of scores, in hundredths of the full score."""
    return 100 * value / full_score(metric)


def full_score(metric: str) -> float:
    """The greatest value of a metric."""
    return 100.0 if metric in HUNDREDS else 1.0
