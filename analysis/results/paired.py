"""One student against another on the same data: over seeds that both have, and on the same test examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.results.predictions import Answered
from analysis.results.significance import Bootstrap, Classes, OverSeeds, mcnemar, over_seeds, paired_bootstrap
from trials.specs import TrialRecord


@dataclass(frozen=True)
class Difference:
    """How much better one student's test score is than another's, in units of the metric."""

    by_examples: Bootstrap | None = None  # by resampling test examples; None where answers are not kept
    by_seeds: OverSeeds | None = None  # over seeds that both have; None without any
    mcnemar_p: float | None = None  # with the first seed; None where answers are not kept

    @property
    def mean(self) -> float | None:
        """The mean over seeds that both have."""
        return self.by_seeds.mean if self.by_seeds else None

    @property
    def bootstrap_p(self) -> float | None:
        """Two-sided p-value by resampling test examples; None where answers are not kept."""
        return self.by_examples.p_value if self.by_examples else None

    @property
    def seeds_p(self) -> float | None:
        """Two-sided p-value of the t-test paired by seed; None with too few seeds."""
        return self.by_seeds.p_value if self.by_seeds else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: over test examples; over seeds where answers are not kept; None without either."""
        if self.by_examples:
            return self.by_examples.low, self.by_examples.high
        if self.by_seeds is None or self.by_seeds.low is None or self.by_seeds.high is None:
            return None
        return self.by_seeds.low, self.by_seeds.high

    @property
    def verdict(self) -> int | None:
        """1 is better and -1 worse beyond the noise, 0 is what no test can tell; None where nothing was tested."""
        if self.interval is None:
            return None
        low, high = self.interval
        return (low > 0) - (high < 0)


def finished_by_seed(records: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    """The trials that have scores."""
    return {record.spec.seed: record for record in records if record.status.has_scores}


def answers_by_seed(kept: Answered | None, trials: Mapping[int, TrialRecord]) -> dict[int, Classes]:
    """What each seed's student answered, as far as it was kept."""
    found = {seed: kept.of_trial(record) for seed, record in trials.items()} if kept else {}
    return {seed: answers for seed, answers in found.items() if answers is not None}


def difference(
    before: Mapping[int, TrialRecord], after: Mapping[int, TrialRecord], kept: Answered | None, metric: str
) -> Difference:
    """How much better `after` is than `before`.

    Args:
        before: Finished trials by seed.
        after: Likewise.
        kept: What models answered; None where nothing is kept.
        metric: What is scored.
    """
    both = [seed for seed in after if seed in before]
    gains = [(after[seed].test_score or 0.0) - (before[seed].test_score or 0.0) for seed in both]
    olds, news = answers_by_seed(kept, before), answers_by_seed(kept, after)
    answered = [seed for seed in news if seed in olds]
    if kept is None or not answered:
        return Difference(by_seeds=over_seeds(gains))
    old, new = ([side[seed] for seed in answered] for side in (olds, news))
    return Difference(
        by_examples=paired_bootstrap(kept.labels, old, new, metric),
        by_seeds=over_seeds(gains),
        mcnemar_p=mcnemar(kept.labels, old[0], new[0]),
    )
