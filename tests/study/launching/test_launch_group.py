"""A launch whose trials share a place: side by side as one unit, each with its own record."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from launching import run, start

from study.ledger.record_files import Ledger
from trials.specs.records import Status, TrialRecord
from trials.storage.workspace import Workspace
from trials.workers.run_work import run_work

STUDENT = {"name": "2L", "from": "tiny", "layers": 2}


@pytest.fixture
def group_of_three(tiny_study, tmp_path: Path) -> list[Any]:
    """Arguments of a launch of a teacher and, side by side, three trials of different learning rates."""

    def launch(rates: list[float], **training: object) -> list[object]:
        recipe = {"epochs": 2, "batch_size": 16, "max_length": 16, **training}
        file = tiny_study(students=[STUDENT], resources={"cpu": 1, "group": 3}, training=recipe)
        values = yaml.safe_load(file.read_text())
        values["search"]["space"]["learning_rates"] = rates
        values["search"]["evaluate"] = []
        values["teachers"][0]["training"]["early_stopping"] = None
        file.write_text(yaml.safe_dump(values))
        # not the whole search: the launch ends with exit code 3
        return ["launch", file, "--storage", tmp_path, "--workers", 3, "--max-trials", 4]

    return launch


def trials(folder: Path) -> list[TrialRecord]:
    return [record for record in Ledger(folder / "ledger").refresh() if record.kind == "trial"]


def events(folder: Path, ids: set[str]) -> list[dict[str, Any]]:
    """The workers' own log, of some work."""
    path = folder / "events.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [line for line in map(json.loads, lines) if line["id"] in ids]


def assert_each_is_as_alone(folder: Path, file: Path) -> None:
    source = (yaml.safe_load(file.read_text())["teachers"][0]["model"], "")
    for record in trials(folder):
        alone = run_work(record.spec, source, Workspace(folder))
        assert record.status is Status.COMPLETED
        assert len(record.curve) == len(alone.curve)
        assert record.validation_loss == pytest.approx(alone.validation_loss, rel=1e-4)
        assert record.test_score == alone.test_score


def test_grouped_launch_trains_side_by_side_what_each_trial_gives_alone(group_of_three, tmp_path: Path):
    launch, folder = group_of_three([0.001, 0.003, 0.006]), tmp_path / "tiny"
    code, output = run(*launch, folder=tmp_path)
    assert code == 3, output
    assert len(trials(folder)) == 3
    # All three were started before any of them ended
    seen = events(folder, {record.record_id for record in trials(folder)})
    assert [line["event"] for line in seen] == ["start"] * 3 + ["end"] * 3
    assert_each_is_as_alone(folder, launch[1])


@pytest.mark.slow
def test_members_that_end_first_leave_the_others_in_training(group_of_three, tmp_path: Path):
    # Whoever came first: the two that cannot learn stop early, and the third goes on without them
    launch = group_of_three([1e-9, 2e-9, 0.003], epochs=60, evaluate_every=15, early_stopping=8)
    folder = tmp_path / "tiny"
    code, output = run(*launch, folder=tmp_path)
    assert code == 3, output
    records = {record.configuration.learning_rate: record for record in trials(folder)}
    lengths = {rate: len(record.curve) for rate, record in records.items()}
    assert lengths[1e-9] == lengths[2e-9] == 9 < lengths[0.003]
    seen = events(folder, {record.record_id for record in records.values()})
    assert [line["event"] for line in seen] == ["start"] * 3 + ["end"] * 3
    assert len({line["pid"] for line in seen}) == 1
    assert_each_is_as_alone(folder, launch[1])


@pytest.mark.slow
def test_group_whose_process_is_killed_ends_in_a_new_one(group_of_three, tmp_path: Path):
    launch, folder = group_of_three([0.001, 0.003, 0.006], epochs=100, evaluate_every=100), tmp_path / "tiny"
    process = start(*launch, folder=tmp_path)
    started: list[dict[str, Any]] = []
    while len(started) < 4:  # the teacher, and all three
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)
        lines = (folder / "events.jsonl").read_text().splitlines() if (folder / "events.jsonl").is_file() else []
        started = [line for line in map(json.loads, lines) if line["event"] == "start"]
    os.kill(started[-1]["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 3, output

    seen = events(folder, {record.record_id for record in trials(folder)})
    counts = Counter((line["event"], line["id"]) for line in seen)
    assert len(trials(folder)) == 3
    assert set(counts.values()) == {1, 2}
    assert {number for (event, _), number in counts.items() if event == "end"} == {1}
    # Tried again one after the other, each in the order of its own start and end
    assert [line["event"] for line in seen[3:]] == ["start", "end"] * 3
    assert_each_is_as_alone(folder, launch[1])
