"""Uses the toys of all recipes for real, in a copy of the code that has them. Prints what came of it as JSON."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import FILLER, WORDS, make_tiny_model
from simulation import make_search, make_study, run_study
from tiny import Tiny, prepare

import trials
from analysis.report import write_report
from search_spaces import InputError, SearchSpace
from study.config import load_study
from study.planning import make_plan
from study.search import describe_progress
from trials.losses import soft_label_loss
from trials.specs import DatasetSpec, StudentSpec, TrialRecord
from trials.teachers import Teacher

FOLDER, CPU = Path(sys.argv[1]), torch.device("cpu")
SPACE: dict[str, Any] = {
    "name": "small",
    "choices": {"distance": ["ce", "mae"]},
    "soft_label_weight": {"default": 1.0, "then": [0.5]},
    "learning_rates": [1e-4, 3e-4],
    "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 0, "default": 1},
}


def rated(folder: Path) -> DatasetSpec:
    """Texts of three good or bad words each, rated by the number of good ones."""
    draw = random.Random(13)
    folder.mkdir()
    for split, rows in (("train", 64), ("validation", 16), ("test", 16)):
        lines = []
        for _ in range(rows):
            stars = draw.randint(0, 3)
            words = draw.choices(WORDS["good"], k=stars) + draw.choices(WORDS["bad"], k=3 - stars)
            lines.append(json.dumps({"text": " ".join([*words, draw.choice(FILLER)]), "stars": stars}))
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    return DatasetSpec.model_validate({"name": "rated", "task": "rating", "path": str(folder)})


def trained(tiny: Tiny, **changes: Any) -> TrialRecord:
    """A trial of one epoch."""
    spec = tiny.trial(**changes)
    record = tiny.run(spec.model_copy(update={"training": spec.training.model_copy(update={"epochs": 1})}))
    assert record.status.has_scores, record.reason
    return record


def fault_of(key: str, value: str) -> str:
    """What is said of a study file with a wrong value."""
    values: dict[str, Any] = {
        "name": "wrong",
        "datasets": [{"name": "data", "task": "rating", "path": "data"}],
        "teachers": [{"name": "teacher", "model": "model"}],
        "students": [{"name": "bag", "architecture": "bag_of_words"}],
        "search": {"strategy": "every_other", "space": SPACE},
    }
    section: Any = values
    *path, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
    for part in path:
        section = section[part]
    section[last] = value
    file = FOLDER / "wrong.yaml"
    file.write_text(json.dumps(values))
    try:
        load_study(file, find_models=False)
    except InputError as error:
        return str(error)
    return ""


def main() -> None:
    """Use each toy."""
    found: dict[str, Any] = {"code": str(Path(trials.__file__).parents[1])}
    zeros, other = torch.zeros(1, 2), torch.tensor([[1.0, 3.0]])
    found["distance"] = float(
        soft_label_loss(zeros, other, distance="mae", student_temperature=1, teacher_temperature=1)
    )
    dataset = rated(FOLDER / "rated")
    model = make_tiny_model(FOLDER / "model")
    tiny = prepare(model, FOLDER / "rated", FOLDER / "study", dataset=dataset)
    by_default = trained(tiny)
    by_toy = trained(tiny, distance=type(by_default.configuration.distance)("mae"), soft_label_weight=1.0)
    found["task_scores"] = by_default.test_scores
    found["losses"] = [record.curve[0].train_loss for record in (by_default, by_toy)]
    bag = StudentSpec.model_validate(
        {"name": "bag", "from": "tiny", "architecture": "bag_of_words", "embedding_size": 8}
    )
    found["student_parameters"] = trained(tiny, student=bag).num_parameters

    fingerprint = tiny.teacher.selected("highest_score").fingerprint or ""
    teacher = Teacher.open(fingerprint, dataset, tiny.task.data_fingerprint, tiny.workspace)
    outputs = np.sort(teacher.outputs("test", CPU).values, axis=1)
    margins = teacher.arrays("margins", "test", CPU)["margins"]
    found["margins_differ_by"] = float(np.abs(margins - (outputs[:, -1] - outputs[:, -2])).max())

    study = make_study(
        datasets=1, students=1, search={"strategy": "every_other", "space": SearchSpace.model_validate(SPACE)}
    )
    records = run_study(study)
    search = make_search(study, records[:3])
    found["trials"] = sum(isinstance(record, TrialRecord) for record in records)
    found["planned"] = make_plan(study).most
    found["progress"] = describe_progress(search.triples["teacher/2L/data0"])
    found["finished"] = make_search(study, records).finished
    found["grid"] = len(study.space.grid())
    write_report(study, records, (), FOLDER / "report", formats=("html",))

    wrong = ("datasets.0.task", "ratings"), ("search.strategy", "every_othr"), ("students.0.architecture", "bag")
    found["faults"] = [fault_of(*each) for each in (*wrong, ("search.space.choices.distance.1", "mea"))]
    print(json.dumps(found))  # noqa: T201 - it is what the test reads


main()
