"""Time saved by the order of trials and by speculation: makespans of whole studies, simulated or measured.

    python -m benchmarks.scheduling              # simulated: results/scheduling.json
    python -m benchmarks.scheduling --measure    # a small real study, with and without --speculate:
                                                 # results/speculation.json

*Simulated*: the search of a study is driven as a launch drives it, but trials only take their time. Their scores are
tables as in `benchmarks.search`. *Measured*: one triple of the demo's data, launched in turns on two workers.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

import yaml

from benchmarks.search import Table, simulated
from benchmarks.tune_cost import ROOT, machine, made_up
from search_spaces.configuration import digest
from search_spaces.space import load_space
from study.config.study_file import Study, StudyConfig
from study.ledger.record_files import Ledger
from study.ledger.study_directory import open_study
from study.search.fingerprints import Fingerprints
from study.search.speculation import Speculation
from study.search.study_search import StudySearch, TripleSearch, load_search
from trials.specs.records import Record
from trials.specs.trial import TeacherTask, TrialSpec
from trials.specs.work import Work, work_id

RESULTS = ROOT / "benchmarks" / "results" / "scheduling.json"
MEASURED = ROOT / "benchmarks" / "results" / "speculation.json"
NOISE = 0.5
STUDIES = {  # space, data sets, workers
    "39 triples": ("paper_a", 13, (8, 64)),
    "1 triple": ("paper_a", 1, (4, 8, 16)),
    "1 triple, the demo's space": ("demo", 1, (2,)),  # as measured
}
SPREAD, JITTER, TEACHER = 10.0, 0.2, 5.0  # costliest to cheapest data; of a trial's time; a teacher's time, in trials
TINY = {"train": 160, "validation": 64, "test": 64}


class LeastDoneFirst(StudySearch):
    """The order that was before: chains that have done the fewest requests come first."""

    def in_order(self) -> list[TripleSearch]:
        """By requests done."""
        return sorted(self.triples.values(), key=lambda triple: triple.chain.requests_done)


VARIANTS: dict[str, tuple[type[StudySearch], bool]] = {
    "least done first": (LeastDoneFirst, False),
    "most time left first": (StudySearch, False),
    "and speculation": (StudySearch, True),
}


@dataclass(frozen=True)
class Made:
    """A simulated study.

    Attributes:
        study, fingerprints: The study.
        tables: Scores by triple id.
        times: Hours of a trial by triple id.
        rows: Training rows by data set.
    """

    study: Study
    fingerprints: Fingerprints
    tables: dict[str, Table]
    times: dict[str, float]
    rows: dict[str, int]

    def hours(self, work: Work) -> float:
        """What a piece of work takes: trials of a triple differ by up to `JITTER` either way."""
        if isinstance(work, TrialSpec):
            return self.times[work.triple.triple_id] * _jitter(work)
        assert isinstance(work, TeacherTask)
        return TEACHER * median(self.times[t.triple_id] for t in self.study.triples if t.dataset == work.dataset)

    def record(self, work: Work) -> Record:
        """What it ends with."""
        record: Record = made_up(work)
        run = record.run.model_copy(update={"seconds": 3600 * self.hours(work)})
        if not isinstance(work, TrialSpec):
            return record.model_copy(update={"run": run, "rows": {"train": self.rows[work.dataset.name]}})
        score = self.tables[work.triple.triple_id][work.configuration]
        return record.model_copy(update={"run": run, "validation_score": score})


@dataclass(frozen=True)
class Run:
    """One simulated study.

    Attributes:
        makespan: Hours from its start until nothing is left to do.
        trials, extra: Trials that the search asked for, and others that were run.
        found: Hash of all that it decided.
    """

    makespan: float
    trials: int
    extra: int
    found: str


def made_study(space: str, datasets: int, seed: int) -> Made:
    """A study of `datasets` data sets with three students each, or of one triple."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    layers = (2, 3, 4) if datasets > 1 else (3,)
    config = {
        "name": "simulated",
        "datasets": [{"name": f"d{i}", "task": "classification", "path": f"/nowhere/d{i}"} for i in range(datasets)],
        "teachers": [{"name": "t", "model": "nowhere"}],
        "students": [{"name": f"{i}L", "from": "t", "layers": i} for i in layers],
        "search": {"space": load_space(space)},
    }
    study = Study(StudyConfig.model_validate(config), Path("simulated.yaml"))
    models = {study.teacher_source(*pair): "model" for pair in study.teacher_pairs}
    models |= {study.student_source(student): "model" for student in study.config.students}
    costs = {name.name: SPREAD ** draw.uniform(-0.5, 0.5) if datasets > 1 else 1.0 for name in study.config.datasets}
    return Made(
        study,
        Fingerprints({dataset.name: "data" for dataset in study.config.datasets}, models),
        {t.triple_id: simulated(study.space, seed * 100 + i, NOISE) for i, t in enumerate(study.triples)},
        {t.triple_id: 0.1 * costs[t.dataset.name] * ((t.student.layers or 0) + 1) / 4 for t in study.triples},
        {name: round(10_000 * cost) for name, cost in costs.items()},
    )


def simulate(made: Made, workers: int, kind: type[StudySearch], *, speculate: bool) -> Run:
    """Run a study to its end: each worker takes the first proposal, and without one a guess."""
    search = kind(made.study, made.fingerprints)
    speculation = Speculation(search) if speculate else None
    running: list[tuple[float, str, Work]] = []  # a heap: end, id, work
    now = 0.0
    while wanted := search.propose():
        busy = {name for _, name, _ in running}
        waiting = [work for work in wanted if work_id(work) not in busy]
        if speculation and len(running) + len(waiting) < workers:
            waiting += [spec for spec in speculation.propose() if spec.trial_id not in busy]
        for work in {work_id(work): work for work in waiting[: workers - len(running)]}.values():
            heapq.heappush(running, (now + made.hours(work), work_id(work), work))
        now, _, done = heapq.heappop(running)
        search.observe(made.record(done))
    return Run(now, search.num_trials, len(search.extra_trials), _decided(search))


def _jitter(trial: TrialSpec) -> float:
    return 1 + JITTER * (2 * int(trial.trial_id[:6], 16) / 16**6 - 1)


def _decided(search: StudySearch) -> str:
    """Steps, incumbents, candidates, references and the stable choice, in whatever order triples came."""
    triples = {
        name: [
            [(step.parameter, str(step.before), str(step.after), step.accepted) for step in triple.search.steps],
            [str(triple.search.incumbent), *map(str, triple.search.candidates)],
            [str(each and each.candidate) for each in (triple.lazy, triple.stable)],
        ]
        for name, triple in search.triples.items()
    }
    return digest([triples, str(search.stable_choice)])


def simulations(seeds: int) -> list[dict[str, Any]]:
    """Every study, number of workers and variant, over seeds of tables and costs."""
    rows = []
    for name, (space, datasets, numbers) in STUDIES.items():
        runs: dict[tuple[int, str], list[Run]] = {(w, variant): [] for w in numbers for variant in VARIANTS}
        for seed in range(seeds):
            made = made_study(space, datasets, seed)
            for workers in numbers:
                each = {v: simulate(made, workers, kind, speculate=ahead) for v, (kind, ahead) in VARIANTS.items()}
                assert len({run.found for run in each.values()}) == 1, "decisions differ"
                for variant, run in each.items():
                    runs[workers, variant].append(run)
        rows += [
            {
                "study": name,
                "workers": workers,
                "variant": variant,
                **_summed(found, runs[workers, next(iter(VARIANTS))]),
            }
            for (workers, variant), found in runs.items()
        ]
        _print(rows[-len(runs) :])
    return rows


def _summed(runs: Sequence[Run], before: Sequence[Run]) -> dict[str, Any]:
    """Means over seeds; of the makespan against the former order's the range, too."""
    ratios = [run.makespan / other.makespan for run, other in zip(runs, before, strict=True)]
    return {
        "hours": round(mean(run.makespan for run in runs), 3),
        "ratio": [round(each, 3) for each in (mean(ratios), min(ratios), max(ratios))],
        "trials": round(mean(run.trials for run in runs), 1),
        "extra": round(mean(run.extra for run in runs), 1),
    }


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        ratio = "{:.2f} ({:.2f} to {:.2f})".format(*row["ratio"])
        cells = row["study"], row["workers"], row["variant"], f"{row['hours']:.2f}", ratio, row["trials"], row["extra"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


# Measured: real launches in turns


def measure(rounds: int) -> list[dict[str, Any]]:
    """Launch a small study with and without speculation, which of them first taking turns; print the ratios."""
    with tempfile.TemporaryDirectory(prefix="scheduling-") as name:
        folder = Path(name)
        _launch(folder, "warm")  # fills the operating system's caches
        found = [_round(folder, number) for number in range(rounds)]
    ratios = [each["ratio"] for each in found]
    print(f"median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}; decisions are equal")
    return found


def _round(folder: Path, number: int) -> dict[str, Any]:
    took = {
        ahead: _launch(folder, f"{number}-{ahead}", speculate=ahead) for ahead in (number % 2 == 1, number % 2 == 0)
    }
    decided = {_decided(_search(folder / f"{number}-{ahead}" / "tiny")) for ahead in took}
    assert len(decided) == 1, "decisions differ"
    found = {
        "seconds": round(took[False][0], 2),
        "seconds_speculating": round(took[True][0], 2),
        "ratio": round(took[True][0] / took[False][0], 3),
        "said": took[True][1],
    }
    print(found, flush=True)
    return found


def _search(folder: Path) -> StudySearch:
    study, workspace = open_study(folder)
    assert workspace is not None
    return load_search(study, Ledger(workspace.ledger).refresh())


def _launch(folder: Path, storage: str, *, speculate: bool = False) -> tuple[float, str]:
    """Seconds between the first start of a trial and the last end, and what the launch says of its guesses."""
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(_tiny()), encoding="utf-8")
    options = ["--storage", storage, "--workers", "2", *(["--speculate"] if speculate else [])]
    command = [sys.executable, "-m", "study.cli", "launch", str(file), *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    records = [r for r in Ledger(folder / storage / "tiny" / "ledger").refresh() if r.kind == "trial"]
    began, ended = min(r.run.started_at for r in records), max(r.run.finished_at for r in records)
    said = [line for line in done.stdout.splitlines() if line.startswith("speculation: ")]
    seconds = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
    return seconds.total_seconds(), "".join(said)


def _tiny() -> dict[str, Any]:
    """One triple of the demo's data, with trials of about a second."""
    values = yaml.safe_load((ROOT / "study" / "demo.yaml").read_text(encoding="utf-8"))
    values |= {"name": "tiny", "datasets": [{**values["datasets"][0], "examples": TINY}]}
    return values | {"students": values["students"][:1]}


def main() -> None:
    """Simulate and keep the results, or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="number of simulated studies of each kind")
    parser.add_argument("--measure", action="store_true", help="launch a small real study instead")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of the real study, each with two launches")
    options = parser.parse_args()
    results: dict[str, Any] = {"command": " ".join(["python -m benchmarks.scheduling", *sys.argv[1:]])}
    if options.measure:
        results |= {**machine(), "rounds": measure(options.rounds), "load_after": os.getloadavg()[0]}
    else:
        results["runs"] = simulations(options.seeds)
    (MEASURED if options.measure else RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
