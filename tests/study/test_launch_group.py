"""A launch whose trials share a place: side by side as one unit, each with its own record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from launching import run

from study.ledger import Ledger
from trials.record import Status
from trials.run import run_work
from trials.workspace import Workspace


def test_grouped_launch_trains_side_by_side_what_each_trial_gives_alone(tiny_study, tmp_path: Path):
    file = tiny_study(
        students=[{"name": "2L", "from": "tiny", "layers": 2}], resources={"cpu": 1, "group": 3}, seeds=[13]
    )
    values = yaml.safe_load(file.read_text())
    values["search"]["space"]["learning_rates"] = [0.001, 0.003, 0.006]
    values["search"]["evaluate"] = []
    file.write_text(yaml.safe_dump(values))
    code, output = run("launch", file, "--storage", tmp_path, "--workers", 3, "--max-trials", 4, folder=tmp_path)
    assert code == 3, output  # a teacher and three trials, not the whole search

    folder = tmp_path / "tiny"
    records = [record for record in Ledger(folder / "ledger").refresh() if record.kind == "trial"]
    assert [record.status for record in records] == [Status.COMPLETED] * 3
    for record in records:
        alone = run_work(record.spec, (values["teachers"][0]["model"], ""), Workspace(folder))
        assert record.validation_loss == pytest.approx(alone.validation_loss, rel=1e-4)
        assert record.test_score == alone.test_score

    # By the workers' own log: all three were started before any of them ended
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    events = [line["event"] for line in lines if line["id"] in {record.record_id for record in records}][:6]
    assert events == ["start"] * 3 + ["end"] * 3
