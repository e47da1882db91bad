"""A launch that stops trials early, for real: its records, what it says, and a launch after it that stops none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from launching import run

from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from study.views.study_status import read_status
from trials.specs.records import Status, TrialRecord
from trials.storage.workspace import Workspace
from trials.workers.run_work import run_work

SPACE = {
    "name": "tiny",
    "choices": {"distance": ["ce", "mse"]},
    "soft_label_weight": {"default": 1.0, "then": [0.5]},
    "learning_rates": [0.003, 1e-8],  # of which one learns nothing
    "temperature": {"start": 1, "stop": 1, "num": 1, "fine": 0, "default": 1},
}
STOPPING = {"rule": "median", "least_trials": 1}


def trials_of(folder: Path) -> list[TrialRecord]:
    return [record for record in Ledger(folder / "ledger").refresh() if isinstance(record, TrialRecord)]


@pytest.mark.slow
@pytest.mark.parametrize("group", [1, 3])
def test_launch_stops_trials_and_another_trains_them_to_their_end(tiny_study, tmp_path: Path, group: int) -> None:
    search = {"strategy": "grid", "space": SPACE, "stopping": STOPPING}
    file = tiny_study(
        students=[{"name": "2L", "from": "tiny", "layers": 2}],
        search=search,
        resources={"cpu": 1, "group": group},
        training={"epochs": 3, "batch_size": 16, "max_length": 16},
    )
    folder = tmp_path / "runs" / "tiny"
    code, output = run("launch", file, "--workers", group, folder=tmp_path)
    assert code == 0, output
    records = trials_of(folder)
    stopped = [record for record in records if record.status is Status.STOPPED]
    # two distances, two weights, two rates; the default choice is never stopped, and of the others what learns nothing
    assert len(records) == 8
    assert 0 < len(stopped) <= 6
    assert all(record.spec.stopping is not None and len(record.curve) < 3 for record in stopped)
    assert output.count(": stopped at epoch ") == len(stopped)
    assert not list(folder.glob("checkpoints/*"))
    # a stopped trial is the beginning of the whole one
    source = (yaml.safe_load(file.read_text())["teachers"][0]["model"], "")
    alone = run_work(stopped[0].spec, source, Workspace(folder))
    assert [point.validation_score for point in stopped[0].curve] == [
        point.validation_score for point in alone.curve[: len(stopped[0].curve)]
    ]

    status = read_status(load_study(file), Workspace(folder))
    assert status.finished
    assert status.stopped_trials == status.chains[0].stopped_trials == len(stopped)
    assert status.failed_trials == status.unfinished_work == ()

    # Without the rule the stopped ones are trained to their end, and nothing else is trained again
    values = yaml.safe_load(file.read_text())
    del values["search"]["stopping"]
    file.write_text(yaml.safe_dump(values))
    code, output = run("launch", file, "--workers", group, folder=tmp_path)
    assert code == 0, output
    added = [record for record in trials_of(folder) if record not in records]
    assert {record.record_id for record in added} == {record.spec.trial_id for record in stopped}
    assert all(record.status is Status.COMPLETED for record in added)
