"""The overhead of a launch: seconds of Ray Tune per trial, and seconds from the command to the first training step.

    python -m benchmarks.tune_cost

Both go through the real launch. *Per trial*: work that does nothing, or only sleeps, stands for training; what a worker
idles between two pieces of work is the cost of a trial. *Start-up*: a study whose caches are warm is launched for one
more trial, and the moments of its phases are noted, in the driver and in the worker.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "tune_cost.json"
VERSIONED = ("ray", "torch", "transformers", "datasets", "numpy", "pydantic")
WORKERS = 2
WARMING = 10  # pieces of work that fill the caches of all of the demo's triples
PHASES = (
    ("imports", "Python, imports and the study file"),
    ("preflight", "data and models are read and checked"),
    ("ray", "Ray starts"),
    ("setup", "Tune and a worker start"),
    ("start", "the worker imports torch and the trials"),
    ("first_step", "model, data and the first optimizer step"),
)
TARGETS = {"seconds_per_trial": 0.1, "seconds_to_first_step": 8.0}


def main() -> None:
    """Measure, print, and keep the results."""
    arguments = _arguments()
    if arguments.child:
        CHILDREN[arguments.child](*arguments.child_arguments)
        return
    with tempfile.TemporaryDirectory(prefix="tune-cost-") as folder:
        results = {
            "command": " ".join(["python -m benchmarks.tune_cost", *sys.argv[1:]]),
            **machine(),
            "targets": TARGETS,
            "per_trial": [_per_trial(Path(folder), arguments.trials, work) for work in arguments.work],
            "start_up": _start_up(Path(folder), arguments.study, arguments.repeats),
        }
    _print(results)
    if not arguments.dry:
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="number of trials for the cost per trial")
    parser.add_argument("--work", type=float, nargs="*", default=[0.0, 0.3], help="seconds that each trial sleeps")
    parser.add_argument("--repeats", type=int, default=5, help="launches that measure the start-up")
    parser.add_argument(
        "--study", type=Path, default=ROOT / "study" / "files" / "demo.yaml", help="study file for the start-up"
    )
    parser.add_argument("--dry", action="store_true", help="do not save the results")
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("child_arguments", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


# The cost of a trial: work that takes no time, through the launch's own Tuner.


def _per_trial(folder: Path, trials: int, work_seconds: float) -> dict[str, float]:
    """What a trial costs at two workers, when each piece of work takes `work_seconds`."""
    root = folder / f"idle-{work_seconds}"
    _child("idle", root, trials, work_seconds, cwd=folder)
    events = [json.loads(line) for line in (root / "events.jsonl").read_text().splitlines()]
    moments = [_seconds(event["time"]) for event in events]
    gaps = sorted(pair for worker in {event["pid"] for event in events} for pair in _gaps(events, worker))
    idle = [end - start for start, end in gaps]
    return {
        "trials": trials,
        "work_seconds": work_seconds,
        "seconds_per_trial": (max(moments) - min(moments)) / trials,
        "idle_between_trials": statistics.mean(idle),
        "idle_between_trials_last_quarter": statistics.mean(idle[-len(idle) // 4 :]),
    }


def _gaps(events: list[dict[str, Any]], worker: int) -> list[tuple[float, float]]:
    """In one worker, the moments of each end and of the start that follows."""
    own = [event for event in events if event["pid"] == worker]
    pairs = [(one, two) for one, two in itertools.pairwise(own) if one["event"] == "end"]
    return [(_seconds(one["time"]), _seconds(two["time"])) for one, two in pairs]


def _run_idle(root: str, trials: str, work_seconds: str) -> None:
    from study.launching.progress import Progress

    run_idle(Path(root), int(trials), float(work_seconds), (13,), Progress)


def run_idle(root: Path, works: int, sleep: float, seeds: Sequence[int], progress_type: type[Any]) -> None:
    """A launch of 39 made-up triples whose trials sleep; it wants a process of its own.

    Args:
        root: The study's directory, made here.
        works: Most pieces of work.
        sleep: Seconds that each takes.
        seeds: The study's.
        progress_type: A `study.launching.progress.Progress`, told of each record.
    """
    from rich.console import Console

    from study.launching import tune_run
    from study.launching.options import LaunchOptions
    from study.ledger.record_files import Ledger
    from study.search.study_search import StudySearch
    from trials.specs.work import work_id
    from trials.storage.workspace import Workspace
    from trials.workers.trainable import WORK

    class Idle(tune_run.KDTrainable):
        """A worker that sleeps instead of training."""

        def setup(self, config: dict[str, Any], context: Any, coordinator: Any = None) -> None:  # type: ignore[override]
            self.context = context

        def step(self) -> dict[str, Any]:
            work, workspace = WORK.validate_json(self.config["work"]), self.context.workspace
            workspace.log_event("start", work_id(work))
            time.sleep(sleep)
            self.context.ledger.write(made_up(work))
            workspace.log_event("end", work_id(work))
            return {"done": True, "record_id": work_id(work)}

    setattr(tune_run, "KDTrainable", Idle)  # noqa: B010 - to mypy a class is no variable
    study, fingerprints = made_up_study(seeds)
    workspace = Workspace(root)
    workspace.root.mkdir()
    options = LaunchOptions(workers=WORKERS, max_trials=works)
    progress = progress_type(Console(file=open(os.devnull, "w")))  # noqa: SIM115 - until the process ends
    search = StudySearch(study, fingerprints)
    with tune_run.ray_session(study, workspace, options) as workers:
        progress.begin(search, workers)
        tune_run.run_on_tune(study, search, Ledger(workspace.ledger), workspace, options, workers, progress)


def made_up_study(seeds: Sequence[int] = (13,)) -> tuple[Any, Any]:
    """39 triples, as many as paper A's, of data and models that nobody opens."""
    from search_spaces.space import load_space
    from study.config.study_file import Study, StudyConfig
    from study.search.fingerprints import Fingerprints

    config = {
        "name": "idle",
        "datasets": [{"name": f"d{i}", "task": "classification", "path": f"/nowhere/d{i}"} for i in range(13)],
        "teachers": [{"name": "t", "model": "nowhere"}],
        "students": [{"name": f"s{i}", "from": "t", "layers": i} for i in (1, 2, 3)],
        "search": {"space": load_space("paper_a")},
        "seeds": list(seeds),
    }
    study = Study(StudyConfig.model_validate(config), Path("idle.yaml"))
    models = {study.teacher_source(*pair): "model" for pair in study.teacher_pairs}
    models |= {study.student_source(student): "model" for student in study.config.students}
    return study, Fingerprints({dataset.name: "data" for dataset in study.config.datasets}, models)


def made_up(work: Any) -> Any:
    """The record that a piece of work would end with; scores are arbitrary, but always the same."""
    from trials.specs.records import CurvePoint, RunInfo, Status, TeacherCheckpointRecord, TeacherRecord, TrialRecord
    from trials.specs.trial import TeacherTask

    moment = "2026-01-01T00:00:00+00:00"
    run = RunInfo(started_at=moment, finished_at=moment, seconds=0, host="host", device="cpu", versions={})
    if isinstance(work, TeacherTask):
        checkpoints = tuple(
            TeacherCheckpointRecord(
                step=i, epoch=i, validation_score=0.8 + i / 100, validation_loss=0.4 + i / 100, fingerprint=f"f{i}"
            )
            for i in (1, 2)
        )
        return TeacherRecord(
            task=work, status=Status.COMPLETED, checkpoints=checkpoints, highest_score=1, lowest_loss=0, run=run
        )
    score = int(work.trial_id[:4], 16) / 16**4
    curve = tuple(
        CurvePoint(step=i, epoch=i, train_loss=0.5, validation_score=score, validation_loss=0.4) for i in range(10)
    )
    return TrialRecord(
        spec=work,
        status=Status.COMPLETED,
        curve=curve,
        best_step=0,
        validation_score=score,
        validation_loss=0.4,
        test_score=score,
        run=run,
    )


# Start-up: the launch of a study with warm caches for one more trial, its moments noted.


def _start_up(folder: Path, study: Path, repeats: int) -> dict[str, Any]:
    """Seconds from the command to the first optimizer step, the median launch, by phase."""
    storage, study = folder / "runs", _small(study, folder)
    warm = ["launch", study, "--storage", storage, "--workers", WORKERS, "--max-trials", WARMING]
    _child("command", folder / "ignored", *warm, cwd=folder)
    launches = [_one_start(folder, study, storage) for _ in range(repeats)]
    launches.sort(key=lambda phases: sum(phases.values()))
    totals = [sum(phases.values()) for phases in launches]
    return {
        "study": study.name,
        "launches": repeats,
        "seconds_to_first_step": statistics.median(totals),
        "fastest": totals[0],
        "slowest": totals[-1],
        "phases_of_median_launch": launches[len(launches) // 2],
    }


def _small(study: Path, folder: Path) -> Path:
    """The study with little to train: start-up is what is left."""
    values = yaml.safe_load(study.read_text(encoding="utf-8"))
    for dataset in values["datasets"]:
        dataset["examples"] = {"train": 64, "validation": 32, "test": 32}
    for recipe in (values["training"], *(teacher["training"] for teacher in values["teachers"])):
        recipe["epochs"] = 1
    file = folder / study.name
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file


def _one_start(folder: Path, study: Path, storage: Path) -> dict[str, float]:
    """One launch: seconds of each phase."""
    marks = folder / "marks"
    marks.unlink(missing_ok=True)
    began = time.time()
    launch = ["launch", study, "--storage", storage, "--workers", WORKERS, "--max-trials", 1]
    _child("command", marks, *launch, cwd=folder)
    moments: dict[str, float] = {}
    for line in marks.read_text().splitlines():
        moments.setdefault(*json.loads(line))
    phases = {}
    for name, _ in PHASES:
        phases[name] = moments[name] - began
        began = moments[name]
    return phases


def _run_command(marks: str, *command: str) -> None:
    """In a process of its own: the `kdstudy` command with the ends of its phases noted in a file."""
    mark = functools.partial(_mark, marks)
    from study import cli
    from study.launching import launcher as launch
    from study.launching import tune_run

    class Marked(tune_run.KDTrainable):
        """A worker that notes its own phases."""

        def setup(self, *arguments: Any, **options: Any) -> None:
            mark("setup")
            super().setup(*arguments, **options)
            from trials.training.stacked_runs import StackedRuns

            StackedRuns.step = _noted(StackedRuns.step, after=lambda: mark("first_step"))  # type: ignore[method-assign]

        def step(self) -> dict[str, Any]:
            mark("start")
            return super().step()

    setattr(tune_run, "KDTrainable", Marked)  # noqa: B010 - to mypy a class is no variable
    launch.launch = _noted(launch.launch, before=lambda: mark("imports"))
    launch.check_study = _noted(launch.check_study, after=lambda: mark("preflight"))
    tune_run.run_on_tune = _noted(tune_run.run_on_tune, before=lambda: mark("ray"))
    sys.argv = ["kdstudy", *command]
    cli.main()


def _noted(
    function: Callable[..., Any], before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None
) -> Callable[..., Any]:
    @functools.wraps(function)
    def noted(*arguments: Any, **options: Any) -> Any:
        before()
        result = function(*arguments, **options)
        after()
        return result

    return noted


def _mark(file: str, name: str) -> None:
    with open(file, "a") as lines:
        lines.write(json.dumps([name, time.time()]) + "\n")


CHILDREN: dict[str, Callable[..., None]] = {"idle": _run_idle, "command": _run_command}


def _child(name: str, *arguments: object, cwd: Path) -> None:
    """Run one of `CHILDREN` in a fresh process; one that leaves work to do ends with 3."""
    command = [sys.executable, "-m", "benchmarks.tune_cost", "--child", name, "--", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves
    if done.returncode not in (0, 3):
        sys.exit(done.stdout + done.stderr)


def machine() -> dict[str, Any]:
    """Where a benchmark ran: hardware, the load of others on it, versions."""
    versions = {name: importlib.metadata.version(name) for name in VERSIONED}
    return {
        "hardware": {"cpu": _cpu(), "cores": os.cpu_count(), "platform": platform.platform()},
        "load_before": os.getloadavg()[0],
        "versions": versions | {"python": platform.python_version()},
    }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.processor())


def _print(results: dict[str, Any]) -> None:
    print(f"{'work':>10} {'seconds a trial':>16} {'idle between two':>17} {'last quarter':>13}")
    for row in results["per_trial"]:
        cells = row["seconds_per_trial"], row["idle_between_trials"], row["idle_between_trials_last_quarter"]
        print(f"{row['work_seconds']:>8} s {cells[0]:>16.3f} {cells[1]:>17.3f} {cells[2]:>13.3f}")
    start = results["start_up"]
    for name, meaning in PHASES:
        print(f"{start['phases_of_median_launch'][name]:>6.2f} s  {meaning}")
    print(f"{start['seconds_to_first_step']:>6.2f} s  from command to first step, median of {start['launches']}")


if __name__ == "__main__":
    main()
