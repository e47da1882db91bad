"""The benchmark: interleaved rounds of all variants, saved after every grid, then tables and figures.

Run it as ``python -m benchmarks.speed`` or ``make bench``; README.md says what is compared and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.findings import find
from benchmarks.grid import ROOT, VARIANTS, GridFailed, Recipe, run_apart
from benchmarks.preparation import DATA, LEARNING_RATES, Prepared, Setup, find_datasets

FOLDER = ROOT / "runs" / "benchmark"
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
DEFAULT_VARIANTS = ("idiomatic", "tuned", "tuned_bf16", "kdstudy", "kdstudy_bf16")
PACKAGES = ("torch", "transformers", "accelerate", "ray", "datasets", "numpy")
FIRST_SEED = 13
LOG_WIDTH = 160  # of tables that do not go to a terminal


@dataclass
class Results:
    """The results file: what was measured so far, and with what.

    Attributes:
        path: The file.
        values: Its content.
    """

    path: Path
    values: dict[str, Any]

    @classmethod
    def open(cls, path: Path, setup: Setup, *, fresh: bool) -> Results:
        """The file's results if they are of this set-up, else new ones.

        Raises:
            SystemExit: The file holds results of another set-up.
        """
        if path.is_file() and not fresh:
            values = json.loads(path.read_text())
            if values["setup"] != setup.as_json():
                raise SystemExit(f"{path} holds results of another set-up: give another --output, or --fresh")
            print(f"going on with {path}: {len(values['grids'])} grids are there")
            return cls(path, values)
        empty: dict[str, Any] = {"operations": {}, "rates": [], "grids": [], "commits": [], "commands": []}
        return cls(path, {"setup": setup.as_json(), "machine": machine(), **empty})

    def has(self, kind: str, **keys: object) -> bool:
        """Whether a grid or a measurement of rates is there."""
        return any(all(entry[key] == value for key, value in keys.items()) for entry in self.values[kind])

    def add(self, kind: str, entry: dict[str, Any]) -> None:
        """Add one, and save the file."""
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self.values[kind].append({**entry, "finished_at": moment})
        self.save()

    def note(self, kind: str, text: str) -> None:
        """Add a text once."""
        if text and text not in self.values[kind]:
            self.values[kind].append(text)

    def save(self) -> None:
        """Replace the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.values, indent=1) + "\n")
        os.replace(temporary, self.path)


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing, print the tables, draw the figures."""
    options = _parser().parse_args(arguments)
    datasets = find_datasets(options.datasets, options.data, quick=options.quick)
    trials = options.trials or (2 if options.quick else 4)
    setup = Setup(
        datasets=datasets,
        learning_rates=LEARNING_RATES[:trials],
        workers=min(options.workers, trials),
        recipe=Recipe(epochs=1 if options.quick else options.epochs),
        teacher=(("learning_rate", 1e-4), ("epochs", 1 if options.quick else 3)),
    )
    output = options.output or (FOLDER / "quick.json" if options.quick else RESULTS)
    results = Results.open(output, setup, fresh=options.fresh)
    results.note("commands", shlex.join(["python", "-m", "benchmarks.speed", *sys.argv[1:]]))
    results.note("commits", _commit())
    prepared = {name: Prepared(name, setup, FOLDER, options.data) for name in datasets}
    for each in prepared.values() if options.fresh else ():
        each.forget()
    for number in range(options.rounds or (1 if options.quick else 5)):
        for name, each in prepared.items():
            run_round(number, name, each, options.variants, results)
    show(results, Console(width=None if sys.stdout.isatty() else LOG_WIDTH))


def run_round(number: int, dataset: str, prepared: Prepared, variants: list[str], results: Results) -> None:
    """One grid of each variant, the first one changing from round to round, and the rates of bare products."""
    from benchmarks.floor import Encoder, measure, training_operations

    todo = [name for name in rotated(variants, number) if not results.has("grids", **_key(number, dataset, name))]
    measured = results.has("rates", round=number, dataset=dataset)
    if not todo and measured:
        return
    seed = FIRST_SEED + number
    prepared.prepare()
    recipe, workers = prepared.setup.recipe, prepared.setup.workers
    encoder, lengths = Encoder.of(prepared.student(seed)), prepared.train_lengths
    results.values["operations"][dataset] = training_operations(encoder, lengths, recipe.epochs)
    if not measured:
        rates = measure(encoder, lengths, recipe.batch_size, workers)
        results.add("rates", {"round": number, "dataset": dataset, "rates": rates})
    for variant in todo:
        try:
            found = run_apart(prepared.job(variant, seed, FOLDER / "scratch"))
        except GridFailed as error:
            raise SystemExit(f"{error}\nwhat was measured before is in {results.path}; run again to go on") from None
        results.add("grids", {**_key(number, dataset, variant), "seed": seed, **found})
        print(f"round {number + 1}, {dataset}, {variant}: {found['wall_seconds']:.1f} s", flush=True)


def rotated(variants: list[str], number: int) -> list[str]:
    """The variants in a round's order."""
    start = number % len(variants)
    return variants[start:] + variants[:start]


def show(results: Results, console: Console) -> None:
    """Tables to the terminal, figures beside the results file."""
    from benchmarks.drawing import write
    from benchmarks.tables import print_tables

    if not results.values["grids"]:
        return
    findings = find(results.values)
    print_tables(findings, console)
    for path in write(findings, results.path):
        console.print(str(path), highlight=False, soft_wrap=True)


def machine() -> dict[str, Any]:
    """Processor, cores, system and versions."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES if find_spec(package)},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _commit() -> str:
    """The commit that is checked out; empty where there is none."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _key(number: int, dataset: str, variant: str) -> dict[str, Any]:
    return {"round": number, "dataset": dataset, "variant": variant}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, help="rounds, each with a seed of its own (5)")
    parser.add_argument("--trials", type=int, choices=range(1, len(LEARNING_RATES) + 1), help="trials of a grid (4)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a trial (3)")
    parser.add_argument("--datasets", nargs="+", help="data sets (mrpc sst2)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(DEFAULT_VARIANTS), help="what runs")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="trials at a time (number of cores)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--output", type=Path, help="results file; figures are written beside it")
    parser.add_argument("--quick", action="store_true", help="a smoke run of minutes: its numbers mean nothing")
    parser.add_argument("--fresh", action="store_true", help="prepare and measure anew instead of going on")
    return parser


if __name__ == "__main__":
    main()
