"""What a preflight remembers: equal files are not read again, a changed one is always seen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from study.checks import compatibility, study_checks
from study.checks.check_cache import CheckCache
from study.checks.study_checks import StudyFindings, check_study
from study.config.study_file import load_study


def check(file: Path, memory: Path) -> StudyFindings:
    """A preflight as a launch makes it."""
    findings = CheckCache(memory)
    found = check_study(load_study(file), cache=findings)
    if not found.faults:
        findings.save()
    return found


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was really looked at."""
    looked: list[str] = []
    _count(monkeypatch, study_checks, "load_dataset_splits", looked)
    _count(monkeypatch, compatibility, "load_tokenizer", looked)
    return looked


def _count(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, looked: list[str]) -> None:
    real = getattr(module, name)

    def counted(argument: object) -> object:
        looked.append(name)
        return real(argument)

    monkeypatch.setattr(module, name, counted)


def test_second_preflight_finds_the_same_without_reading(tiny_study, tmp_path, forgetful):
    first = check(tiny_study(), tmp_path / "memory.json")
    assert forgetful == ["load_dataset_splits", "load_tokenizer"]
    second = check(tiny_study(), tmp_path / "memory.json")
    assert len(forgetful) == 2
    assert (second.data, second.fingerprints, second.models) == (first.data, first.fingerprints, first.models)


def test_changed_data_are_seen_even_at_equal_size_and_time(tiny_study, tiny_data, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for file in tiny_data.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    dataset = {"name": "words", "task": "classification", "path": str(folder), "labels": ["bad", "good"]}
    study_file = tiny_study(datasets=[dataset])
    before = check(study_file, tmp_path / "memory.json")
    train = folder / "train.jsonl"
    state = train.stat()
    train.write_text(train.read_text().replace("film", "mlif"))
    os.utime(train, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = check(study_file, tmp_path / "memory.json")
    assert after.fingerprints.data != before.fingerprints.data
    assert after.fingerprints.models == before.fingerprints.models
    # and so is a file that is gone
    train.unlink()
    assert "no such split" in str(check(study_file, tmp_path / "memory.json").faults[0])


def test_changed_columns_or_labels_are_seen(tiny_study, tiny_data, tmp_path):
    check(tiny_study(), tmp_path / "memory.json")
    dataset = {"name": "words", "task": "classification", "path": str(tiny_data), "labels": ["bad", "good"]}
    found = check(tiny_study(datasets=[{**dataset, "text": "texts"}]), tmp_path / "memory.json")
    assert "no such column" in str(found.faults[0])
    found = check(tiny_study(datasets=[{**dataset, "labels": ["good", "bad"]}]), tmp_path / "memory.json")
    assert found.data["words"].label_names == ("good", "bad")


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"torn": '])
def test_memory_that_cannot_be_read_is_forgotten(tiny_study, tmp_path, forgetful, content):
    (tmp_path / "memory.json").write_text(content)
    assert not check(tiny_study(), tmp_path / "memory.json").faults
    assert len(forgetful) == 2


def test_memory_keeps_only_what_was_asked_for(tmp_path):
    file = tmp_path / "cache" / "memory.json"
    for keys in ("ab", "bc"):
        memory = CheckCache(file)
        assert [memory.cached(key, lambda key=key: [key]) for key in keys] == [[key] for key in keys]
        memory.save()
    assert json.loads(file.read_text()) == {"b": ["b"], "c": ["c"]}
    # what went wrong is looked at again
    memory = CheckCache(file)
    with pytest.raises(ZeroDivisionError):
        memory.cached("d", lambda: 1 / 0)
    assert memory.cached("d", lambda: 1) == 1
