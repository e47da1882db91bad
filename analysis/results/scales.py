"""How large scores are (at most 1, except those of translation), and how two of them compare."""

from __future__ import annotations

import math

HUNDREDS = frozenset({"bleu", "chrf"})  # metrics between 0 and 100, as they are always given
TIE = 1e-12  # scores are means over seeds: sums in another order may differ this much of them


def in_points(value: float, metric: str) -> float:
    """A score, or a difference of scores, in hundredths of the full score."""
    return 100 * value / full_score(metric)


def full_score(metric: str) -> float:
    """The greatest value of a metric."""
    return 100.0 if metric in HUNDREDS else 1.0


def relative_gain(target: float | None, baseline: float | None) -> float | None:
    """(target - baseline) / baseline, as a fraction (A, section 4).

    None where a score is missing, and where the baseline is not above 0 (as a correlation or BLEU can be) or so near
    it that the ratio overflows: it would have no meaning or the wrong sign. Such triples are counted, and their
    absolute difference is given instead. The target may well be below 0: it then loses more than all.
    """
    if target is None or baseline is None or baseline <= 0:
        return None
    gain = (target - baseline) / baseline
    return gain if math.isfinite(gain) else None
