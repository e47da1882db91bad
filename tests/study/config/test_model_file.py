"""`kdstudy make-model`: a folder that a study names as a teacher's model, or one clear error and nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from made_tasks import made_dataset

import study as study_package
from search_spaces.faults import InputError
from study.checks.study_checks import check_study
from study.config.model_file import load_model_spec
from study.config.study_file import load_study
from trials.specs.dataset import TaskName

Command = Callable[..., tuple[int, str]]
MODEL_FILES = sorted((Path(study_package.__file__).parent / "files" / "models").glob("*.yaml"))
STACK = {"layers": 2, "attention_heads": 2, "ffn_dim": 32}
CONFIG = {f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in STACK.items()}


@pytest.fixture
def make_model(kdstudy: Command) -> Command:
    """Runs the command in this process: exit code, and all that it printed."""
    return lambda *arguments: kdstudy("make-model", *arguments)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the specification of a tiny Marian; keywords replace its keys, None removes them."""
    made_dataset(TaskName.TRANSLATION, tmp_path / "data")

    def write(**changes: Any) -> Path:
        values = {
            "architecture": "marian",
            "config": {**CONFIG, "d_model": 16},
            "tokenizer": {"vocabulary": 400},
            "data": {"task": "translation", "path": "data", "languages": ["xx", "yy"]},
            "seed": 13,
            **changes,
        }
        kept = {key: value for key, value in values.items() if value is not None}
        (tmp_path / "spec.yaml").write_text(yaml.safe_dump(kept))
        return tmp_path / "spec.yaml"

    return write


def refused(outcome: tuple[int, str], *parts: str) -> None:
    """Exit code 2, every part in the message, and no traceback."""
    code, output = outcome
    assert code == 2, output
    assert "Traceback" not in output
    for part in parts:
        assert part in output, output


def faults(path: Path) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        load_model_spec(path)
    assert {found.where for found in caught.value.faults} == {str(path)}
    return {found.key: found.message for found in caught.value.faults}


def test_model_is_made_and_a_study_takes_it(make_model, write, tmp_path):
    code, output = make_model(write(), "-o", "models/tiny")
    assert code == 0, output
    assert output.startswith("model: models/tiny: marian, ")
    assert "(the texts do not yield 400)" in output
    # the folder alone is there, with nothing half made beside it
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["tiny"]
    values = {
        "name": "translated",
        "datasets": [{"name": "made", "task": "translation", "path": "data", "languages": ["xx", "yy"]}],
        "teachers": [{"name": "tiny", "model": "models/tiny"}],
        "students": [{"name": "1L", "from": "tiny", "layers": 1}],
        "search": {"space": "demo"},
        "training": {"max_length": 16},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(values))
    assert check_study(load_study(tmp_path / "study.yaml")).faults == []


def test_paths_start_at_the_specification(write, tmp_path, monkeypatch):
    path = write()
    monkeypatch.chdir("/")
    assert load_model_spec(path).data.path == str(tmp_path / "data")


def test_presets_are_taken_as_in_a_study(write):
    spec = load_model_spec(write(architecture="bert", config=None, data={"preset": "sst2", "path": "data"}))
    assert (spec.data.name, spec.data.task) == ("sst2", "classification")
    assert load_model_spec(write(architecture="bert", config=None, data="sst2")).data.hub is not None


def test_faults_come_all_at_once_with_file_key_and_nearest_match(make_model, write, tmp_path):
    path = write(
        config={"d_modl": 16, "encoder_layers": "two", "vocab_size": 9},
        tokenizer={"kind": "bpee", "vocabulary": 2},
        data={"preset": "sst22"},
        sead=1,
    )
    assert set(faults(path)) == {
        "config.d_modl",
        "config.encoder_layers",
        "config.vocab_size",
        "tokenizer.kind",
        "tokenizer.vocabulary",
        "data.preset",
        "sead",
    }
    refused(
        make_model(path, "-o", "made"),
        f"error: {path}: config.d_modl = 16: unknown key; did you mean 'd_model'? known: ",
        f"error: {path}: sead = 1: unknown key; did you mean 'seed'? known: architecture, config, data, ",
        f"error: {path}: data.preset = 'sst22': no such preset; did you mean 'sst2'? known: ",
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"architecture": None}, "architecture", "is required"),
        ({"architecture": ["bert"]}, "architecture", "must be a valid string"),
        ({"architecture": "brt"}, "architecture", "no such model type; did you mean 'bert'?"),
        ({"config": [1]}, "config", "must be a mapping"),
        ({"config": {**CONFIG, "d_model": 17}}, "config", "cannot build a marian model from it: "),
        ({"data": None}, "data", "is required"),
        ({"data": {"task": "translation", "path": "data", "txt": "x"}}, "data.txt", "did you mean 'text'?"),
        ({"data": {"task": "translation"}}, "data", "give exactly one of path, hub and embedded"),
        ({"data": 7}, "data", "must be a preset's name or a mapping"),
        ({"tokenizer": {"kind": "wordpiece"}}, "tokenizer.kind", "use bpe or unigram"),
        ({"seed": "many"}, "seed", "must be a valid integer"),
    ],
)
def test_single_fault_is_one_message(write, changes, key, message):
    found = faults(write(**changes))
    assert list(found) == [key]
    assert message in found[key]


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"data": {"task": "translation", "path": "none"}}, ["none: data.path: no such folder"]),
        ({"data": {"task": "translation", "path": "data"}}, ["data.languages: is required"]),
        ({"data": {"task": "classification", "path": "data"}}, ["data.text = 'text'", "data.label = 'label'"]),
        ({"tokenizer": {"vocabulary": 50}}, ["tokenizer.vocabulary = 50", "characters alone need 259"]),
    ],
    ids=["folder", "languages", "columns", "vocabulary"],
)
def test_faults_of_the_data_name_the_specifications_keys(make_model, write, tmp_path, changes, parts):
    refused(make_model(write(**changes), "-o", "made"), *parts)
    assert not [path for path in tmp_path.iterdir() if "made" in path.name]


def test_folder_that_is_there_is_left_alone(make_model, write, tmp_path):
    (tmp_path / "made").mkdir()
    refused(make_model(write(), "-o", "made"), "command line: --output = 'made': already exists")
    assert list((tmp_path / "made").iterdir()) == []


def test_folder_that_cannot_be_written_is_one_clear_error(make_model, write, tmp_path):
    (tmp_path / "file").write_text("")
    refused(make_model(write(), "-o", "file/made"), "command line: --output = 'file/made': cannot be written: ")


def test_missing_specification(make_model):
    refused(make_model("none.yaml", "-o", "made"), "none.yaml: (file): no such file")


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.name)
def test_our_own_model_files_load_and_open_with_a_runbook(path):
    assert load_model_spec(path).data.path
    header = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
    assert path.read_text().startswith(header)
    assert f"kdstudy make-model study/files/models/{path.name} -o " in header
