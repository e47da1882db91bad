"""One study of all tasks, launched for real: through the same search, caches, ledger and report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import yaml
from launching import run
from made_tasks import made_dataset

from study.ledger.record_files import Ledger
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.tasks.registry import task_of

SPACE = {
    "name": "small",
    "choices": {"distance": ["ce", "mse"]},
    "learning_rates": [0.003],
    "temperature": {"start": 1, "stop": 2, "num": 2, "fine": 0, "default": 2},
}


def entry(task: TaskName, folder: Path) -> dict[str, Any]:
    """A data set of the task, as a study file has it."""
    values = made_dataset(task, folder / task).model_dump(mode="json", exclude_none=True)
    training = {"sequence_level": True} if task is TaskName.TRANSLATION else {}
    return values | {"name": task.value, "training": training}


def test_study_of_all_tasks(kdstudy, ray_address: str, tiny_model: Path, tiny_translator: Path, tmp_path: Path) -> None:
    encoder_tasks = [task for task in TaskName if task is not TaskName.TRANSLATION]
    triples = [["encoder", "1L", task.value] for task in encoder_tasks] + [["translator", "1-1L", "translation"]]
    values = {
        "name": "all",
        "datasets": [entry(task, tmp_path) for task in TaskName],
        "teachers": [
            {"name": "encoder", "model": str(tiny_model), "training": {"epochs": 4, "learning_rate": 0.003}},
            {"name": "translator", "model": str(tiny_translator), "training": {"epochs": 6, "learning_rate": 0.003}},
        ],
        "students": [
            {"name": "1L", "from": "encoder", "layers": 1},
            {"name": "1-1L", "from": "translator", "encoder_layers": 1, "decoder_layers": 1},
        ],
        "triples": triples,
        "search": {"space": SPACE, "evaluate": []},
        "training": {"epochs": 1, "batch_size": 16, "max_length": 16},
    }
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump(values))
    code, output = run("launch", file, "--workers", 2, "--address", ray_address, folder=tmp_path)
    assert code == 0, output

    ledger = Ledger(tmp_path / "runs" / "all" / "ledger")
    ledger.refresh()
    assert [
        record.reason for record in (*ledger.teachers, *ledger.trials) if record.status is not Status.COMPLETED
    ] == []
    of_task = {task: [r for r in ledger.trials if r.spec.triple.dataset.task is task] for task in TaskName}
    # Both distances and both temperatures; of mse at equal temperatures all temperatures are one, of regression all is
    assert {task: len(found) for task, found in of_task.items()} == {
        task: 1 if task is TaskName.REGRESSION else 3 for task in TaskName
    }
    for found in of_task.values():
        assert all(set(record.test_scores) <= set(task_of(found[0].spec.triple.dataset).metrics) for record in found)

    code, output = kdstudy("report", tmp_path / "runs" / "all")
    assert code == 0, output
    with (tmp_path / "runs" / "all" / "report" / "tables" / "outcomes.csv").open() as lines:
        tasks = {row["task"]: float(row["best_test"]) for row in csv.DictReader(lines)}
    assert tasks.keys() == {task.value for task in TaskName}
