"""Kill the driver with SIGKILL at random moments, go on, and end where an undisturbed run ends (promise 1)."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from launching import Launched, run, start

from analysis.report import export_tables
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from trials.specs.records import TrialRecord
from trials.storage.workspace import Workspace
from trials.training.checkpoints import CheckpointFile


def results(folder: Path) -> dict[str, dict]:
    """All that the records say but times and places."""
    drop = {"run": True, "train_seconds": True, "examples_per_second": True}
    return {record.record_id: record.model_dump(exclude=drop) for record in Ledger(folder / "ledger").refresh()}


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


def test_driver_killed_twice_ends_like_undisturbed_and_repeats_no_finished_trial(launched: Launched, tmp_path: Path):
    seed = random.SystemRandom().randrange(10_000)
    print(f"random moments of seed {seed}")  # noqa: T201 - to repeat a failure
    draw = random.Random(seed)
    launch = ["launch", launched.file, "--storage", tmp_path, "--workers", 2]
    folder = tmp_path / "tiny"
    ledger, total = folder / "ledger", len(results(launched.folder))
    first, second = sorted(draw.sample(range(total - 8), 2))
    killed(launch, tmp_path, ledger, first, draw.uniform(0, 0.2))
    before = {path.name: path.read_bytes() for path in ledger.glob("[!.]*.json")}
    killed(launch, tmp_path, ledger, second, draw.uniform(0, 0.2))
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


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(launched: Launched, tmp_path: Path):
    process = start("launch", launched.file, "--storage", tmp_path, "--workers", 1, folder=tmp_path)
    while not list((tmp_path / "tiny" / "ledger").glob("[!.]*.json")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3, output
    assert "stopped, nothing is lost; go on with: kdstudy resume tiny" in output
    assert "Traceback" not in output


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
    assert "stopped, nothing is lost; go on with: kdstudy resume tiny" in output
    saved = [CheckpointFile(path).step for path in states.glob("*.safetensors")]
    assert len(saved) == 2
    assert all(step > 0 for step in saved)


@pytest.mark.slow
def test_launch_whose_time_is_up_begins_nothing_and_says_how_to_go_on(launched: Launched, tmp_path: Path):
    code, output = run("launch", launched.file, "--storage", tmp_path, "--max-hours", 1e-9, folder=tmp_path)
    assert code == 3
    assert "time is up; go on with: kdstudy resume tiny" in output
    assert results(tmp_path / "tiny") == {}
    assert not (tmp_path / "tiny" / "events.jsonl").exists()


def test_launch_of_a_finished_study_runs_nothing(launched: Launched, tmp_path: Path):
    before = (launched.folder / "events.jsonl").read_text()
    code, output = run("resume", launched.folder, folder=tmp_path)
    assert code == 0
    assert "finished" in output
    assert (launched.folder / "events.jsonl").read_text() == before
    assert Counter(json.loads(line)["event"] for line in before.splitlines())["end"] == len(results(launched.folder))


def test_workspace_names_what_runs(launched: Launched):
    assert Workspace(launched.folder).running() == set()
