"""A study of paper D, launched for real: recurrent students, a transfer set, an adapted teacher, stages, the report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from launching import run

from study.ledger.record_files import Ledger
from trials.specs.records import SpeedRecord, Status, TeacherRecord, TrialRecord
from trials.storage.workspace import Workspace

SPACE = {
    "preset": "paper_d",
    "learning_rates": [0.02],
    "internals": {"layer_epochs": 1},
    "transfer": {"representation_weight": 10, "optimizer": "adam"},
}
VECTORS = "bright 1 2 3\ndark -1 -2 -3\n"


def study_file(model: Path, data: Path, folder: Path) -> Path:
    (folder / "vectors.txt").write_text(VECTORS)
    recurrent = {"hidden_size": 8, "embeddings": "vectors.txt"}
    values = {
        "name": "d",
        "datasets": [
            {"name": "few", "task": "classification", "path": str(data), "labels": ["bad", "good"]}
            | {"labelled": {"per_class": 12}},
        ],
        "teachers": [
            {"name": "tiny", "model": str(model), "adapt": {"epochs": 1}}
            | {"training": {"epochs": 4, "learning_rate": 0.003, "decay": True, "warmup_fraction": 0.1}}
        ],
        "students": [
            {"name": "bilstm", "architecture": "bilstm", **recurrent},
            {"name": "rnn", "architecture": "rnn", "distil": False, **recurrent},
        ],
        "search": {"strategy": "experiments", "space": SPACE},
        "training": {"epochs": 5, "batch_size": 16, "max_length": 16, "decay": False, "warmup_fraction": 0},
        "speed": {"rounds": 2, "rows": 16, "batch_size": 8},
    }
    file = folder / "d.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_study_of_recurrent_students(
    kdstudy, ray_address: str, tiny_masked_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    file = study_file(tiny_masked_model, tiny_data, tmp_path)
    code, output = kdstudy("plan", file)
    assert code == 0, output
    assert re.search(r"trials in all +6\b", output)
    assert "distil_once" in output

    code, output = run("launch", file, "--workers", 2, "--address", ray_address, folder=tmp_path)
    assert code == 0, output

    workspace = Workspace(tmp_path / "runs" / "d")
    ledger = Ledger(workspace.ledger)
    ledger.refresh()
    by_student = {
        name: [record for record in ledger.trials if record.spec.triple.student.name == name]
        for name in ("bilstm", "rnn")
    }
    assert [len(records) for records in by_student.values()] == [5, 1]
    assert {record.status for record in ledger.trials} == {Status.COMPLETED}
    assert not by_student["rnn"][0].configuration.uses_teacher
    (teacher,) = (record for record in ledger.records.values() if isinstance(record, TeacherRecord))
    assert (teacher.rows["train"], teacher.rows["unlabeled"]) == (24, 72)
    (speed,) = (record for record in ledger.records.values() if isinstance(record, SpeedRecord))
    assert [model.name for model in speed.models] == ["tiny", "bilstm", "rnn"]

    code, output = kdstudy("report", workspace.root)
    assert code == 0, output

    choice = ("--triple", "tiny/bilstm/few", "--experiment", "staged")
    code, output = kdstudy("export", workspace.root, *choice, "-o", tmp_path / "student")
    assert code == 0, output
    (staged,) = (record for record in by_student["bilstm"] if record.configuration.schedule == "staged")
    assert f"test score {staged.test_score:.4f}; in the study {staged.test_score:.4f}" in output
    runs_without_kdstudy(tmp_path / "student", workspace, staged)
    code, output = kdstudy("export", workspace.root, *choice, "-o", tmp_path / "student")
    assert code == 2
    assert "already exists" in output


def runs_without_kdstudy(folder: Path, workspace: Workspace, record: TrialRecord) -> None:
    """What an exported student says of the test texts by its own program is what its trial answered."""
    names = record.spec.triple.dataset.labels or ()
    lines = (Path(record.spec.triple.dataset.path or "") / "test.jsonl").read_text().splitlines()
    program = [sys.executable, "-I", str(folder / "run_student.py"), *(json.loads(line)["text"] for line in lines)]
    said = subprocess.run(program, cwd=folder.parent, capture_output=True, text=True, check=True, timeout=120).stdout
    answers = pq.read_table(workspace.predictions(record.spec.trial_id)).column(0).to_pylist()
    assert [line.split("\t")[0] for line in said.splitlines()] == [names[answer] for answer in answers]
    assert "run_student.py" in (folder / "README.md").read_text()


def test_all_that_cannot_be_is_said_at_once(kdstudy, tiny_model: Path, tiny_data: Path, tmp_path: Path) -> None:
    file = study_file(tiny_model, tiny_data, tmp_path)
    values = yaml.safe_load(file.read_text())
    values["training"]["epochs"] = 3
    values["students"][0]["embeddings"] = "nowhere.txt"
    values["students"].append({"name": "2L", "from": "tiny", "layers": 2})
    file.write_text(yaml.safe_dump(values))
    code, output = kdstudy("doctor", file)
    assert code == 2
    found = " ".join(output.split())
    assert "teachers.tiny.adapt" in found  # its tokenizer has no mask
    assert "students.bilstm.embeddings = 'nowhere.txt'" in found
    assert "students.2L.architecture = 'transformer': schedule staged is for recurrent students" in found
    assert "training.epochs = 3" in found
    assert "Traceback" not in output
