"""A study of named configurations, launched for real: experiments, attention maps, stages, and the report on them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from launching import run
from made_tasks import made_dataset
from transformers import AutoModel

from study.config.study_file import load_study
from study.ledger.record_files import Ledger
from study.planning.model_sizes import HEAP_GAPS, attention_memory
from study.planning.study_plan import make_plan
from trials.specs.dataset import TaskName
from trials.specs.records import Status
from trials.specs.trial import Precision, TrainingRecipe
from trials.storage.workspace import Workspace
from trials.teachers.attention_examples import ExampleAttention

SPACE = {"preset": "internal", "learning_rates": [0.003], "internals": {"layer_map": "uniform", "layer_epochs": 1}}


def study_file(model: Path, folder: Path, **changes: object) -> Path:
    dataset = made_dataset(TaskName.CLASSIFICATION, folder / "data").model_dump(mode="json", exclude_none=True)
    values = {
        "name": "experiments",
        "datasets": [dataset | {"name": "words"}],
        "teachers": [{"name": "tiny", "model": str(model), "training": {"epochs": 4, "learning_rate": 0.003}}],
        "students": [{"name": "2L", "from": "tiny", "layers": 2}],
        "search": {"strategy": "experiments", "space": SPACE},
        "training": {"epochs": 3, "batch_size": 16, "max_length": 16},
        **changes,
    }
    file = folder / "experiments.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_study_of_experiments(kdstudy, ray_address: str, tiny_model: Path, tmp_path: Path) -> None:
    file = study_file(tiny_model, tmp_path)
    code, output = run("launch", file, "--workers", 2, "--address", ray_address, folder=tmp_path)
    assert code == 0, output
    assert "9 experiments" in output or "finished" in output

    workspace = Workspace(tmp_path / "runs" / "experiments")
    ledger = Ledger(workspace.ledger)
    ledger.refresh()
    assert len(ledger.trials) == 9
    assert {record.status for record in ledger.trials} == {Status.COMPLETED}
    staged = [record for record in ledger.trials if record.configuration.schedule != "joint"]
    assert {tuple(point.stage for point in record.curve) for record in staged} == {(1, 2, 3)}
    assert list(workspace.root.glob("cache/**/maps.npy"))
    assert all(ExampleAttention.read(workspace.attention(record.record_id)) for record in ledger.trials)

    code, output = kdstudy("report", workspace.root)
    assert code == 0, output
    page = (workspace.root / "report" / "report.html").read_text()
    assert "Which experiment is better than the first?" in page
    assert all(f"exp3.{number}" in page for number in range(7))
    assert "Do students attend to what their teacher attends to?" in page


def test_plan_prints_experiments_stages_and_maps(kdstudy, tiny_model: Path, tmp_path: Path) -> None:
    file = study_file(tiny_model, tmp_path)
    code, output = kdstudy("plan", file)
    assert code == 0, output
    assert "exp2.0, exp1.1, exp3.0" in output
    assert (
        "exp3.4: 2L of tiny: 1. layers 1-2: 1 epoch at most; 2. layers 1-2, 2-4: 1 epoch at most; 3. labels" in output
    )
    assert "attention maps" in output
    code, output = kdstudy("plan", file, "--json")
    assert json.loads(output)["most"] == 9


def test_planned_memory_has_the_teacher_whose_attention_is_compared(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(**changes: object) -> float:
        made = make_plan(load_study(study_file(tiny_model, tmp_path, **changes)))
        assert made.memory_gigabytes is not None
        return 1e9 * made.memory_gigabytes

    file = AutoModel.from_pretrained(tiny_model)
    encoder, words = (
        sum(each.numel() for each in file.encoder.parameters()),
        file.embeddings.word_embeddings.weight.numel(),
    )
    without = planned(search={"strategy": "experiments", "space": SPACE | {"experiments": [{"name": "soft"}]}})
    kept = planned()
    monkeypatch.setattr("study.planning.study_plan.is_caching_cheaper", lambda *_, **__: False)
    computed = planned()
    # Single precision, and what a heap leaves unused; biases and norms are not in the estimate
    copy = 4 * HEAP_GAPS[Precision.FP32] * (encoder + words)
    assert kept - without == pytest.approx(copy, rel=0.1)
    # Where it computes, a second copy, and the maps of two layers
    assert computed - kept > copy * 0.9
    recipe = TrainingRecipe(batch_size=16)
    longer = [attention_memory(file.config.to_dict(), recipe, tokens, 2, kept=False) for tokens in (64, 128)]
    heads = file.config.num_attention_heads
    maps = 2 * 24 * 2 * heads * (128**2 - 64**2)  # of half as many rows again, logarithms and probabilities
    assert longer[1] - longer[0] == pytest.approx(4 * HEAP_GAPS[recipe.precision] * maps)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"training": {"epochs": 2, "max_length": 16}},
            "training.epochs = 2.0: leaves no epoch for the last stage of tiny/2L/words",
        ),
        (
            {"students": [{"name": "2AH", "from": "tiny", "heads": 2, "init": "sliced"}]},
            "students.2AH.heads = 2: attention maps are compared head by head, but the teacher has 4 heads",
        ),
    ],
)
def test_students_that_cannot_learn_layers_are_refused(
    kdstudy, changes: dict[str, object], message: str, tiny_model: Path, tmp_path: Path
) -> None:
    code, output = kdstudy("doctor", study_file(tiny_model, tmp_path, **changes))
    assert code == 2
    assert message in output
