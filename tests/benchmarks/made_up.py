"""Results of a made-up benchmark, with numbers that can be checked in the head, and data sets without any data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.preparation import Setup


class FakePrepared:
    """A data set that needs no preparation."""

    train_lengths = (3, 4)

    def __init__(self, name: str, setup: Setup, folder: Path, data: Path):
        self.name, self.setup = name, setup

    def prepare(self) -> None:
        pass

    def student(self, seed: int) -> Path:
        return Path()

    def job(self, variant: str, seed: int, scratch: Path) -> SimpleNamespace:
        return SimpleNamespace(variant=variant, seed=seed, dataset=self.name)


def trial(seconds: float, accuracy: float) -> dict[str, Any]:
    scores = {"accuracy": accuracy, "matthews_corrcoef": 2 * accuracy - 1}
    return {"seconds": seconds, "train_seconds": seconds / 2, "validation_score": accuracy, "test_scores": scores}


def grid(number: int, variant: str, seconds: float, accuracy: float = 0.8, dataset: str = "words") -> dict[str, Any]:
    """A grid of two trials around the given seconds and accuracy; its process takes 10 seconds more."""
    trials = [trial(seconds - 1, accuracy - 0.1), trial(seconds + 1, accuracy + 0.1)]
    key = {"round": number, "dataset": dataset, "variant": variant}
    return {**key, "trials": trials, "wall_seconds": seconds + 10, "cache_seconds": 0.0}


def gpu_grid(
    number: int, variant: str, span: float, wall: float, units: tuple[int, ...] = (), accuracy: float = 0.8
) -> dict[str, Any]:
    """A grid of four trials between whose first start and last end `span` seconds pass."""
    moments = [(100 + span * n / 4, 100 + span * (n + 1) / 4) for n in range(4)]
    trials = [{**trial(1.0, accuracy), "started": started, "ended": ended} for started, ended in moments]
    trials.reverse()  # they are listed by learning rate, not by time
    key = {"round": number, "dataset": "words", "variant": variant}
    return {**key, "trials": trials, "wall_seconds": wall, "cache_seconds": 0.0, "units": list(units)}


def results(grids: list[dict[str, Any]]) -> dict[str, Any]:
    """A results file; a trial needs 20 * 10^9 operations: 2 seconds of bare products in fp32, 1 in bf16."""
    rates = {"fp32": {"product": 10e9}, "bf16": {"product": 20e9}}
    pairs = sorted({(found["round"], found["dataset"]) for found in grids})
    return {
        "operations": {dataset: {"product": 20e9} for _, dataset in pairs},
        "rates": [{"round": number, "dataset": dataset, "rates": rates} for number, dataset in pairs],
        "grids": grids,
    }
