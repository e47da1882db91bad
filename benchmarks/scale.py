"""The cost of large studies: the driver's time and memory per trial, and the time to read a large ledger.

    python -m benchmarks.scale

*Launch*: one real launch whose trials do nothing; the driver notes its own processor time, its memory and the clock at
each record. *Reading*: ledgers of made-up records are read as `launch` (to the first proposal), `status` and `report`
do, each in a process of its own. Processor seconds hardly depend on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.tune_cost import ROOT, machine, made_up, made_up_study, run_idle

RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
LAUNCHED = (100, 1_000, 5_000)
READ = (100, 1_000, 5_000, 20_000)
WINDOW = 0.1  # of the trials up to a count: those over which its cost per trial is taken
SEEDS = tuple(range(13, 29))  # enough that 39 triples want 20,000 trials
READINGS = ("resume", "status", "report")


def main() -> None:
    """Measure, print, and keep the results."""
    arguments = _arguments()
    if arguments.child:
        CHILDREN[arguments.child](*arguments.child_arguments)
        return
    results: dict[str, Any] = {"command": " ".join(["python -m benchmarks.scale", *sys.argv[1:]]), **machine()}
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        results["launch"] = _launched(Path(folder), arguments.launched)
        results["reading"] = _read(Path(folder), arguments.read)
    results["load_after"] = os.getloadavg()[0]
    if not arguments.dry:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--launched", type=int, nargs="*", default=LAUNCHED, help="numbers of trials of the launch, ascending"
    )
    parser.add_argument("--read", type=int, nargs="*", default=READ, help="numbers of records of the ledgers to read")
    parser.add_argument("--dry", action="store_true", help="do not save the results")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("child_arguments", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


# The launch


def _launched(folder: Path, counts: list[int]) -> list[dict[str, float]]:
    """At each count: what the last tenth of the trials before it cost, and the driver's memory."""
    if not counts:
        return []
    _child("launch", folder / "marks", folder / "study", max(counts))
    marks = {mark["trials"]: mark for mark in map(json.loads, (folder / "marks").read_text().splitlines())}
    rows = []
    for count in counts:
        before, after = marks[round(count * (1 - WINDOW))], marks[count]
        trials = after["trials"] - before["trials"]
        rows.append(
            {
                "trials": count,
                "driver_seconds_per_trial": (after["processor"] - before["processor"]) / trials,
                "seconds_per_trial": (after["clock"] - before["clock"]) / trials,
                "driver_memory_megabytes": after["memory"],
            }
        )
        _print(rows[-1])
    return rows


def _run_launch(marks: str, root: str, trials: str) -> None:
    from study.launching.progress import Progress

    class Marked(Progress):
        """Notes what the driver has used, for each trial."""

        def recorded(self, record: Any) -> None:
            super().recorded(record)
            mark = {
                "trials": self.count().done,
                "processor": time.process_time(),
                "clock": time.monotonic(),
                "memory": _resident_megabytes(),
            }
            file.write(json.dumps(mark) + "\n")

    with open(marks, "w") as file:
        run_idle(Path(root), int(trials) + len(made_up_study()[0].teacher_pairs), 0.0, SEEDS, Marked)


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


# Reading


def _read(folder: Path, counts: list[int]) -> list[dict[str, float]]:
    """For each size of ledger and each reading: processor seconds, the clock's, and the most memory."""
    return [row for count in counts for row in _read_one(folder / f"ledger-{count}", count)]


def _read_one(root: Path, count: int) -> list[dict[str, Any]]:
    _child("records", root, count)
    rows = []
    for reading in READINGS:
        used = json.loads(_child("read", reading, root))
        rows.append({"reading": reading, "records": count, **used})
        _print(rows[-1])
    return rows


def _run_records(root: str, count: str) -> None:
    """Write a ledger of so many records of a study that is under way."""
    from study.ledger.record_files import Ledger
    from study.search.study_search import StudySearch
    from trials.storage.workspace import Workspace

    workspace = Workspace(Path(root))
    study, fingerprints = made_up_study(SEEDS)
    search, left = StudySearch(study, fingerprints), int(count)
    folder = workspace.root / "ledger"
    folder.mkdir(parents=True)
    workspace.study_file.write_text(study.to_yaml(), encoding="utf-8")
    while left and (work := search.propose()):
        for record in map(made_up, work[:left]):
            (folder / f"{record.record_id}.json").write_text(record.model_dump_json(indent=1), encoding="utf-8")
            search.observe(record)
        left -= len(work[:left])
    assert left == 0, "the study wants fewer trials"
    assert len(Ledger(folder).refresh()) == int(count)


def _run_reading(reading: str, root: str) -> None:
    from analysis.report import write_report
    from study.ledger.record_files import Ledger
    from study.search.study_search import StudySearch
    from study.views.study_status import read_status
    from trials.storage.workspace import Workspace

    workspace = Workspace(Path(root))
    study, fingerprints = made_up_study(SEEDS)
    began, used = time.monotonic(), time.process_time()
    if reading == "resume":
        StudySearch(study, fingerprints, Ledger(workspace.ledger).refresh()).propose()
    elif reading == "status":
        read_status(study, workspace)
    else:
        write_report(study, Ledger(workspace.ledger).refresh(), [], workspace.report, formats=(), folder=workspace.root)
    found = {
        "processor_seconds": time.process_time() - used,
        "seconds": time.monotonic() - began,
        "most_memory_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    print(json.dumps(found))


CHILDREN: dict[str, Callable[..., None]] = {"launch": _run_launch, "records": _run_records, "read": _run_reading}


def _child(name: str, *arguments: object) -> str:
    """Run one of `CHILDREN` in a fresh process; what it prints last."""
    command = [sys.executable, "-m", "benchmarks.scale", "--child", name, "--", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout.strip().rpartition("\n")[2]


def _print(row: dict[str, Any]) -> None:
    print(
        ", ".join(
            f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
