"""Loading a data set: sources agree, labels go by name, samples are stratified, and every fault says where it is."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from search_spaces.faults import InputError
from study.config.presets import expand_dataset
from trials.datasets.loading import load_dataset_splits, stratified_rows
from trials.readers.tables import SPLITS, source_digest
from trials.specs.dataset import DatasetSpec

MIRROR = Path(__file__).parents[3].parent / "shared" / "data" / "tiny"
ROWS = [("a fine film", "good"), ("a dull film", "bad"), ("fine, fine", "good"), ("dull, dull", "bad")]


def rows_of(labels: dict[str, Any] | None = None, rows: list[tuple[str, str]] = ROWS) -> list[dict[str, Any]]:
    return [{"text": text, "label": labels[label] if labels else label} for text, label in rows]


def write_parquet(file: Path, rows: list[dict[str, Any]], class_names: list[str] | None = None) -> None:
    table = pyarrow.Table.from_pylist(rows)
    if class_names:
        features = {"label": {"names": class_names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, file.with_suffix(".parquet"))


def write_jsonl(file: Path, rows: list[dict[str, Any]]) -> None:
    file.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_json(file: Path, rows: list[dict[str, Any]]) -> None:
    file.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def write_csv(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.with_suffix(".csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_arrow(file: Path, rows: list[dict[str, Any]], class_names: list[str] | None = None) -> None:
    write_parquet(file, rows, class_names)
    table = pyarrow.parquet.read_table(file.with_suffix(".parquet"))
    file.with_suffix(".parquet").unlink()
    with pyarrow.ipc.new_stream(file.with_suffix(".arrow"), table.schema) as stream:
        stream.write_table(table)


def write_feather(file: Path, rows: list[dict[str, Any]]) -> None:
    pyarrow.feather.write_feather(pyarrow.Table.from_pylist(rows), str(file.with_suffix(".feather")))


def write_tsv(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.with_suffix(".tsv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]), dialect="excel-tab")
        writer.writeheader()
        writer.writerows(rows)


def compressed(write, compress):
    """A writer whose file is compressed, as by its command on a shell."""

    def written(file: Path, rows: list[dict[str, Any]]) -> None:
        write(file, rows)
        (plain,) = (path for path in file.parent.glob(f"{file.name}.*") if path.suffix in (".csv", ".tsv", ".jsonl"))
        suffix = {gzip: ".gz", bz2: ".bz2", lzma: ".xz"}[compress]
        plain.with_name(plain.name + suffix).write_bytes(compress.compress(plain.read_bytes()))
        plain.unlink()

    written.__name__ = f"{write.__name__}_{compress.__name__}"
    return written


WRITERS = {
    "parquet": write_parquet,
    "arrow": write_arrow,
    "feather": write_feather,
    "jsonl": write_jsonl,
    "json": write_json,
    "csv": write_csv,
    "tsv": write_tsv,
    "csv.gz": compressed(write_csv, gzip),
    "tsv.bz2": compressed(write_tsv, bz2),
    "jsonl.xz": compressed(write_jsonl, lzma),
}


def write_splits(folder: Path, write=write_jsonl, **splits: list[dict[str, Any]]) -> Path:
    """A folder of three splits, of `rows_of()` where not given."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        write(folder / split, splits.get(split, rows_of()))
    return folder


def load(path: Path, **values: Any):
    return load_dataset_splits(DatasetSpec(name="films", task="classification", path=str(path), **values))


def validation_faults(path: Path, **values: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        load(path, **values)
    return [str(found) for found in error.value.faults]


def only_fault(path: Path, **values: Any) -> str:
    (message,) = validation_faults(path, **values)
    return message


# Sources


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_load_reads_every_format(tmp_path: Path, write) -> None:
    loaded = load(write_splits(tmp_path, write))
    assert loaded.label_names == ("bad", "good")  # sorted distinct strings of train
    assert loaded.splits["test"].texts == tuple(text for text, _ in ROWS)
    assert loaded.splits["train"].text_pairs is None
    assert loaded.splits["train"].labels.tolist() == [1, 0, 1, 0]
    assert loaded.splits["train"].labels.dtype == np.int64


def test_load_reads_folders_saved_by_datasets(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    split = datasets.Dataset.from_list(rows_of(), features=features)
    datasets.DatasetDict(dict.fromkeys(SPLITS, split)).save_to_disk(str(tmp_path / "all"))
    split.save_to_disk(str(tmp_path / "one"))
    loaded = load(tmp_path / "all")
    assert loaded.fingerprint == load(write_splits(tmp_path / "files")).fingerprint
    # a single saved data set is the train split; the others are carved from it
    one = load(tmp_path / "one", carve={"validation": {"rows": 1}, "test": {"rows": 1}})
    assert {split: len(examples) for split, examples in one.splits.items()} == dict.fromkeys(SPLITS, 1) | {"train": 2}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    """Answers `datasets.load_dataset` and remembers what it was asked."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    split = datasets.Dataset.from_list(rows_of(), features=features)
    hidden = datasets.Dataset.from_list([{"text": "a film", "label": -1}], features=features)
    asked: list[Any] = []

    def load_dataset(*names: Any, **options: Any) -> Any:
        asked.append((names, options))
        return datasets.DatasetDict({"train": split, "dev": split, "test": hidden})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


def hub_spec(**values: Any) -> DatasetSpec:
    return DatasetSpec(name="films", task="classification", hub="some/films", config="short", revision="v1", **values)


def test_load_asks_the_hub_for_config_and_revision_and_runs_no_code(hub) -> None:
    loaded = load_dataset_splits(hub_spec(splits={"test": "dev"}, carve={"validation": {"rows": 1}}))
    assert hub == [(("some/films", "short"), {"revision": "v1"})]
    assert loaded.label_names == ("bad", "good")
    assert [len(loaded.splits[split]) for split in SPLITS] == [3, 1, 4]


def test_load_says_that_a_split_is_unlabelled(hub) -> None:
    with pytest.raises(InputError) as error:
        load_dataset_splits(hub_spec(splits={"validation": "dev"}))
    assert str(error.value) == (
        "some/films (short), split test: datasets.films.label (label) = -1: "
        "1 of 1 rows are unlabelled; use another split, or carve one"
    )


def test_load_names_the_splits_of_the_hub(hub) -> None:
    with pytest.raises(InputError, match=r"splits\.validation = 'dew': no such split; did you mean 'dev'\?"):
        load_dataset_splits(hub_spec(splits={"validation": "dew", "test": "dev"}))


def test_load_reads_a_hub_repository_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = write_splits(tmp_path / "films")
    loaded = load_dataset_splits(DatasetSpec(name="films", task="classification", hub=str(folder)))
    assert loaded.fingerprint == load(folder).fingerprint


def test_load_says_that_the_hub_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: (_ for _ in ()).throw(ConnectionError("no network")))
    with pytest.raises(InputError, match=r"some/films \(short\): .*hub = 'some/films': cannot be loaded: no network"):
        load_dataset_splits(hub_spec())


# Labels


def test_labels_are_remapped_by_name_where_the_order_differs(tmp_path: Path) -> None:
    numbered = rows_of({"good": 0, "bad": 1})
    folder = write_splits(tmp_path, lambda file, rows: write_parquet(file, rows, ["good", "bad"]), train=numbered)
    for split in SPLITS:
        write_parquet(folder / split, numbered, ["good", "bad"])
    assert load(folder).splits["train"].labels.tolist() == [0, 1, 0, 1]
    loaded = load(folder, labels=["bad", "good"])
    assert loaded.label_names == ("bad", "good")
    assert loaded.splits["train"].labels.tolist() == [1, 0, 1, 0]
    # splits may differ in order among themselves too
    write_parquet(folder / "test", rows_of({"good": 1, "bad": 0}), ["bad", "good"])
    assert load(folder).splits["test"].labels.tolist() == [0, 1, 0, 1]


def test_labels_of_another_set_are_a_fault_that_names_both(tmp_path: Path) -> None:
    folder = tmp_path
    for split in SPLITS:
        write_parquet(folder / split, rows_of({"good": 0, "bad": 1}), ["pos", "neg"])
    messages = validation_faults(folder, labels=["good", "bad"])
    assert len(messages) == 3
    assert messages[0] == (
        f"{folder}/train.parquet: datasets.films.labels = ['good', 'bad']: "
        "the source's labels are pos, neg; the study's are good, bad"
    )


def test_labels_that_are_numbers_may_get_names(tmp_path: Path) -> None:
    for split in SPLITS:
        write_parquet(tmp_path / split, rows_of({"good": 1, "bad": 0}), ["0", "1"])
    assert load(tmp_path).label_names == ("0", "1")
    assert load(tmp_path, labels=["bad", "good"]).splits["train"].labels.tolist() == [1, 0, 1, 0]


def test_label_numbers_from_one_are_matched_by_their_digits(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, **dict.fromkeys(SPLITS, rows_of({"good": 2, "bad": 1})))
    assert load(folder, labels=["1", "2"]).splits["train"].labels.tolist() == [1, 0, 1, 0]


def test_label_numbers_need_names(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, write_csv, **dict.fromkeys(SPLITS, rows_of({"good": 1, "bad": 0})))
    assert only_fault(folder) == (
        f"{folder}/train.csv: datasets.films.labels: is required, for 'label' holds no names; they start with 1"
    )
    assert load(folder, labels=["bad", "good"]).splits["train"].labels.tolist() == [1, 0, 1, 0]


def test_unknown_label_is_a_fault(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, validation=rows_of({"good": "good", "bad": "goood"}))
    assert only_fault(folder) == (
        f"{folder}/validation.jsonl: datasets.films.label (label) = 'goood': "
        "unknown label in row 1; did you mean 'good'? known: bad, good"
    )


def test_label_number_out_of_range_is_a_fault(tmp_path: Path) -> None:
    numbered = rows_of({"good": 1, "bad": 0})
    folder = write_splits(tmp_path, train=numbered, validation=numbered, test=rows_of({"good": 1, "bad": 2}))
    assert only_fault(folder, labels=["bad", "good"]) == (
        f"{folder}/test.jsonl: datasets.films.label (label) = 2: unknown label in row 1; known: 0 'bad', 1 'good'"
    )


# Faults


def test_missing_folder_is_a_fault(tmp_path: Path) -> None:
    assert only_fault(tmp_path / "none") == f"{tmp_path}/none: datasets.films.path: no such folder"


def test_missing_split_is_a_fault_with_the_nearest_match(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    (folder / "validation.jsonl").rename(folder / "valid.jsonl")
    assert only_fault(folder) == (
        f"{folder}: datasets.films.splits.validation = 'validation': no such split (a file "
        "validation.parquet|.arrow|.feather|.csv|.tsv|.json|.jsonl); did you mean 'valid'? known: test, train, valid"
    )
    assert len(load(folder, splits={"validation": "valid"}).splits["validation"]) == 4


def test_two_files_for_one_split_are_a_fault(tmp_path: Path) -> None:
    write_csv(write_splits(tmp_path) / "train", rows_of())
    assert only_fault(tmp_path) == (
        f"{tmp_path}: datasets.films.path = 'train.jsonl': there is also train.csv; keep one of the two"
    )


def test_missing_column_is_one_fault_with_the_nearest_match(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    message = only_fault(folder, text="texts")
    assert message.endswith("datasets.films.text = 'texts': no such column; did you mean 'text'? known: label, text")
    assert all(f"{split}.jsonl" in message for split in SPLITS)


@pytest.mark.parametrize(("value", "shown"), [(None, "None"), (7, "7"), (["a"], "['a']")])
def test_missing_or_other_text_is_a_fault(tmp_path: Path, value: Any, shown: str) -> None:
    rows = rows_of()
    rows[2]["text"] = value
    assert only_fault(write_splits(tmp_path, test=rows)) == (
        f"{tmp_path}/test.jsonl: datasets.films.text = 'text': "
        f"1 of 4 texts are missing or no strings, first in row 2: {shown}"
    )


def test_empty_csv_cell_is_a_missing_text(tmp_path: Path) -> None:
    message = only_fault(write_splits(tmp_path, write_csv, train=[{"text": "", "label": "bad"}, *rows_of()]))
    assert "train.csv: datasets.films.text = 'text': 1 of 5 texts are missing" in message


def test_missing_label_is_a_fault(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, test=[*rows_of(), {"text": "a film", "label": None}])
    assert only_fault(folder) == f"{folder}/test.jsonl: datasets.films.label (label): 1 of 5 labels are missing"


def test_empty_split_is_a_fault(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, validation=[])
    assert only_fault(folder) == (
        f"{folder}/validation.jsonl: datasets.films.splits.validation = 'validation': the split is empty"
    )


def test_single_class_is_a_fault(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, train=rows_of({"good": "good", "bad": "good"}))
    assert only_fault(folder, labels=["bad", "good"]) == (
        f"{folder}: datasets.films.label = 'good': the train split has only one class: there is nothing to learn"
    )


def test_unreadable_files_are_faults(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"no parquet")
    (tmp_path / "validation.csv").write_text("text,label\na,b,c\n")
    (tmp_path / "test.jsonl").write_text('{"text": \n')
    messages = validation_faults(tmp_path)
    assert len(messages) == 3
    assert all("cannot be read: " in message for message in messages)
    assert "validation.csv" in messages[1]
    assert "row 0 has 3 cells, the header has 2" in messages[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", b'text,label\na fine film,"good\na dull film,bad\n'),  # a quote that is never closed
        ("train.csv", b'text,label\n"a fine"film,good\n'),
        ("train.csv.gz", b"text,label\na fine film,good\n"),
        ("train.csv.gz", gzip.compress(b"text,label\na fine film,good\n" * 99, mtime=0)[:50]),
        ("train.csv.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"torn" * 9),
        ("train.jsonl.xz", b"{}"),
        ("train.jsonl.bz2", b"{}"),
        ("train.arrow", b"no arrow"),
        ("train.arrow", b""),
        ("train.feather", b"FEA1"),
    ],
)
def test_torn_file_is_a_fault_and_not_read_in_part(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write_splits(tmp_path)
    (folder / "train.jsonl").unlink()
    (folder / name).write_bytes(content)
    message = only_fault(folder, labels=["bad", "good"])
    assert message.startswith(f"{folder}/{name}: datasets.films.splits.train = 'train': cannot be read: "), message


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    nothing = [{"text": None, "label": "good"}, *rows_of()]
    folder = write_splits(tmp_path, train=nothing, validation=[], test=rows_of({"good": "fine", "bad": "bad"}))
    messages = validation_faults(folder, text_pair="partner")
    keys = sorted(message.split(": ")[1].split(" ")[0] for message in messages)
    prefix = "datasets.films."
    assert keys == [prefix + key for key in ("label", "splits.validation", "text", "text_pair")]


# Carving, sampling, fingerprint


def numbered_rows(count: int) -> list[dict[str, Any]]:
    return [{"text": f"text {row}", "label": ("bad", "good", "good")[row % 3]} for row in range(count)]


def test_carve_draws_the_rows_that_train_loses(tmp_path: Path) -> None:
    rows = numbered_rows(60)
    folder = write_splits(tmp_path, train=rows)
    carve = {"validation": {"rows": 20, "seed": 1}}
    carved = load(folder, carve=carve)
    train, validation = (carved.splits[split].texts for split in ("train", "validation"))
    assert sorted([*train, *validation]) == sorted(row["text"] for row in rows)
    assert len(validation) == 20
    assert carved.fingerprint == load(folder, carve=carve).fingerprint
    assert carved.fingerprint != load(folder, carve={"validation": {"rows": 20, "seed": 2}}).fingerprint
    # carving comes first: the sample of train does not change what validation holds
    assert load(folder, carve=carve, examples={"train": 10}).splits["validation"].texts == validation


def test_carve_of_too_many_rows_or_from_a_carved_split_is_a_fault(tmp_path: Path) -> None:
    folder = write_splits(tmp_path)
    message = only_fault(folder, carve={"validation": {"rows": 4}})
    assert message == f"{folder}: datasets.films.carve.validation.rows = 4: train has only 4 rows"
    carve = {"validation": {"rows": 1}, "test": {"source": "validation", "rows": 1}}
    assert "carve.test.source = 'validation': is carved itself" in only_fault(folder, carve=carve)


def test_examples_limits_keep_the_order_of_rows(tmp_path: Path) -> None:
    folder = write_splits(tmp_path, train=numbered_rows(300))
    train = load(folder, examples={"train": 30}).splits["train"]
    rows = [int(text.removeprefix("text ")) for text in train.texts]
    assert rows == sorted(rows)
    assert Counter(train.labels.tolist()) == {0: 10, 1: 20}
    assert load(folder, examples={"train": 30}, sample_seed=14).splits["train"].texts != train.texts


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=200).map(np.array),
    limit=st.integers(1, 220),
    seed=st.integers(0, 9),
)
@example(labels=np.array([0, 0, 0, 0, 0, 1]), limit=4, seed=0)  # where other methods of apportionment differ
def test_stratified_rows_are_fair_repeatable_and_nested(labels: np.ndarray, limit: int, seed: int) -> None:
    rows = stratified_rows(labels, limit, seed)
    assert len(set(rows.tolist())) == min(limit, len(labels))
    assert rows.tolist() == sorted(rows.tolist()) == stratified_rows(labels, limit, seed).tolist()
    assert set(rows.tolist()) <= set(stratified_rows(labels, limit + 1, seed).tolist())
    # Sainte-Lague: no class could take a seat of another one by its quotient size / (2 seats + 1)
    sizes, seats = (np.bincount(chosen, minlength=5) for chosen in (labels, labels[rows]))
    waiting = max((size / (2 * seat + 1) for size, seat in zip(sizes, seats, strict=True) if seat < size), default=0)
    seated = min(size / (2 * seat - 1) for size, seat in zip(sizes, seats, strict=True) if seat)
    assert waiting <= seated * (1 + 1e-12)


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"), min_size=1, max_size=12)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=2, max_size=5), data=st.data())
def test_fingerprint_is_of_the_content_and_not_of_the_format(tmp_path: Path, texts: list[str], data) -> None:
    def fingerprint(write, rows: list[dict[str, str]]) -> str:
        folder = write_splits(tmp_path / write.__name__, write, train=rows)
        return load(folder, labels=["bad", "good"]).fingerprint

    rows = [{"text": text, "label": ("bad", "good")[row % 2]} for row, text in enumerate(texts)]
    first = fingerprint(write_jsonl, rows)
    assert {fingerprint(write, rows) for write in WRITERS.values()} == {first}
    row = data.draw(st.integers(0, len(rows) - 1))
    for changed in ({"text": texts[row] + "!"}, {"label": "good" if rows[row]["label"] == "bad" else "bad"}):
        edited = [*rows[:row], rows[row] | changed, *rows[row + 1 :]]
        if len({item["label"] for item in edited}) == 2:
            assert fingerprint(write_jsonl, edited) != first


# Real data


@pytest.mark.skipif(not MIRROR.is_dir(), reason="the shared copies of public data sets are not here")
@pytest.mark.parametrize("name", ["cola", "mrpc", "rte", "sst2", "ag_news", "imdb"])
def test_presets_load_from_a_mirror(name: str) -> None:
    values = expand_dataset(name, folder=MIRROR, mirror=MIRROR, where="study.yaml", key="datasets[0]")
    loaded = load_dataset_splits(DatasetSpec(**values))
    assert {split: len(loaded.splits[split]) > 30 for split in SPLITS} == dict.fromkeys(SPLITS, True)
    assert (loaded.splits["train"].text_pairs is not None) == (name in ("mrpc", "rte"))
    # classes are balanced in these cuts, so that every label occurs
    assert set(loaded.splits["test"].labels.tolist()) == set(range(len(loaded.label_names)))


def test_files_behind_links_count_among_a_source(tmp_path: Path) -> None:
    folder, real = tmp_path / "linked", write_splits(tmp_path / "real")
    folder.mkdir()
    (folder / "inner").symlink_to(real)
    spec = DatasetSpec(name="films", task="classification", path=str(folder))
    before = source_digest(spec)
    write_splits(real, test=rows_of()[:2])
    assert source_digest(spec) != before
