"""How much do the choices matter? Relative gains over triples, as deciles (A, section 4, figures 1 and 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from analysis.results import TIE, Role, TripleOutcome, relative_gain
from search_spaces import digest

NUM_DRAWS = 1000
PERCENTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Gain:
    """One triple's test improvement of a target over a baseline."""

    triple_id: str
    target: float | None  # test scores; None where missing
    baseline: float | None
    # what one test example is worth, the full score / rows; None where the rows are unknown
    one_example: float | None = None
    metric: str = ""  # what is scored

    @property
    def absolute(self) -> float | None:
        """target - baseline, in units of the metric."""
        return None if self.target is None or self.baseline is None else self.target - self.baseline

    @property
    def relative(self) -> float | None:
        """`relative_gain` of the two, a fraction."""
        return relative_gain(self.target, self.baseline)

    @property
    def undefined(self) -> bool:
        """Both scores are known, but the baseline is not above 0."""
        return self.absolute is not None and self.relative is None

    @property
    def within_one_example(self) -> bool:
        """Whether the two differ by no more than one test example."""
        known = self.absolute is not None and self.one_example is not None
        return known and abs(self.absolute or 0.0) <= (self.one_example or 0.0) * (1 + 1e-9)


@dataclass(frozen=True)
class Comparison:
    """The gains of one target over one baseline, one per triple of the study."""

    name: str  # what is compared, such as ``best over worst``
    # one per triple, in the study's order; being relative, they pool triples of different metrics
    gains: tuple[Gain, ...]
    # for the random choice: D1..D10 over seeded draws of one candidate per triple, as the 5th, 50th and 95th percentile
    # of the draws; ``(10, 3)``. Single draws spread wider than their expectation, which `gains` holds
    draws: tuple[tuple[float, ...], ...] | None = None

    @property
    def known(self) -> tuple[Gain, ...]:
        """The triples with a relative gain, by rising gain."""
        return tuple(sorted((g for g in self.gains if g.relative is not None), key=lambda g: g.relative or 0.0))

    @property
    def values(self) -> tuple[float, ...]:
        """The relative gains, rising."""
        return tuple(gain.relative for gain in self.known if gain.relative is not None)

    @property
    def deciles(self) -> tuple[float, ...]:
        """D1..D10; empty without gains."""
        return deciles(self.values)

    @property
    def positions(self) -> tuple[float, ...]:
        """Where each of `known` stands among the deciles, 0 to 10: there the decile line passes through it."""
        count = len(self.known)
        return tuple(10 * i / (count - 1) if count > 1 else 5.0 for i in range(count))

    @property
    def num_missing(self) -> int:
        """Triples without one of the two scores."""
        return sum(gain.absolute is None for gain in self.gains)

    @property
    def num_undefined(self) -> int:
        """Triples whose baseline is not above 0."""
        return sum(gain.undefined for gain in self.gains)

    @property
    def num_within_one_example(self) -> int:
        """Triples where the two differ by no more than one test example."""
        return sum(gain.within_one_example for gain in self.gains)

    def decile(self, number: int) -> float | None:
        """D1 to D10: 5 is the median, 10 the maximum."""
        return self.deciles[number - 1] if self.values else None


@dataclass(frozen=True)
class Share:
    """In how many triples something holds."""

    count: int  # triples where it holds
    compared: int  # triples where it is known whether it holds
    low: float | None  # 95 % Wilson interval of the share; None without triples
    high: float | None

    @property
    def share(self) -> float | None:
        """count / compared."""
        return self.count / self.compared if self.compared else None


def deciles(gains: Sequence[float]) -> tuple[float, ...]:
    """D1..D10, `numpy.quantile(gains, k / 10)`: D5 is the median, D10 the maximum (A, section 4)."""
    return tuple(float(value) for value in np.quantile(gains, np.arange(1, 11) / 10)) if gains else ()


def compare(outcomes: Sequence[TripleOutcome], target: Role, baseline: Role) -> Comparison:
    """The gain of one role over another on every triple, from final test scores."""
    gains = tuple(gain_of(outcome, outcome.final_score(target), outcome.final_score(baseline)) for outcome in outcomes)
    return Comparison(f"{target} over {baseline}", gains, _drawn_deciles(outcomes, gains, target, baseline))


def gain_of(outcome: TripleOutcome, target: float | None = None, baseline: float | None = None) -> Gain:
    """The gain of one test score of a triple over another one."""
    return Gain(outcome.triple_id, target, baseline, outcome.resolution, outcome.metric)


def at_least_as_good(comparison: Comparison) -> Share:
    """Triples where the target's test score is not below the baseline's (A: 40 % for stable over best)."""
    known = [gain for gain in comparison.gains if gain.absolute is not None]
    holds = sum((gain.absolute or 0.0) >= -TIE * max(1.0, abs(gain.baseline or 0.0)) for gain in known)
    if not known:
        return Share(0, 0, None, None)
    interval = binomtest(holds, len(known)).proportion_ci(method="wilson")
    return Share(holds, len(known), float(interval.low), float(interval.high))


def random_draws(outcome: TripleOutcome, num_draws: int = NUM_DRAWS) -> NDArray[np.float64]:
    """Test scores of candidates drawn uniformly, ``(num_draws,)``; seeded by the triple, blind to all scores."""
    scores = np.array([candidate.test_score for candidate in outcome.completed], dtype=np.float64)
    generator = np.random.default_rng(int(digest(f"random:{outcome.triple_id}")[:16], 16))
    return scores[generator.integers(len(scores), size=num_draws)]


def _drawn_deciles(
    outcomes: Iterable[TripleOutcome], gains: Sequence[Gain], target: Role, baseline: Role
) -> tuple[tuple[float, ...], ...] | None:
    """D1..D10 over draws of one random candidate per triple, ``(10, 3)``; None if a draw has no relative gain."""
    if Role.RANDOM not in (target, baseline):
        return None
    kept = [(o, g) for o, g in zip(outcomes, gains, strict=True) if g.relative is not None]
    if not kept:
        return None
    draws = np.stack([random_draws(outcome) for outcome, _ in kept])  # (triples, draws)
    fixed = np.array([[gain.target if baseline is Role.RANDOM else gain.baseline] for _, gain in kept], dtype=float)
    above, below = (fixed, draws) if baseline is Role.RANDOM else (draws, fixed)
    if np.any(below <= 0):
        return None
    spread = np.quantile((above - below) / below, np.arange(1, 11) / 10, axis=0)  # (10, draws)
    return tuple(tuple(row) for row in np.quantile(spread, PERCENTILES, axis=1).T.tolist())
