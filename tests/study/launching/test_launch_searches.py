"""A grid, launched for real; then other searches over its records, and all of them side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from launching import run

from study.ledger.record_files import Ledger

SPACE = {
    "name": "tiny",
    "choices": {"distance": ["ce", "mse"]},
    "soft_label_weight": {"default": 1.0, "then": [0.5]},
    "learning_rates": [0.003],
    "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 0, "default": 1},
}
SEARCHES = {
    "greedy": {"strategy": "greedy", "evaluate": []},
    "random": {"strategy": "random", "trials": 3},
    "optuna": {"strategy": "optuna", "trials": 3, "batch": 2},
}
STUDENTS = [{"name": "1L", "from": "tiny", "layers": 1}]


def test_grid_and_searches_over_its_records(kdstudy, ray_address: str, tiny_study, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    file = tiny_study(name="grid", students=STUDENTS, search={"strategy": "grid", "space": SPACE})
    code, output = run("launch", file, "--workers", 2, "--address", ray_address, folder=tmp_path)
    assert code == 0, output
    ledger = Ledger(runs / "grid" / "ledger")
    ledger.refresh()
    assert len(ledger.trials) == 2 * (2 + 1)  # weights; two temperatures of CE, one of MSE
    for name, search in SEARCHES.items():
        for part in ("ledger", "teachers"):
            shutil.copytree(runs / "grid" / part, runs / name / part)
        file = tiny_study(name=name, students=STUDENTS, search={**search, "space": SPACE})
        code, output = kdstudy("launch", file)
        # the grid has all that they ask for: nothing is run, and nothing added
        assert code == 0, output
        assert "finished" in output
        assert len(list((runs / name / "ledger").iterdir())) == 7
    code, output = kdstudy("compare", *(runs / name for name in (*SEARCHES, "grid")), "--json")
    assert code == 0, output
    found = {row["study"]: row for row in json.loads(output)}
    assert found["grid"]["regret"] == 0
    assert all(row["regret"] >= 0 and row["same_teachers"] for row in found.values())
    assert [found[name]["trials"] for name in ("random", "optuna", "grid")] == [3, 3, 6]
    # hours are those of the trials asked for, and of no others in the copied ledger
    assert found["random"]["hours"] < found["grid"]["hours"]
