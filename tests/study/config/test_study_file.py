"""The study file: every fault at once, and a resolved study that loads again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import study as study_package
from search_spaces.faults import Fault, InputError
from study.config.study_file import Study, StudyConfig, load_study

FOLDER = Path(study_package.__file__).parent / "files"
STUDY_FILES = sorted(file for file in FOLDER.glob("*.yaml") if file.name != "datasets.yaml")

GOOD: dict[str, Any] = {
    "name": "good",
    "datasets": [{"name": "news", "task": "classification", "path": "data/news"}],
    "teachers": [{"name": "big", "model": "some/model"}],
    "students": [{"name": "small", "from": "big", "layers": 3}],
    "search": {"space": "demo"},
}

FAULTY = """
name: ../x
datasets:
  - no_such_preset
  - {name: news, task: classification, path: data, txt: body}
  - {name: news, task: clasification, path: data}
  - {name: two_sources, task: classification, path: data, hub: owner/data}
teachers:
  - {name: big, model: ./gone, training: {epoch: 3, batch_size: many}}
  - {name: big, model: some/model, checkpoints: {nwes: [here]}}
students:
  - {name: small, from: big, layer: 3}
  - {name: a/b, from: /gone/model}
  - {name: deep, from: big, layers: 2, layer_choice: [0, 1, 2]}
triples:
  - [big, small, news]
  - [bigg, small, no_such_preset]
search: {strategy: gredy, space: paper_aa, tun: joint}
seds: [1]
training: {epochs: -1}
resources: {cpu: 1, gpus: 1}
"""


def write(folder: Path, content: str | dict[str, Any]) -> Path:
    file = folder / "study.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def load(folder: Path, **changes: Any) -> Study:
    return load_study(write(folder, {**GOOD, **changes}))


def faults(folder: Path, content: str | dict[str, Any]) -> list[Fault]:
    file = write(folder, content)
    with pytest.raises(InputError) as caught:
        load_study(file)
    assert {fault.where for fault in caught.value.faults} <= {str(file)}
    # the message of the error is all of them
    assert str(caught.value) == "\n".join(map(str, caught.value.faults))
    return list(caught.value.faults)


def only_fault(folder: Path, **changes: Any) -> Fault:
    (found,) = faults(folder, {**GOOD, **changes})
    return found


def test_good_study_has_the_papers_defaults(tmp_path: Path) -> None:
    study = load(tmp_path)
    search = study.config.search
    assert (search.strategy, search.tune, search.evaluate) == ("greedy", "coordinate", ("stable", "lazy"))
    assert [triple.triple_id for triple in study.triples] == ["big/small/news"]


def test_faults_come_all_at_once(tmp_path: Path) -> None:
    found = {fault.key: fault for fault in faults(tmp_path, FAULTY)}
    assert set(found) == {
        "name",
        "datasets[0]",
        "datasets[1].txt",
        "datasets[2].name",
        "datasets[2].task",
        "datasets[3]",
        "teachers[0].model",
        "teachers[0].training.epoch",
        "teachers[0].training.batch_size",
        "teachers[1].name",
        "teachers[1].checkpoints",
        "teachers[1].checkpoints.nwes",
        "students[0].layer",
        "students[1].name",
        "students[1].from",
        "students[2]",
        "triples[1]",
        "search.strategy",
        "search.space",
        "search.tun",
        "seds",
        "training.epochs",
        "resources.gpus",
    }


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("seds", "unknown key; did you mean 'seeds'?"),
        ("search.tun", "unknown key; did you mean 'tune'?"),
        ("search.space", "no such search space; did you mean 'paper_a'?"),
        ("students[0].layer", "unknown key; did you mean 'layers'?"),
        ("datasets[0]", "no such preset; "),
        ("datasets[1].txt", "unknown key; did you mean 'text'?"),
        ("datasets[2].name", "appears twice in datasets"),
        ("datasets[2].task", "must be 'classification'"),
        ("datasets[3]", "give exactly one of path, hub and embedded"),
        ("teachers[0].model", "no such folder"),
        ("teachers[0].training.epoch", "unknown key; did you mean 'epochs'?"),
        ("teachers[1].name", "appears twice in teachers"),
        ("teachers[1].checkpoints", "did you mean 'news'?"),
        ("students[1].from", "no such folder"),
        ("students[2]", "layers (2) and the length of layer_choice (3) differ"),
        ("triples[1]", "no teacher 'bigg'; did you mean 'big'?"),
    ],
)
def test_fault_says_what_would_be_right(tmp_path: Path, key: str, message: str) -> None:
    (found,) = [fault for fault in faults(tmp_path, FAULTY) if fault.key == key]
    assert message in found.message


def test_fault_shows_file_key_and_value(tmp_path: Path) -> None:
    found = only_fault(tmp_path, seds=[1])
    assert str(found).startswith(f"{tmp_path / 'study.yaml'}: seds = [1]: unknown key; ")


def test_entry_after_a_faulty_one_keeps_its_number(tmp_path: Path) -> None:
    entries = ["no_such_preset", {**GOOD["datasets"][0], "txt": "body"}]
    found = faults(tmp_path, {**GOOD, "datasets": entries})
    assert [fault.key for fault in found] == ["datasets[0]", "datasets[1].txt"]


@pytest.mark.parametrize(
    ("key", "entry"), [("datasets", "no_such_preset"), ("students", {"name": "s"}), ("teachers", {"name": "big"})]
)
def test_only_entry_with_a_fault_is_one_fault(tmp_path: Path, key: str, entry: Any) -> None:
    # neither is the list empty, nor do triples name nothing
    triples = [["big", "s" if key == "students" else "small", "no_such_preset" if key == "datasets" else "news"]]
    assert len(faults(tmp_path, {**GOOD, key: [entry], "triples": triples})) == 1


@pytest.mark.parametrize("key", ["name", "datasets", "teachers", "students", "search"])
def test_missing_key_is_required(tmp_path: Path, key: str) -> None:
    found = faults(tmp_path, {name: value for name, value in GOOD.items() if name != key})
    assert [(fault.key, fault.message) for fault in found] == [(key, "is required")]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets", []),
        ("datasets", "sst2"),
        ("datasets", {"name": "news"}),
        ("teachers", 3),
        ("students", None),
        ("search", "greedy"),
        ("seeds", []),
        ("seeds", ["one"]),
        ("resources", {"gpu": -1}),
        ("training", {"early_stopping": 0}),
    ],
)
def test_wrong_type_is_one_fault_at_its_key(tmp_path: Path, key: str, value: Any) -> None:
    assert only_fault(tmp_path, **{key: value}).key.startswith(key)


@pytest.mark.parametrize("gpu", [0.25, 2])
def test_group_wants_one_whole_gpu(tmp_path: Path, gpu: float) -> None:
    found = only_fault(tmp_path, resources={"cpu": 1, "gpu": gpu, "group": 8})
    assert (found.key, found.value) == ("resources.group", 8)
    assert f"set gpu to 1, not {gpu:g}" in found.message
    for whole in (0, 1):
        assert load(tmp_path, resources={"cpu": 1, "gpu": whole, "group": 8}).config.resources.group == 8


@pytest.mark.parametrize("entries", [[3], [None], [[]], ["text"]])
@pytest.mark.parametrize("key", ["datasets", "teachers", "students"])
def test_entry_that_is_no_mapping_is_a_fault(tmp_path: Path, key: str, entries: list[Any]) -> None:
    assert only_fault(tmp_path, **{key: entries}).key == f"{key}[0]"


@pytest.mark.parametrize("triples", ["some", [["big", "small"]], [["big", "small", "news", "more"]], [3], {}])
def test_malformed_triples_are_faults(tmp_path: Path, triples: Any) -> None:
    assert all(fault.key.startswith("triples") for fault in faults(tmp_path, {**GOOD, "triples": triples}))


@pytest.mark.parametrize("place", range(3))
def test_triple_that_names_nothing(tmp_path: Path, place: int) -> None:
    triple = ["big", "small", "news"]
    triple[place] += "s"
    found = only_fault(tmp_path, triples=[triple])
    assert found.key == "triples[0]"
    assert f"did you mean {triple[place][:-1]!r}?" in found.message


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "", "a b", "a\n", "x" * 65, "a\\b", "\u00e9"])
@pytest.mark.parametrize("kind", ["name", "datasets", "teachers", "students"])
def test_name_cannot_leave_the_study_directory(tmp_path: Path, kind: str, name: str) -> None:
    if kind == "name":
        found = only_fault(tmp_path, name=name)
    else:
        found = only_fault(
            tmp_path,
            **{
                kind: [{**GOOD[kind][0], "name": name}],
                **({"students": [{"name": "small", "from": "some/model"}]} if kind == "teachers" else {}),
            },
        )
    assert found.key == ("name" if kind == "name" else f"{kind}[0].name")


def test_space_cannot_be_a_path_without_yaml(tmp_path: Path) -> None:
    assert only_fault(tmp_path, search={"space": "../../etc/passwd"}).key == "search.space"


def test_faults_inside_a_space_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("choices: {distance: [kl]}\nlearning_rates: [1.0e-4]\n")
    file = write(tmp_path, {**GOOD, "search": {"space": "mine.yaml"}, "seds": [1]})
    with pytest.raises(InputError) as caught:
        load_study(file)
    assert [(Path(f.where).name, f.key) for f in caught.value.faults] == [
        ("mine.yaml", "choices.distance[0]"),
        ("study.yaml", "seds"),
    ]


def test_relative_paths_start_at_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("data/news", "model", "given"):
        (tmp_path / "here" / folder).mkdir(parents=True)
    changes = {
        "teachers": [{"name": "big", "model": "./model", "checkpoints": {"news": ["given"]}}],
        "students": [{"name": "small", "from": "model"}, {"name": "other", "from": "some/model"}],
    }
    write(tmp_path / "here", {**GOOD, **changes})
    monkeypatch.chdir(tmp_path)
    config = load_study(Path("here/study.yaml")).config
    assert config.datasets[0].path == str(tmp_path / "here/data/news")
    assert config.teachers[0].model == str(tmp_path / "here/model")
    assert config.teachers[0].checkpoints == {"news": (str(tmp_path / "here/given"),)}
    assert [student.source for student in config.students] == [str(tmp_path / "here/model"), "some/model"]


def test_student_from_a_teacher_is_not_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    study = load(tmp_path)
    # `from` means a teacher first: its pretrained model
    assert study.student_source(study.config.students[0]) == ("some/model", "")


@pytest.mark.parametrize(
    ("kind", "entry"),
    [
        ("students", {"name": "teacher", "from": "big", "layers": 3}),
        ("students", {"name": "mean", "from": "big", "layers": 3}),
        ("datasets", {"name": "mean", "task": "classification", "path": "data"}),
    ],
)
def test_names_of_the_reports_own_are_refused(tmp_path: Path, kind: str, entry: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"{kind}\[0\]\.name = '{entry['name']}': is reserved for the report"):
        load(tmp_path, **{kind: [entry]})


def test_paper_b_is_the_papers_recipe() -> None:
    study = load_study(FOLDER / "paper_b.yaml")
    assert [dataset.name for dataset in study.config.datasets] == [
        "cola",
        "mnli",
        "mrpc",
        "qnli",
        "qqp",
        "rte",
        "sst2",
        "stsb",
    ]
    assert [student.name for student in study.config.students] == [
        "9L",
        "6L",
        "3L",
        "516D",
        "384D",
        "8AH",
        "4AH",
        "6L_384D",
    ]
    recipe, default = study.config.training, study.space.default()
    assert (recipe.epochs, recipe.batch_size, default.learning_rate) == (10, 12, 5e-5)
    assert (default.temperature, default.student_temperature_value) == (2, 2)
    weights = (default.hard_label_weight, default.hidden_weight, default.soft_label_weight)
    assert weights == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert list(study.space.combinations()) == [default]


def test_paper_c_is_the_papers_recipe() -> None:
    study = load_study(FOLDER / "paper_c.yaml")
    assert [dataset.name for dataset in study.config.datasets] == ["cola", "qqp", "mrpc", "rte"]
    recipe, (teacher,) = study.config.training, study.config.teachers
    assert (recipe.epochs, recipe.batch_size, recipe.max_length, teacher.training["epochs"]) == (50, 32, 64, 10)
    assert (
        {each.learning_rate for each in study.space.named().values()} == {teacher.training["learning_rate"]} == {2e-5}
    )
    assert [(student.layers, student.init) for student in study.config.students] == [(6, "skip")]


def test_teachers_train_on_peoples_translations(tmp_path: Path) -> None:
    study = load(tmp_path, training={"sequence_level": True})
    (dataset,), (teacher,) = study.config.datasets, study.config.teachers
    assert study.student_recipe(dataset).sequence_level
    assert not study.teacher_recipe(teacher, dataset).sequence_level
    with pytest.raises(InputError, match=r"teachers\[0\]\.training\.sequence_level = True: is for students"):
        load(tmp_path, teachers=[{"name": "big", "model": "some/model", "training": {"sequence_level": True}}])


def test_likeliest_tokens_alone_are_searched_by_cross_entropy_at_temperature_one(tmp_path: Path) -> None:
    training = {"teacher_top_k": 16}
    with pytest.raises(InputError) as error:
        load(tmp_path, training=training, search={"space": "paper_a"})
    keys = [(fault.key, fault.value) for fault in error.value.faults]
    temperatures = [1, 2, 4, 8, 16, 32, 64]
    assert keys == [
        ("search.space.choices.distance", ["ce", "mse"]),
        ("search.space.temperature", temperatures),
    ]
    space = {
        "name": "plain",
        "choices": {"distance": ["ce"]},
        "learning_rates": [1e-4],
        "temperature": {"start": 1, "stop": 1, "num": 1, "fine": 0, "default": 1},
    }
    study = load(tmp_path, training=training, search={"space": space})
    (dataset,), (teacher,) = study.config.datasets, study.config.teachers
    assert study.teacher_recipe(teacher, dataset).teacher_top_k == 16  # its outputs are kept so, too
    with pytest.raises(InputError, match=r"teachers\[0\]\.training\.teacher_top_k = 8: is for students"):
        load(tmp_path, teachers=[{"name": "big", "model": "some/model", "training": {"teacher_top_k": 8}}])


def test_teacher_recipe_is_the_studys_with_its_own_keys(tmp_path: Path) -> None:
    teacher = {**GOOD["teachers"][0], "training": {"epochs": 7, "early_stopping": None}}
    study = load(tmp_path, teachers=[teacher], training={"epochs": 2, "batch_size": 8, "early_stopping": 2})
    recipe = study.teacher_recipe(study.config.teachers[0], study.config.datasets[0])
    assert (recipe.epochs, recipe.batch_size, recipe.early_stopping) == (7, 8, None)


def test_data_sets_own_keys_hold_for_students_and_teachers(tmp_path: Path) -> None:
    dataset = {**GOOD["datasets"][0], "training": {"max_length": 384, "epochs": 4}}
    teacher = {**GOOD["teachers"][0], "training": {"epochs": 7}}
    study = load(tmp_path, datasets=[dataset], teachers=[teacher], training={"epochs": 2, "batch_size": 8})
    student = study.student_recipe(study.config.datasets[0])
    assert (student.epochs, student.batch_size, student.max_length) == (4, 8, 384)
    taught = study.teacher_recipe(study.config.teachers[0], study.config.datasets[0])
    assert (taught.epochs, taught.batch_size, taught.max_length) == (7, 8, 384)


def test_faults_of_a_data_sets_recipe_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets\[0\]\.training\.epoch = 3: unknown key; did you mean 'epochs'"):
        load(tmp_path, datasets=[{**GOOD["datasets"][0], "training": {"epoch": 3}}])


def test_triples_all_are_the_product(tmp_path: Path) -> None:
    datasets = [{**GOOD["datasets"][0], "name": name} for name in ("d1", "d2")]
    students = [{**GOOD["students"][0], "name": name} for name in ("s1", "s2")]
    study = load(tmp_path, datasets=datasets, students=students, triples="all")
    assert {triple.triple_id for triple in study.triples} == {
        f"big/{s}/{d}" for s in ("s1", "s2") for d in ("d1", "d2")
    }
    chosen = load(tmp_path, datasets=datasets, students=students, triples=[["big", "s2", "d1"]])
    assert [triple.triple_id for triple in chosen.triples] == ["big/s2/d1"]
    # only the teachers that triples need are prepared
    assert [(t.name, d.name) for t, d in chosen.teacher_pairs] == [("big", "d1")]


def test_to_yaml_loads_to_the_same_study(tmp_path: Path) -> None:
    for folder in ("study", "runs", "study/given", "study/mirror/sst2"):
        (tmp_path / folder).mkdir(parents=True)
    row = json.dumps({"sentence": "x", "label": 0}) + "\n"
    for split in ("train", "validation", "test"):
        (tmp_path / "study/mirror/sst2" / f"{split}.jsonl").write_text(row)
    changes = {
        "mirror": "mirror",
        "datasets": ["sst2", "mnli", *GOOD["datasets"]],
        "teachers": [
            {
                "name": "big",
                "model": "some/model",
                "training": {"early_stopping": None},
                "checkpoints": {"news": ["given"]},
            }
        ],
        "students": [{"name": "small", "from": "big", "layer_choice": [0, 2]}],
        "triples": [["big", "small", "news"], ["big", "small", "sst2"]],
        "training": {"evaluate_every": 10, "early_stopping": 2},
        "seeds": [1, 2],
    }
    study = load(tmp_path / "study", **changes)
    assert study.config.datasets[0].path == str(tmp_path / "study/mirror/sst2")
    again = load_study(write(tmp_path / "runs", study.to_yaml()))
    # everything but the mirror, which has done its part
    assert again.config == study.config.model_copy(update={"mirror": None})
    assert again.triples == study.triples
    teacher, dataset = study.config.teachers[0], study.config.datasets[0]
    assert again.teacher_recipe(teacher, dataset) == study.teacher_recipe(teacher, dataset)
    assert again.to_yaml() == study.to_yaml()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n", "must hold `key: value` pairs"),
        ("name: [", "not valid YAML"),
        ("a: !!python/name:os.system\n", "YAML"),
    ],
)
def test_file_that_is_no_study(tmp_path: Path, content: str, message: str) -> None:
    (found,) = faults(tmp_path, content)
    assert message in found.message


def test_study_files_are_there() -> None:
    assert "demo" in {file.stem for file in STUDY_FILES}


@pytest.mark.parametrize("file", STUDY_FILES, ids=lambda file: file.stem)
def test_study_file_loads_and_its_header_is_a_runbook(file: Path, tmp_path: Path) -> None:
    study = load_study(file, find_models=False)  # some are made before, as the header says
    assert study.config.name == file.stem
    header = file.read_text().split("\nname:")[0]
    # purpose, cost and command stand at the top
    assert header.startswith("# ")
    assert "# Cost:" in header
    assert f"kdstudy launch study/files/{file.name}" in header
    # and what a launch keeps loads again
    again = load_study(write(tmp_path, study.to_yaml()), find_models=False)
    assert again.config == StudyConfig.model_validate({**study.config.model_dump(by_alias=True), "mirror": None})
