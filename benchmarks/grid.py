"""One grid: the trials of one variant on one data set with one seed, in a process of its own.

The process is what is timed as a whole; what it writes says how long each of its trials took.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).parents[1]
Precision = Literal["fp32", "bf16"]
Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Variant:
    """One way to run the trials.

    Attributes:
        module: Where it is written: a module with ``run(job) -> GridResult``.
        label: Its name in tables and figures.
        precision: Of the matrix products.
        cached: Whether a peer computes the teacher's outputs once, before its trials; kdstudy always does.
        sharing: Trials, or groups of them, that share a GPU, each in a process of its own.
        group: kdstudy's trials that run side by side as one vectorised unit.
    """

    module: str
    label: str
    precision: Precision = "fp32"
    cached: bool = False
    sharing: int = 1
    group: int = 1

    @property
    def ours(self) -> bool:
        """Whether it is kdstudy."""
        return self.module == "benchmarks.kdstudy_grid"

    @property
    def at_once(self) -> int:
        """Trials at a time on one GPU."""
        return self.sharing * self.group


VARIANTS = {
    "idiomatic": Variant("benchmarks.peer_idiomatic", "idiomatic"),
    "tuned": Variant("benchmarks.peer_tuned", "tuned"),
    "tuned_bf16": Variant("benchmarks.peer_tuned", "tuned, bf16", "bf16"),
    "tuned_cached": Variant("benchmarks.peer_tuned", "tuned, cached", cached=True),
    "tuned_cached_bf16": Variant("benchmarks.peer_tuned", "tuned, cached, bf16", "bf16", cached=True),
    "kdstudy": Variant("benchmarks.kdstudy_grid", "kdstudy"),
    "kdstudy_bf16": Variant("benchmarks.kdstudy_grid", "kdstudy, bf16", "bf16"),
}
BASELINE = "idiomatic"
FRACTIONS = (2, 4, 8)
GROUPS = (2, 4, 8, 16)


def _on_gpu() -> dict[str, Variant]:
    """Further ways to put trials on one GPU; the others have it to themselves, one trial at a time."""
    found = {}
    for name in (BASELINE, "kdstudy", "kdstudy_bf16"):
        base = VARIANTS[name]
        for number in FRACTIONS:
            found[f"{name}_{number}"] = replace(base, label=f"{base.label}, 1/{number} GPU", sharing=number)
        for number in GROUPS if base.ours else ():
            found[f"{name}_group_{number}"] = replace(base, label=f"{base.label}, groups of {number}", group=number)
    return found


CPU_VARIANTS = tuple(VARIANTS)
VARIANTS |= _on_gpu()


@dataclass(frozen=True)
class Recipe:
    """How every trial of every variant is trained."""

    epochs: int = 3
    batch_size: int = 32
    max_length: int = 128
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0


@dataclass(frozen=True)
class Job:
    """What a grid's process is told.

    Attributes:
        variant: Name of the variant.
        seed: Seed of the student's new weights, of the batch order and of dropout.
        learning_rates: One trial each.
        temperature: Of the soft labels, which are all that is learned from.
        recipe: How trials are trained.
        workers: Trials at a time.
        data: Folder of the tokenized splits, for the peers.
        teacher: Folder of the fine-tuned teacher, with its tokenizer.
        student: Folder of the student before training, for the peers.
        study: Study file, for kdstudy.
        prepared: Study directory that holds the teacher and the token ids, for kdstudy.
        scratch: Empty folder for whatever the grid writes.
        device: Where trials compute: each on a core, or all on one GPU.
    """

    variant: str
    seed: int
    learning_rates: tuple[float, ...]
    temperature: float
    recipe: Recipe
    workers: int
    data: str
    teacher: str
    student: str
    study: str
    prepared: str
    scratch: str
    device: Device = "cpu"

    @property
    def gpus(self) -> int:
        """GPUs of the grid."""
        return int(self.device == "cuda")

    @property
    def gpu_share(self) -> float:
        """What one trial, or a group of them, occupies of the GPU."""
        return self.gpus / VARIANTS[self.variant].sharing

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Job:
        """From JSON values."""
        return cls(
            **{**values, "recipe": Recipe(**values["recipe"]), "learning_rates": tuple(values["learning_rates"])}
        )


@dataclass(frozen=True)
class TrialResult:
    """One trial.

    Attributes:
        learning_rate: Its peak learning rate.
        seconds: From set-up to the scores on test.
        train_seconds: Of these, in training steps.
        validation_score: Accuracy of the best epoch.
        test_scores: Scores of that epoch's weights on test, by name.
        started, ended: The moments between which it ran, in seconds since 1970.
        device: Where it ran: ``cpu``, or a GPU's name.
    """

    learning_rate: float
    seconds: float
    train_seconds: float
    validation_score: float
    test_scores: dict[str, float]
    started: float
    ended: float
    device: str


@dataclass(frozen=True)
class GridResult:
    """All trials of a grid.

    Attributes:
        trials: In the order of their learning rates.
        cache_seconds: Seconds spent on the teacher's outputs before the trials.
        units: How many trials ran side by side in each of kdstudy's vectorised units, one after the other.
    """

    trials: tuple[TrialResult, ...]
    cache_seconds: float = 0.0
    units: tuple[int, ...] = ()


class GridFailed(RuntimeError):
    """A grid's process ended without its trials."""


def run_apart(job: Job) -> dict[str, Any]:
    """Run a grid in its own process: its result as JSON values, with ``wall_seconds`` from start to end.

    Raises:
        GridFailed: It did not end well; the message holds the end of its output.
    """
    scratch = Path(job.scratch)
    (scratch / "job.json").write_text(json.dumps(asdict(job)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "RAY_worker_niceness": "0"}
    if job.gpus:
        environment["CUDA_VISIBLE_DEVICES"] = first_gpu()
    with (scratch / "log.txt").open("w") as log:
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.grid", str(scratch)]
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)  # noqa: S603
        wall_seconds = time.perf_counter() - started
    if done.returncode:
        raise GridFailed(f"{job.variant} ended with {done.returncode}:\n{(scratch / 'log.txt').read_text()[-3000:]}")
    return {**json.loads((scratch / "result.json").read_text()), "wall_seconds": wall_seconds}


def first_gpu() -> str:
    """The GPU that is measured: the first of those that this process may use."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0]


def main(scratch: Path) -> None:
    """The grid's process."""
    job = Job.parse(json.loads((scratch / "job.json").read_text()))
    result: GridResult = importlib.import_module(VARIANTS[job.variant].module).run(job)
    if len(result.trials) < len(job.learning_rates):
        raise GridFailed(f"only {len(result.trials)} of {len(job.learning_rates)} trials ended")
    if astray := [trial.device for trial in result.trials if (trial.device == "cpu") == bool(job.gpus)]:
        raise GridFailed(f"{len(astray)} trials ran on {astray[0]}, not on {job.device}")
    (scratch / "result.json").write_text(json.dumps(asdict(result)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
