"""Peak memory of a trial and disk space of its caches, measured and as predicted by `kdstudy plan`.

    python -m benchmarks.memory

Trials run one after the other in a worker of a real launch, which finds all caches; their peaks are those in their
records. They grow for some hundred steps, since batches differ in size and leave gaps in the heap: fewer epochs, lower
peaks. A teacher is prepared in a process of its own, without Ray, which also builds the caches.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shlex
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.grid import ROOT, Job, Recipe, run_apart
from benchmarks.preparation import DATA, LEARNING_RATES, Prepared, Setup, find_datasets
from benchmarks.speed import FIRST_SEED, machine
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from study.planning.study_plan import make_plan
from trials.specs.records import Record
from trials.storage.workspace import Workspace

RESULTS = ROOT / "benchmarks" / "results" / "memory.json"
VARIANTS = ("kdstudy", "kdstudy_bf16")
TRIALS = 2  # the second one finds what the first one left
PARTS = {  # folders of a study's directory
    "tokens": "token ids",
    "initial": "untrained models",
    "teacher": "teacher's outputs",
    "teachers": "teacher checkpoints",
}


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        dataset: The data set.
        what: What is measured.
        measured: Bytes; of several trials the greatest.
        planned: Bytes by `kdstudy plan`, where it speaks of this.
        forward: How the plan says that a trial's student is computed.
        trials: Bytes of each trial, in their order.
    """

    dataset: str
    what: str
    measured: int
    planned: int | None = None
    forward: str | None = None
    trials: tuple[int, ...] = ()


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, keep the results."""
    options = _parser().parse_args(arguments)
    datasets = find_datasets(options.datasets, options.data, quick=False)
    recipe, teacher = Recipe(epochs=options.epochs), (("learning_rate", 1e-4), ("epochs", options.epochs))
    setup = Setup(datasets, LEARNING_RATES[:TRIALS], workers=1, recipe=recipe, teacher=teacher)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        for name in setup.datasets:
            found = measure(Prepared(name, setup, Path(folder), options.data), Path(folder) / "scratch")
            print(*map(line, found), sep="\n", flush=True)
            rows += found
    results = {
        "machine": machine(),
        "command": shlex.join(["python", "-m", "benchmarks.memory", *sys.argv[1:]]),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "setup": setup.as_json(),
        "rows": [asdict(row) for row in rows],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")


def measure(prepared: Prepared, scratch: Path) -> list[Row]:
    """All figures of one data set."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        fresh.submit(prepared.prepare).result()
    rows = []
    for variant in VARIANTS:
        rows.append(_trials(prepared.name, job := prepared.job(variant, FIRST_SEED, scratch)))
    study, plan = Workspace(Path(job.prepared)), make_plan(load_study(Path(job.study)))
    rows.append(Row(prepared.name, "memory: teacher's preparation", max(_peaks(_ledger(study).teachers))))
    sizes = {part: _size(study.root, part) for part in PARTS}
    rows += [Row(prepared.name, f"disk: {PARTS[part]}", size) for part, size in sizes.items()]
    return [*rows, Row(prepared.name, "disk: all of these", sum(sizes.values()), _bytes(plan.disk_gigabytes))]


def _trials(dataset: str, job: Job) -> Row:
    """The peaks of a grid's trials."""
    plan = make_plan(load_study(Path(job.study)))
    run_apart(job)
    records = _ledger(Workspace(Path(job.scratch) / "study")).trials
    peaks = _peaks(sorted(records, key=lambda record: record.run.finished_at))
    planned, (forward,) = _bytes(plan.memory_gigabytes), set(plan.forward.values())
    return Row(dataset, f"memory: trial, {job.variant}", max(peaks), planned, forward, peaks)


def _ledger(study: Workspace) -> Ledger:
    ledger = Ledger(study.ledger)
    ledger.refresh()
    return ledger


def _peaks(records: Iterable[Record]) -> tuple[int, ...]:
    """Bytes of memory at each record's peak."""
    return tuple(record.run.peak_memory_bytes or 0 for record in records)


def _size(root: Path, part: str) -> int:
    """Bytes of the files in a part of a study's directory."""
    folder = root / part if part == "teachers" else root / "cache" / part
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else round(gigabytes * 1e9)


def line(row: Row) -> str:
    """A row for people."""
    plan = "" if row.planned is None else f"  plan {row.planned / 1e6:7.1f} MB, {row.planned / row.measured:.2f} times"
    return f"{row.dataset:>8}  {row.what:<32} {row.measured / 1e6:8.2f} MB{plan}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=1, help="epochs of trials and teachers (1)")
    parser.add_argument("--datasets", nargs="+", help="data sets (mrpc sst2)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--output", type=Path, default=RESULTS, help="results file")
    return parser


if __name__ == "__main__":
    main()
