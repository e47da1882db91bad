"""Chaos: a study of some hundred trials whose workers, nodes and driver are killed at random moments until it ends.

    python -m benchmarks.chaos

The study is launched twice on a cluster of several Ray nodes of this machine: undisturbed; and with a SIGKILL now and
then, of a trial's worker, a raylet, a whole node (its raylet and all its workers) or the driver, which is launched
again. What is killed when is drawn from a seed and printed. At the end every record must be there once, as it was at
first; no trial with a record may have been started again (by the workers' own log); results and tables must be those of
the undisturbed run. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import yaml

from analysis.report.report import export_tables
from benchmarks.tune_cost import ROOT, machine
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from trials.specs.records import Record, TrialRecord

RESULTS = ROOT / "benchmarks" / "results" / "chaos.json"
LOG = RESULTS.with_suffix(".log")
KDSTUDY = str(Path(sys.executable).with_name("kdstudy"))
NODES = 2
PATIENCE = 300.0  # seconds, after which something is killed whatever has happened
TARGETS = {"worker": 0.5, "raylet": 0.15, "node": 0.15, "driver": 0.2}  # what is killed, and how often
HOURS = {"run": True, "train_seconds": True, "examples_per_second": True}  # of a record: what may differ
WORDS = {0: ["dark", "sad", "ugly", "poor", "awful", "cold"], 1: ["bright", "happy", "lovely", "fine", "great", "warm"]}
FILLER = ["the", "a", "film", "book", "day", "was", "is", "and", "very", "quite", "of", "it", "this", "that"]


def main() -> None:
    """Run both, check, and keep the results."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10_000)
    with tempfile.TemporaryDirectory(prefix="kdchaos-") as folder:
        os.environ.setdefault("RAY_TMPDIR", folder)  # sockets need a short path
        log = Path(folder) / "log"
        with log.open("w", encoding="utf-8") as file:
            found = chaos(Path(folder), seed, arguments.seeds, tuple(arguments.between), file)
        results = {"command": " ".join(["python -m benchmarks.chaos", *sys.argv[1:]]), **machine(), **found}
        if not arguments.dry:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            LOG.write_text(log.read_text(encoding="utf-8"), encoding="utf-8")
    print(json.dumps(results, indent=1))
    if found["faults"]:
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="seed for what is killed and when; drawn if not given")
    parser.add_argument("--seeds", type=int, default=15, help="number of seeds of the study")
    between = "minimum and maximum number of trial starts and ends between two kills"
    parser.add_argument("--between", type=int, nargs=2, default=(4, 20), help=between)
    parser.add_argument("--dry", action="store_true", help="do not save the results")
    return parser.parse_args()


def chaos(folder: Path, seed: int, seeds: int, between: tuple[int, int], log: TextIO) -> dict[str, Any]:
    """Both runs and the check; what was found, with all that is wrong as ``faults``.

    Args:
        folder: For study, storage and Ray's files.
        seed: Of the kills.
        seeds: Of the study.
        between: Starts and ends of trials between two kills, at least and at most.
        log: Told of each kill.
    """
    os.environ.update({"RAY_worker_niceness": "0"})  # as on the clusters of the documents
    file = write_study(folder, seeds)
    run = _Run(folder, file, random.Random(seed), log)  # noqa: S311 - no secret
    run.say(f"seed {seed}, {between[0]} to {between[1]} events between two kills, {NODES} nodes of one worker each")
    calm, wild = folder / "calm" / "chaos", folder / "wild" / "chaos"
    try:
        calm_seconds = run.undisturbed(calm.parent)
        wild_seconds = run.disturbed(wild.parent, between)
    finally:
        run.close()
    faults = [*run.faults, *differences(file, calm, wild, folder), *repeated(wild)]
    starts = Counter(event["id"] for event in _events(wild) if event["event"] == "start")
    found = {
        "seed": seed,
        "trials": sum(isinstance(record, TrialRecord) for record in Ledger(wild / "ledger").refresh()),
        "kills": dict(run.kills),
        "launches": run.launches,
        "trials_interrupted": sum(count > 1 for count in starts.values()),
        "starts": sum(starts.values()),
        "finished_trials_run_again": len(repeated(wild)),
        "seconds_undisturbed": round(calm_seconds, 1),
        "seconds_disturbed": round(wild_seconds, 1),
        "faults": faults,
    }
    run.say(f"totals: {json.dumps(found)}")
    return found


# The study


def write_study(folder: Path, seeds: int) -> Path:
    """A study file with its own data and model: trials of a second or two, which save their state after every step."""
    from study.config.model_file import make_model_from_file

    draw, data = random.Random(13), folder / "data"  # noqa: S311 - no secret
    data.mkdir(parents=True)
    for split, rows in (("train", 96), ("validation", 32), ("test", 32)):
        lines = [json.dumps({"text": _text(draw, row % 2), "label": row % 2}) for row in range(rows)]
        (data / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    dataset = {"name": "words", "task": "classification", "path": str(data), "labels": ["bad", "good"]}
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    tokenizer = {"kind": "wordpiece", "vocabulary": 120}
    model = {"architecture": "bert", "config": {**shape, "max_position_embeddings": 32}, "tokenizer": tokenizer}
    (folder / "model.yaml").write_text(yaml.safe_dump({**model, "data": dataset}), encoding="utf-8")
    make_model_from_file(folder / "model.yaml", folder / "model")
    values = {
        "name": "chaos",
        "datasets": [dataset],
        "teachers": [
            {"name": "tiny", "model": str(folder / "model"), "training": {"epochs": 6, "learning_rate": 0.003}}
        ],
        "students": [{"name": f"{layers}L", "from": "tiny", "layers": layers} for layers in (2, 1)],
        "search": {
            "strategy": "greedy",
            "space": {
                "name": "chaos",
                "choices": {
                    "distance": ["ce", "mse"],
                    "teacher_checkpoint": ["highest_score", "lowest_loss"],
                    "student_temperature": ["equal", "one"],
                },
                "soft_label_weight": {"default": 1.0, "then": [0.5]},
                "learning_rates": [0.003],
                "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 1, "default": 1},
            },
        },
        "training": {"epochs": 3, "batch_size": 16, "max_length": 16},
        "seeds": list(range(13, 13 + seeds)),
        "checkpoint_seconds": 0,
    }
    file = folder / "chaos.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return file


def _text(draw: random.Random, label: int) -> str:
    words = draw.choices(FILLER, k=draw.randint(2, 7)) + draw.choices(WORDS[label], k=draw.randint(1, 3))
    draw.shuffle(words)
    return " ".join(words)


# The runs


@dataclass
class _Run:
    """A cluster, launches on it, and what was done to them.

    Attributes:
        folder: For Ray's files.
        file: The study file.
        draw: Decides what is killed when.
        log: Told of each kill.
        kills: How many of each kind.
        launches: How many drivers were started for the disturbed run.
        faults: Launches that ended in another way than a launch may.
    """

    folder: Path
    file: Path
    draw: random.Random
    log: TextIO
    kills: Counter[str] = field(default_factory=Counter)
    launches: int = 0
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.begun = time.monotonic()
        self.due = self.draw.sample(list(TARGETS), len(TARGETS))  # each is killed once, and then whatever is drawn
        self.drivers: list[subprocess.Popen[bytes]] = []
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(NODES)]
        self.cluster.wait_for_nodes()

    def close(self) -> None:
        """End the cluster, and a driver that still runs."""
        for driver in self.drivers:
            if driver.poll() is None:
                driver.kill()
        self.cluster.shutdown()

    def say(self, text: str) -> None:
        """One line, with the seconds since the beginning."""
        line = f"{time.monotonic() - self.begun:8.1f} s  {text}"
        print(line, flush=True)
        self.log.write(line + "\n")
        self.log.flush()

    def undisturbed(self, storage: Path) -> float:
        """Launch the study and wait; seconds."""
        begun, driver = time.monotonic(), self._launch(storage)
        code = driver.wait()
        self.say(f"undisturbed run: exit code {code}, {len(_recorded(storage / 'chaos'))} records")
        if code:
            self.faults.append(f"the undisturbed run ended with {code}: {_last_words(storage)}")
        return time.monotonic() - begun

    def disturbed(self, storage: Path, between: tuple[int, int]) -> float:
        """Launch the study, kill something now and then, launch again, until it has ended; seconds."""
        begun, study = time.monotonic(), storage / "chaos"
        seen: dict[str, bytes] = {}
        while True:
            self.launches += 1
            driver = self._launch(storage)
            while driver.poll() is None:
                self._wait(driver, study, self.draw.randint(*between), self.draw.uniform(0, 1))
                self._witness(study, seen)
                if driver.poll() is None:
                    self._kill(driver, study)
            self._witness(study, seen)
            if driver.returncode == 0:
                self.say(f"finished by launch {self.launches}: {len(_recorded(study))} records")
                return time.monotonic() - begun
            if driver.returncode != -signal.SIGKILL:
                self.say(f"launch {self.launches} ended with {driver.returncode}: {_last_words(storage)}")
            if driver.returncode not in (3, -signal.SIGKILL):
                self.faults.append(f"launch {self.launches} ended with {driver.returncode}: {_last_words(storage)}")

    def _launch(self, storage: Path) -> subprocess.Popen[bytes]:
        storage.mkdir(exist_ok=True)
        command = [KDSTUDY, "launch", self.file, "--storage", storage, "--address", self.cluster.address]
        with (storage / "launch.log").open("wb") as output:
            driver = subprocess.Popen(  # noqa: S603 - ourselves
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, start_new_session=True, cwd=ROOT
            )
        self.drivers.append(driver)
        return driver

    @staticmethod
    def _wait(driver: subprocess.Popen[bytes], study: Path, events: int, seconds: float) -> None:
        """Until so many more events and seconds have passed, or the driver has ended, or nothing happens for long."""
        begun, latest = _num_events(study), time.monotonic() + PATIENCE
        while _num_events(study) < begun + events and driver.poll() is None and time.monotonic() < latest:
            time.sleep(0.05)
        with contextlib.suppress(subprocess.TimeoutExpired):
            driver.wait(seconds)

    def _witness(self, study: Path, seen: dict[str, bytes]) -> None:
        """No record that was there has changed."""
        for path in _recorded(study):
            content = path.read_bytes()
            if seen.setdefault(path.name, content) != content:
                self.faults.append(f"record {path.name} has changed")

    def _kill(self, driver: subprocess.Popen[bytes], study: Path) -> None:
        """One SIGKILL, or that of a node's processes; a node that died is followed by a new one."""
        what = self.due[-1] if self.due else self.draw.choices(list(TARGETS), list(TARGETS.values()))[0]
        place = self.draw.randrange(NODES)
        raylet = self.nodes[place].all_processes["raylet"][0].process.pid
        workers = sorted(_descendants(raylet))
        if what == "driver":
            pids = [driver.pid]
        elif what == "worker":
            pids = [pid for pid in workers if _is_trial(pid)][:1]
        else:
            pids = [raylet] if what == "raylet" else [raylet, *workers]
        if not pids:
            return  # no trial's worker there yet
        self.due = self.due[:-1]
        running = any(_is_trial(pid) for pid in workers)
        for pid in pids:
            _end(pid)
        self.kills[what] += 1
        busy = "" if what == "driver" else f" of node {place}, {'with' if running else 'without'} a trial's worker"
        records = len(_recorded(study))
        self.say(f"SIGKILL {what}{busy}: {len(pids)} processes, first pid {pids[0]}; {records} records")
        if what in ("raylet", "node"):
            self.nodes[place].all_processes["raylet"][
                0
            ].process.wait()  # not reaped it would seem to live to its workers
            self.nodes[place] = self.cluster.add_node(num_cpus=1)
        if what == "driver":
            driver.wait()


def _recorded(study: Path) -> list[Path]:
    return list((study / "ledger").glob("[!.]*.json"))


def _num_events(study: Path) -> int:
    file = study / "events.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def _last_words(storage: Path) -> str:
    lines = (storage / "launch.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " / ".join([line for line in lines if not line.startswith(" ")][-2:])


def _descendants(pid: int) -> set[int]:
    """All processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = set(), [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found |= set(below)
        waiting += below
    return found


def _is_trial(pid: int) -> bool:
    """Whether a process is a worker in which Tune's trials run."""
    try:
        return b"Trainable" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        os.kill(pid, signal.SIGKILL)


# The check


def differences(file: Path, calm: Path, wild: Path, folder: Path) -> list[str]:
    """What of records and tables is not as in the undisturbed run."""
    one, two = (Ledger(study / "ledger") for study in (calm, wild))
    expected, found = ({record.record_id: record for record in ledger.refresh()} for ledger in (one, two))
    wrong = [str(bad) for bad in two.bad_files]
    wrong += [f"record {name} is in one run alone" for name in expected.keys() ^ found.keys()]
    wrong += [
        f"record {name} differs"
        for name in expected.keys() & found.keys()
        if expected[name].model_dump(exclude=HOURS) != found[name].model_dump(exclude=HOURS)
    ]
    tables = [_tables(file, records.values(), folder / f"tables-{at}") for at, records in enumerate((expected, found))]
    return wrong + [f"table {name} differs" for name in tables[0] if tables[0][name] != tables[1].get(name)]


def repeated(study: Path) -> list[str]:
    """Work that was started after it had its record: by the order of the workers' log, and by the file's moment."""
    ended: set[str] = set()
    again: list[str] = []
    written = {path.stem: path.stat().st_mtime for path in _recorded(study)}
    for event in _events(study):
        if event["event"] == "end":
            ended.add(event["id"])
        elif event["id"] in ended or _seconds(event["time"]) > written.get(event["id"], float("inf")):
            again.append(f"{event['id']} was started again after its record")
    return again


def _events(study: Path) -> list[dict[str, Any]]:
    found = []
    for line in (study / "events.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # torn by a kill
            continue
    return found


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


def _tables(file: Path, records: Iterable[Record], out: Path) -> dict[str, str]:
    """The report's tables, without what tells hours."""
    export_tables(load_study(file), [_timeless(record) for record in records], out)
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(out.iterdir())}


def _timeless(record: Record) -> Record:
    run_info = record.run.model_copy(update={"seconds": 1.0, "started_at": "x", "finished_at": "x"})
    changes: dict[str, Any] = {"run": run_info}
    if isinstance(record, TrialRecord):
        changes |= {"train_seconds": 1.0, "examples_per_second": 1.0}
    return record.model_copy(update=changes)


if __name__ == "__main__":
    main()
