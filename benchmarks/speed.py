"""The benchmark: interleaved rounds of all variants, saved after every grid, then tables and figures.

Run it as ``python -m benchmarks.speed`` or ``make bench``; README.md says what is compared and how. The rounds are
those of gpu.py, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.findings import find
from benchmarks.grid import CPU_VARIANTS, ROOT, Device, GridFailed, Recipe, run_apart
from benchmarks.preparation import DATA, LEARNING_RATES, Prepared, Setup, find_datasets

FOLDER = ROOT / "runs" / "benchmark"
RESULTS = ROOT / "benchmarks" / "results" / "speed.json"
DEFAULT_VARIANTS = ("idiomatic", "tuned", "tuned_bf16", "kdstudy", "kdstudy_bf16")
PACKAGES = ("torch", "transformers", "accelerate", "ray", "datasets", "numpy")
ROUNDS, TRIALS = 5, 4
FIRST_SEED = 13
LOG_WIDTH = 160  # of tables that do not go to a terminal


@dataclass
class Results:
    """The results file: what was measured so far, and with what.

    Attributes:
        path: The file.
        values: Its content.
        failures: Grids of this call that failed, by name.
    """

    path: Path
    values: dict[str, Any]
    failures: list[str] = field(default_factory=list)

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

    def close(self) -> None:
        """The end of this call.

        Raises:
            SystemExit: Grids failed.
        """
        if self.failures:
            names = "; ".join(self.failures)
            raise SystemExit(f"failed: {names}\nwhat was measured is in {self.path}; run again for the rest")


def main(arguments: list[str] | None = None) -> None:
    """Measure what is missing, print the tables, draw the figures."""
    parser = command_line("speed", __doc__, CPU_VARIANTS, rounds=ROUNDS, trials=TRIALS)
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="number of trials at a time (number of cores)"
    )
    parser.set_defaults(variants=list(DEFAULT_VARIANTS))
    options = parser.parse_args(arguments)
    trials = options.trials or (2 if options.quick else TRIALS)
    setup = setup_of(options, trials, min(options.workers, trials))
    output = options.output or (FOLDER / "quick.json" if options.quick else RESULTS)
    results = Results.open(output, setup, fresh=options.fresh)
    for number, prepared in rounds(options.rounds or (1 if options.quick else ROUNDS), setup, options, results):
        measure_rates(number, prepared, results)
        run_round(number, prepared, options.variants, results)
    show(results, terminal())
    results.close()


def setup_of(options: argparse.Namespace, trials: int, workers: int, device: Device = "cpu") -> Setup:
    """What the command line asks for."""
    return Setup(
        datasets=find_datasets(options.datasets, options.data, quick=options.quick),
        learning_rates=LEARNING_RATES[:trials],
        workers=workers,
        recipe=Recipe(epochs=1 if options.quick else options.epochs),
        teacher=(("learning_rate", 1e-4), ("epochs", 1 if options.quick else 3)),
        device=device,
    )


def rounds(count: int, setup: Setup, options: argparse.Namespace, results: Results) -> Iterator[tuple[int, Prepared]]:
    """Each round's number with each data set; the results file learns of this call and of the code."""
    results.note("commands", shlex.join(["python", "-m", options.program, *sys.argv[1:]]))
    results.note("commits", _commit())
    every = [Prepared(name, setup, FOLDER, options.data) for name in setup.datasets]
    for prepared in every if options.fresh else ():
        prepared.forget()
    for number in range(count):
        yield from ((number, prepared) for prepared in every)


def measure_rates(number: int, prepared: Prepared, results: Results) -> None:
    """A round's rates of bare products, unless they are there."""
    from benchmarks.floor import Encoder, measure, training_operations

    key = {"round": number, "dataset": prepared.name}
    if results.has("rates", **key):
        return
    prepared.prepare()
    encoder, lengths = Encoder.of(prepared.student(FIRST_SEED + number)), prepared.train_lengths
    recipe = prepared.setup.recipe
    results.values["operations"][prepared.name] = training_operations(encoder, lengths, recipe.epochs)
    results.add("rates", {**key, "rates": measure(encoder, lengths, recipe.batch_size, prepared.setup.workers)})


def run_round(number: int, prepared: Prepared, variants: list[str], results: Results) -> None:
    """One grid of each variant that has none, the first one changing from round to round; a failed one is noted."""
    seed = FIRST_SEED + number
    for variant in rotated(variants, number):
        key = {"round": number, "dataset": prepared.name, "variant": variant}
        name = f"round {number + 1}, {prepared.name}, {variant}"
        if results.has("grids", **key):
            continue
        prepared.prepare()
        try:
            found = run_apart(prepared.job(variant, seed, FOLDER / "scratch"))
        except GridFailed as error:
            print(error, flush=True)
            results.failures.append(name)
            continue
        results.add("grids", {**key, "seed": seed, **found})
        print(f"{name}: {found['wall_seconds']:.1f} s", flush=True)


def rotated(variants: list[str], number: int) -> list[str]:
    """The variants in a round's order."""
    start = number % len(variants)
    return variants[start:] + variants[:start]


def show(results: Results, console: Console) -> None:
    """Tables to the terminal, figures beside the results file."""
    from benchmarks.drawing import roofline_figure, speed_figure, write
    from benchmarks.tables import print_tables

    if not results.values["grids"]:
        return
    findings = find(results.values)
    print_tables(findings, console)
    stem = results.path.stem
    figures = {stem: speed_figure(findings), f"{stem}-roofline": roofline_figure(findings)}
    for path in write(figures, results.path.parent):
        console.print(str(path), highlight=False, soft_wrap=True)


def terminal() -> Console:
    """The terminal; where there is none, lines are as long as tables need."""
    return Console(width=None if sys.stdout.isatty() else LOG_WIDTH)


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


def command_line(
    module: str, description: str | None, variants: Sequence[str], *, rounds: int, trials: int
) -> argparse.ArgumentParser:
    """The options that the benchmarks share; the parsed `program` is none of them, but names the module."""
    program = f"benchmarks.{module}"
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--rounds", type=int, help=f"number of rounds, each with its own seed ({rounds})")
    numbers = range(1, len(LEARNING_RATES) + 1)
    parser.add_argument(
        "--trials", type=int, choices=numbers, metavar="N", help=f"number of trials of a grid ({trials})"
    )
    parser.add_argument("--epochs", type=int, default=3, help="number of epochs of a trial (3)")
    parser.add_argument("--datasets", nargs="+", metavar="NAME", help="data sets (mrpc sst2)")
    parser.add_argument(
        "--variants",
        nargs="+",
        choices=variants,
        metavar="NAME",
        help=f"variants to measure, out of {', '.join(variants)}",
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--output", type=Path, help="results file; figures are written beside it")
    parser.add_argument("--quick", action="store_true", help="a test run of a few minutes; its numbers mean nothing")
    parser.add_argument("--fresh", action="store_true", help="prepare and measure everything again instead of resuming")
    parser.set_defaults(program=program)
    return parser


if __name__ == "__main__":
    main()
