"""A study of shapes, B's losses, response times last, predictions kept; what cannot be is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import yaml
from launching import run
from made_tasks import made_dataset

from study.checks.study_checks import check_study
from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from trials.specs.dataset import TaskName
from trials.specs.records import SpeedRecord, Status, TrialRecord
from trials.storage.workspace import Workspace

THIRD = 0.3333
STUDENTS = [
    {"name": "2L", "from": "tiny", "layers": 2},
    {"name": "2AH", "from": "tiny", "heads": 2, "init": "sliced"},
    {"name": "16D", "from": "tiny", "hidden_size": 16, "init": "sliced"},
    {"name": "2L_16D", "from": "tiny", "layers": 2, "hidden_size": 16},
]
SPACE = {
    "name": "thirds",
    "choices": {},
    "soft_label_weight": {"default": THIRD},
    "internals": {"hidden_weight": THIRD, "layer_map": "ends"},
    "learning_rates": [0.003],
    "temperature": {"start": 2, "stop": 2, "num": 1, "fine": 0, "default": 2},
}


def study_file(model: Path, folder: Path, **changes: Any) -> Path:
    """A study of four shapes on a classification and a regression."""
    tasks = (TaskName.CLASSIFICATION, TaskName.REGRESSION)
    datasets = [made_dataset(task, folder / task).model_dump(mode="json", exclude_none=True) for task in tasks]
    values = {
        "name": "shapes",
        "datasets": [entry | {"name": task.value} for entry, task in zip(datasets, tasks, strict=True)],
        "teachers": [{"name": "tiny", "model": str(model), "training": {"epochs": 4, "learning_rate": 0.003}}],
        "students": STUDENTS,
        "search": {"space": SPACE, "evaluate": []},
        "training": {"epochs": 1, "batch_size": 16, "max_length": 16},
        "speed": {"rows": 16, "batch_size": 8, "rounds": 2},
        **changes,
    }
    file = folder / "shapes.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_study_of_shapes(kdstudy, ray_address: str, tiny_model: Path, tmp_path: Path) -> None:
    code, output = run(
        "launch", study_file(tiny_model, tmp_path), "--workers", 2, "--address", ray_address, folder=tmp_path
    )
    assert code == 0, output
    assert "samples per second on classification: tiny " in output

    workspace = Workspace(tmp_path / "runs" / "shapes")
    ledger = Ledger(workspace.ledger)
    records = ledger.refresh()
    assert {record.status for record in records} == {Status.COMPLETED}
    trials = [record for record in records if isinstance(record, TrialRecord)]
    assert {record.triple_id for record in trials} == {
        f"tiny/{student['name']}/{task}" for student in STUDENTS for task in ("classification", "regression")
    }
    assert all(record.configuration.hidden_weight == THIRD for record in trials)
    for record in trials:
        kept = pyarrow.parquet.read_table(workspace.predictions(record.record_id))
        assert kept.num_rows == 32

    # Response times: of all models, after all else
    speeds = [record for record in records if isinstance(record, SpeedRecord)]
    assert {record.task.dataset.name for record in speeds} == {"classification", "regression"}
    assert all([m.name for m in record.models] == ["tiny", "2L", "2AH", "16D", "2L_16D"] for record in speeds)
    latest = max(record.run.finished_at for record in trials)
    assert all(record.run.started_at >= latest for record in speeds)

    # Nothing is left to do; the report is written
    code, output = kdstudy("launch", tmp_path / "shapes.yaml")
    assert (code, len(Ledger(workspace.ledger).refresh())) == (0, len(records)), output
    code, output = kdstudy("report", workspace.root)
    assert code == 0, output


def test_plan_prints_shapes_and_layers(kdstudy, tiny_model: Path, tmp_path: Path) -> None:
    file = study_file(tiny_model, tmp_path)
    code, output = kdstudy("plan", file, "--json")
    assert code == 0, output
    plan = json.loads(output)
    assert plan["most"] == 1
    assert plan["students"]["2AH"].startswith("4 layers, 2 heads, width 32, 0.0 million parameters, init sliced")
    assert plan["students"]["2L_16D"].startswith("2 layers, 4 heads, width 16")
    assert plan["students"]["2L_16D"].endswith("init random")
    assert plan["layer_maps"]["2L of tiny"] == "1-1, 2-4"
    code, output = kdstudy("plan", file)
    assert "2L of tiny: 1-1, 2-4" in output


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"search": {"space": SPACE | {"internals": {"hidden_weight": THIRD, "layer_map": "paper_b"}}}},
            "search.space.internals.layer_map = 'paper_b': exists for 3, 6, 9 of 12 layers, not for 2 of 4",
        ),
        (
            {"students": [{"name": "3AH", "from": "tiny", "heads": 3}]},
            "students.3AH.heads = 3: a width of 32 cannot be divided among 3 heads",
        ),
        (
            {"students": [{"name": "wide", "from": "tiny", "hidden_size": 64, "init": "sliced"}]},
            "students.wide.hidden_size = 64: ",
        ),
    ],
)
def test_shapes_and_maps_that_cannot_be_are_refused(changes, message, tiny_model, tmp_path):
    faults = [str(fault) for fault in check_study(load_study(study_file(tiny_model, tmp_path, **changes))).faults]
    assert any(message in fault for fault in faults), faults
