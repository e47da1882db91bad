"""Interrupt and kill the driver at random moments, go on, and end where an undisturbed run ends (promise 1)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from launching import Launched, run, start

from analysis.report.report import export_tables
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from trials.specs.records import TrialRecord
from trials.storage.workspace import Workspace
from trials.training.checkpoints import CheckpointFile

LISTENING = "0A"  # of /proc/net/tcp
LOOPBACK = {
    "0100007F",  # 127.0.0.1, in the processor's byte order
    "00000000000000000000000001000000",  # ::1
    "0000000000000000FFFF00000100007F",  # ::ffff:127.0.0.1
}


def results(folder: Path) -> dict[str, dict]:
    """All that the records say but times and places."""
    drop = {"run": True, "train_seconds": True, "examples_per_second": True}
    return {record.record_id: record.model_dump(exclude=drop) for record in Ledger(folder / "ledger").refresh()}


def listening(session: int) -> dict[str, str]:
    """Address by inode of the sockets on which processes of a session listen."""
    listeners = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                listeners[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    links = {link for process in Path("/proc").glob("[0-9]*") for link in open_files(int(process.name), session)}
    return {link: listeners[link] for link in links & listeners.keys()}


def open_files(process: int, session: int) -> Iterator[str]:
    """What a process of the session has open."""
    with contextlib.suppress(OSError):  # it has ended meanwhile
        files = list(Path(f"/proc/{process}/fd").iterdir()) if os.getsid(process) == session else []
        for file in files:
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(file)


def test_listening_sees_an_open_port() -> None:
    with socket.create_server(("0.0.0.0", 0)):  # noqa: S104 - that it is found is the test
        assert "00000000" in listening(os.getsid(0)).values()


@dataclass(frozen=True)
class Interrupted:
    """A launch that Ctrl-C has stopped in mid-sweep.

    Attributes:
        folder: Its study's directory.
        code: Its exit code.
        output: What it printed.
        sockets: Addresses by inode of the sockets on which its processes listened.
    """

    folder: Path
    code: int
    output: str
    sockets: dict[str, str]


@pytest.fixture(scope="module")
def interrupted(launched: Launched, tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """A launch that is stopped when a trial has its record: driver, store, raylet, agents and workers all run then."""
    storage, sockets = tmp_path_factory.mktemp("interrupted"), {}
    process = start("launch", launched.file, "--storage", storage, "--workers", 1, folder=storage)
    while len(list((storage / "tiny" / "ledger").glob("[!.]*.json"))) < 2:
        assert process.poll() is None, process.communicate()[0]
        sockets |= listening(process.pid)
        time.sleep(0.05)
    sockets |= listening(process.pid)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return Interrupted(storage / "tiny", process.returncode, output, sockets)


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(interrupted: Interrupted) -> None:
    assert interrupted.code == 3, interrupted.output
    assert "stopped, nothing is lost; resume with: kdstudy resume tiny" in interrupted.output
    assert "Traceback" not in interrupted.output


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_launch_listens_on_the_loopback_alone(interrupted: Interrupted) -> None:
    assert len(interrupted.sockets) >= 5  # Ray does listen
    assert set(interrupted.sockets.values()) <= LOOPBACK


def killed(launch: list[object], folder: Path, ledger: Path, records: int, delay: float) -> None:
    """Launch, and SIGKILL the driver some moments after the ledger holds this many records."""
    process = start(*launch, folder=folder)
    deadline = time.monotonic() + 120
    while len(list(ledger.glob("[!.]*.json"))) < records and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(delay)
    assert process.poll() is None, process.communicate()[0]  # it must die in mid-sweep, not after it
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def test_driver_killed_ends_like_undisturbed_and_repeats_no_finished_trial(
    launched: Launched, interrupted: Interrupted, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10_000)
    print(f"random moments of seed {seed}")  # noqa: T201 - to repeat a failure
    draw = random.Random(seed)
    folder = tmp_path / "tiny"
    shutil.copytree(interrupted.folder, folder)
    ledger, total = folder / "ledger", len(results(launched.folder))
    launch = ["launch", launched.file, "--storage", tmp_path, "--workers", 2]
    killed(launch, tmp_path, ledger, draw.randrange(len(results(folder)), total - 8), draw.uniform(0, 0.2))
    before = {path.name: path.read_bytes() for path in ledger.glob("[!.]*.json")}
    code, output = run(*launch, folder=tmp_path)
    assert code == 0, output

    # A record once written never changed, and every trial's record is there exactly once
    for name, content in before.items():
        assert (ledger / name).read_bytes() == content
    assert results(folder) == results(launched.folder)

    # Counted by the workers' own log, not by the ledger: nothing was started again after it had ended, ended once
    ended: set[str] = set()
    for line in (folder / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        assert event["id"] not in ended, f"{event['id']} was run again"
        if event["event"] == "end":
            ended.add(event["id"])
    assert ended <= results(folder).keys()

    # The final tables are those of the undisturbed run
    assert tables(launched, folder, tmp_path / "a") == tables(launched, launched.folder, tmp_path / "b")


def tables(launched: Launched, folder: Path, out: Path) -> dict[str, str]:
    """The report's tables, without what tells hours."""
    records = [_timeless(record) for record in Ledger(folder / "ledger").refresh()]
    export_tables(load_study(launched.file), records, out)
    return {path.name: path.read_text() for path in sorted(out.iterdir())}


def _timeless(record):
    run_info = record.run.model_copy(update={"seconds": 1.0, "started_at": "x", "finished_at": "x"})
    changes: dict[str, object] = {"run": run_info}
    if isinstance(record, TrialRecord):
        changes |= {"train_seconds": 1.0, "examples_per_second": 1.0}
    return record.model_copy(update=changes)


@pytest.mark.slow
@pytest.mark.parametrize("group", [1, 2])
def test_sigterm_lets_running_trials_save_their_states(tiny_study, tmp_path: Path, group: int):
    # Long trials that would save their states in five minutes
    training = {"epochs": 10_000, "batch_size": 16, "max_length": 16, "evaluate_every": 500}
    student = {"name": "2L", "from": "tiny", "layers": 2}
    file = tiny_study(training=training, students=[student], resources={"cpu": 1, "group": group})
    file.write_text(file.read_text().replace("- 0.003\n", "- 0.003\n    - 0.001\n", 1))
    process = start("launch", file, "--storage", tmp_path, "--workers", 2, "--max-trials", 3, folder=tmp_path)
    events, states = tmp_path / "tiny" / "events.jsonl", tmp_path / "tiny" / "checkpoints"
    while not events.is_file() or events.read_text().count("start") < 3:  # the teacher, and two trials
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    time.sleep(10)
    assert list(states.glob("*.safetensors")) == []
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "stopped, nothing is lost; resume with: kdstudy resume tiny" in output
    saved = [CheckpointFile(path).step for path in states.glob("*.safetensors")]
    assert len(saved) == 2
    assert all(step > 0 for step in saved)


@pytest.mark.slow
def test_launch_whose_time_is_up_begins_nothing_and_says_how_to_go_on(launched: Launched, tmp_path: Path):
    code, output = run("launch", launched.file, "--storage", tmp_path, "--max-hours", 1e-9, folder=tmp_path)
    assert code == 3
    assert "time limit reached; resume with: kdstudy resume tiny" in output
    assert results(tmp_path / "tiny") == {}
    assert not (tmp_path / "tiny" / "events.jsonl").exists()


def test_launch_of_a_finished_study_runs_nothing(kdstudy, launched: Launched):
    before = (launched.folder / "events.jsonl").read_text()
    code, output = kdstudy("resume", launched.folder)
    assert code == 0
    assert "finished" in output
    assert (launched.folder / "events.jsonl").read_text() == before
    assert Counter(json.loads(line)["event"] for line in before.splitlines())["end"] == len(results(launched.folder))


def test_workspace_names_what_runs(launched: Launched):
    assert Workspace(launched.folder).running() == set()
