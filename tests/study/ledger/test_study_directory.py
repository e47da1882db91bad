"""Going on with a study: extensions are taken, another study's file is refused with each difference named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from search_spaces.faults import InputError
from study.config.study_file import Study, load_study
from study.ledger.study_directory import open_study, save_study_file
from trials.storage.workspace import Workspace

STUDY = """
name: kept
datasets:
  - {name: one, task: classification, path: data/one}
  - {name: two, task: classification, path: data/two, metric: f1_macro}
teachers:
  - {name: big, model: some/model, training: {epochs: 2, early_stopping: null}}
students:
  - {name: 3L, from: big, layers: 3}
search: {space: demo}
training: {epochs: 3}
seeds: [13]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "runs" / "kept")


def load(folder: Path, text: str = STUDY, file: str = "study.yaml") -> Study:
    (folder / file).write_text(text)
    return load_study(folder / file)


def replaced(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


def refused(study: Study, workspace: Workspace) -> dict[str, str]:
    before = workspace.study_file.read_bytes()
    with pytest.raises(InputError) as caught:
        save_study_file(study, workspace)
    assert workspace.study_file.read_bytes() == before
    return {fault.key: fault.message for fault in caught.value.faults}


def test_claim_of_a_new_directory_keeps_the_study(tmp_path: Path, workspace: Workspace) -> None:
    study = load(tmp_path)
    save_study_file(study, workspace)
    kept = load_study(workspace.study_file)
    assert kept.config == study.config
    # nothing but the file
    assert [path.name for path in workspace.root.iterdir()] == ["study.yaml"]


def test_claim_by_the_same_study(tmp_path: Path, workspace: Workspace) -> None:
    save_study_file(load(tmp_path), workspace)
    before = workspace.study_file.read_bytes()
    save_study_file(load(tmp_path), workspace)
    save_study_file(load_study(workspace.study_file), workspace)  # `kdstudy resume`
    assert workspace.study_file.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds: [13]", "seeds: [13, 14]"),
        ("space: demo", "space: paper_a"),
        ("space: demo", "space: demo, evaluate: [lazy]"),
        ("students:\n", "students:\n  - {name: 2L, from: big, layers: 2}\n"),
        ("teachers:\n", "teachers:\n  - {name: other, model: other/model}\n"),
        ("datasets:\n", "datasets:\n  - {name: three, task: classification, path: data/three}\n"),
        ("seeds: [13]", "triples: [[big, 3L, one]]"),
        ("seeds: [13]", "resources: {cpu: 2}\ncheckpoint_seconds: 60"),
    ],
)
def test_claim_takes_an_extension(tmp_path: Path, workspace: Workspace, old: str, new: str) -> None:
    save_study_file(load(tmp_path), workspace)
    extended = load(tmp_path, replaced(old, new))
    save_study_file(extended, workspace)
    assert load_study(workspace.study_file).config == extended.config


def test_claim_lets_things_lie_elsewhere(tmp_path: Path, workspace: Workspace) -> None:
    # records are matched by content: where data and models lie is no part of a study
    save_study_file(load(tmp_path), workspace)
    save_study_file(load(tmp_path, replaced("path: data/one", "path: elsewhere/one")), workspace)
    save_study_file(load(tmp_path, replaced("some/model", "a-copy/model")), workspace)


def test_claim_refuses_another_recipe(tmp_path: Path, workspace: Workspace) -> None:
    save_study_file(load(tmp_path), workspace)
    found = refused(
        load(tmp_path, replaced("training: {epochs: 3}", "training: {epochs: 4, batch_size: 8}")), workspace
    )
    # each difference by its key, with what it was
    assert set(found) == {"training.epochs", "training.batch_size"}
    assert "was 3.0 when" in found["training.epochs"]
    assert "was 32 when" in found["training.batch_size"]
    assert str(workspace.root) in found["training.epochs"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("layers: 3", "layers: 2", "students.3L.layers"),
        ("layers: 3", "layers: 3, init: last", "students.3L.init"),
        ("epochs: 2", "epochs: 5", "teachers.big.training"),
        ("some/model", "some/model, seed: 14", "teachers.big.seed"),
        ("f1_macro", "accuracy", "datasets.two.metric"),
        ("path: data/one", "path: data/one, examples: {train: 100}", "datasets.one.examples"),
    ],
)
def test_claim_refuses_a_name_that_means_another_thing(
    tmp_path: Path, workspace: Workspace, old: str, new: str, key: str
) -> None:
    save_study_file(load(tmp_path), workspace)
    assert set(refused(load(tmp_path, replaced(old, new)), workspace)) == {key}


def test_claim_names_differences_of_all_parts_at_once(tmp_path: Path, workspace: Workspace) -> None:
    save_study_file(load(tmp_path), workspace)
    text = replaced("layers: 3", "layers: 2").replace("epochs: 3", "epochs: 9").replace("f1_macro", "f1")
    assert set(refused(load(tmp_path, text), workspace)) == {
        "training.epochs",
        "students.3L.layers",
        "datasets.two.metric",
    }


def test_claim_by_a_smaller_study_remembers_nothing_wrong(tmp_path: Path, workspace: Workspace) -> None:
    save_study_file(load(tmp_path), workspace)
    smaller = yaml.safe_load(STUDY)
    del smaller["datasets"][0]
    save_study_file(load(tmp_path, yaml.safe_dump(smaller)), workspace)
    assert [d.name for d in load_study(workspace.study_file).config.datasets] == ["two"]


def test_open_study_by_file_or_by_directory(tmp_path: Path, workspace: Workspace) -> None:
    study = load(tmp_path)
    assert open_study(tmp_path / "study.yaml") == (study, None)
    save_study_file(study, workspace)
    opened, place = open_study(workspace.root)
    assert opened.config == study.config
    assert place == Workspace(workspace.root.resolve())


def test_open_study_of_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a study's directory: it holds no study\.yaml"):
        open_study(tmp_path)


def test_open_study_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_study(tmp_path / "gone.yaml")


def test_open_study_of_a_faulty_file(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(replaced("layers: 3", "layer: 3"))
    with pytest.raises(InputError, match="did you mean 'layers'"):
        open_study(tmp_path / "study.yaml")
