"""How fast models answer, from the records of response times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trials.specs import ModelSpeed


@dataclass(frozen=True)
class Speed:
    """Samples per second of one model on one task, over repeated measurements."""

    median: float  # the middle one
    low: float  # the first and the third quartile; both the median where it was measured once
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.median <= self.high:
            raise ValueError(f"a speed needs 0 < low <= median <= high, not {self.low}, {self.median}, {self.high}")


def speed_of(model: ModelSpeed) -> Speed:
    """Median and quartiles over rounds."""
    low, middle, high = np.quantile(model.samples_per_second, (0.25, 0.5, 0.75))
    return Speed(float(middle), float(low), float(high))
