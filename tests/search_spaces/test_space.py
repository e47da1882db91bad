"""Search spaces: the paper's arithmetic, the grids, and files with faults."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_spaces.configuration import Distance, StudentTemperature, TeacherCheckpoint
from search_spaces.faults import InputError
from search_spaces.space import PRESETS, SearchSpace, TemperatureSearch, load_space

FILES = sorted(PRESETS.glob("*.yaml"))


@pytest.fixture
def paper_a() -> SearchSpace:
    return load_space("paper_a")


def write(folder: Path, text: str) -> Path:
    file = folder / "space.yaml"
    file.write_text(text)
    return file


def faults_in(folder: Path, text: str) -> dict[str, str]:
    write(folder, text)
    with pytest.raises(InputError) as caught:
        load_space("space.yaml", folder)
    assert all(fault.where == str(folder / "space.yaml") for fault in caught.value.faults)
    return {fault.key: fault.message for fault in caught.value.faults}


def test_paper_a_is_table_2(paper_a: SearchSpace) -> None:
    # A, table 2: t in {hs, ll}, L2 in {CE, MSE}, ts in {1, tt}, alpha in {.1 ... .9, 1}
    assert set(paper_a.choices.teacher_checkpoint) == set(TeacherCheckpoint)
    assert set(paper_a.choices.distance) == {Distance.CE, Distance.MSE}
    assert set(paper_a.choices.student_temperature) == set(StudentTemperature)
    weights = {paper_a.soft_label_weight.default, *paper_a.soft_label_weight.then}
    assert sorted(weights) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    # A, section 3: a grid of 7 for the first search of the temperature and of 4 for the second
    assert len(paper_a.temperature.coarse()) == 7
    assert paper_a.temperature.fine == 4


def test_paper_a_starts_from_hinton(paper_a: SearchSpace) -> None:
    # A, section 3: CE, the highest-score teacher, ts = tt, alpha = 1; the parameters change in this order
    default = paper_a.default()
    assert (default.distance, default.teacher_checkpoint, default.student_temperature) == (
        "ce",
        "highest_score",
        "equal",
    )
    assert default.soft_label_weight == 1
    assert list(paper_a.alternatives()) == [
        ("distance", "mse"),
        ("teacher_checkpoint", "lowest_loss"),
        ("student_temperature", "one"),
    ]


def test_paper_a_has_eight_combinations(paper_a: SearchSpace) -> None:
    combinations = list(paper_a.combinations())
    # A, section 3: eight possible configurations for alpha = 1
    assert len(combinations) == len(set(combinations)) == 8
    assert {c.soft_label_weight for c in combinations} == {1.0}


def test_paper_a_grid_size(paper_a: SearchSpace) -> None:
    # A, section 3: roughly 440 models per data set and student. 10 alphas x 2 teachers x (CE: 11 temperatures with
    # ts = tt, 10 more with ts = 1; MSE: 1)
    assert paper_a.grid_size(scaled_mse=False) == 440 == 10 * 2 * (11 + 10 + 1)
    # MSE with ts = 1 compares with scaled teacher logits, thus has the 10 other temperatures, too
    assert paper_a.grid_size() == 640 == 10 * 2 * (11 + 10 + 1 + 10)


def test_grid_size_counts_an_alpha_of_zero_once() -> None:
    values = {
        "name": "small",
        "choices": {"distance": ["ce", "mse"], "teacher_checkpoint": ["highest_score", "lowest_loss"]},
        "soft_label_weight": {"default": 1, "then": [0]},
        "learning_rates": [1e-4],
        "temperature": {"start": 1, "stop": 4, "num": 3, "fine": 0, "default": 2},
    }
    # alpha 1: 2 teachers x (CE at 3 temperatures, MSE); alpha 0 is training without a teacher
    assert SearchSpace.model_validate(values).grid_size() == 2 * (3 + 1) + 1


def test_coarse_temperatures_are_geometric(paper_a: SearchSpace) -> None:
    assert paper_a.temperature.coarse() == (1, 2, 4, 8, 16, 32, 64)


@given(st.integers(1, 20), st.integers(2, 9), st.integers(2, 400))
def test_coarse_temperatures_have_a_constant_ratio(start: int, num: int, factor: int) -> None:
    grid = TemperatureSearch(start=start, stop=start * factor, num=num, default=start).coarse()
    assert (len(grid), grid[0], grid[-1]) == (num, start, start * factor)
    ratios = [b / a for a, b in itertools.pairwise(grid)]
    assert ratios == pytest.approx([factor ** (1 / (num - 1))] * (num - 1), rel=1e-5)


@pytest.mark.parametrize(
    ("best", "around"),
    [
        (8, (6.4, 8.8, 11.2, 13.6)),  # between the neighbours 4 and 16
        (1, (1.2, 1.4, 1.6, 1.8)),  # at an end: between 1 and its one neighbour
        (64, (38.4, 44.8, 51.2, 57.6)),
    ],
)
def test_fine_temperatures_are_linear(paper_a: SearchSpace, best: float, around: tuple[float, ...]) -> None:
    assert paper_a.temperature.fine_around(best) == around


def test_fine_temperatures_never_repeat_the_best() -> None:
    search = TemperatureSearch(start=1, stop=4, num=2, fine=3, default=1)
    assert search.fine_around(1) == (1.75, 2.5, 3.25)
    # one value of stage 1: its interval is empty
    assert TemperatureSearch(start=2, stop=64, num=1, fine=4, default=2).fine_around(2) == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"default": 3}, "default \\(3\\) must be one of the geometric grid: 1, 2, 4"),
        ({"start": 8, "stop": 8, "default": 8}, "stop \\(8\\) must be above start \\(8\\)"),
        ({"start": 0.5}, "greater than or equal to 1"),
        ({"num": 0}, "greater than or equal to 1"),
    ],
)
def test_temperature_search_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TemperatureSearch(**values)


def test_faults_come_all_at_once(tmp_path: Path) -> None:
    found = faults_in(
        tmp_path,
        """
        learning_rate: [1.0e-4]
        order: [distance, distances]
        choices: {distance: [ce, kl], teacher_checkpoints: [highest_score]}
        soft_label_weight: {default: 1.5, then: [0.5, 0.5]}
        temperature: {start: 1, stop: 4, num: 3, default: 3, fines: 2}
        """,
    )
    assert set(found) == {
        "learning_rates",
        "learning_rate",
        "order[1]",
        "choices.distance[1]",
        "choices.teacher_checkpoints",
        "soft_label_weight.default",
        "soft_label_weight.then",
        "temperature.fines",
    }
    assert found["learning_rates"] == "is required"
    # an unknown key is answered with the nearest one of the same place
    assert found["learning_rate"].startswith("unknown key; did you mean 'learning_rates'? known: choices,")
    assert found["choices.teacher_checkpoints"].startswith("unknown key; did you mean 'teacher_checkpoint'?")
    assert found["temperature.fines"].startswith("unknown key; did you mean 'fine'?")
    assert "'ce', 'mse', 'logits' or 'hard'" in found["choices.distance[1]"]
    assert found["soft_label_weight.then"] == "values must differ from each other"


def test_fault_shows_key_and_value(tmp_path: Path) -> None:
    write(tmp_path, "choices: {distance: [kl]}\nlearning_rates: [1.0e-4]\n")
    with pytest.raises(InputError, match=r"space\.yaml: choices\.distance\[0\] = 'kl': ") as caught:
        load_space("space.yaml", tmp_path)
    # a list whose entries are all faulty is not too short as well
    assert len(caught.value.faults) == 1


def test_faults_of_an_empty_list(tmp_path: Path) -> None:
    assert set(faults_in(tmp_path, "choices: {distance: []}\nlearning_rates: []\n")) == {
        "choices.distance",
        "learning_rates",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [("[1, 2]", "must hold `key: value` pairs"), ("a: [", "is not valid YAML"), ("", "must hold `key: value` pairs")],
)
def test_file_without_a_mapping(tmp_path: Path, text: str, message: str) -> None:
    assert message in faults_in(tmp_path, text)["(file)"]


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_space("gone.yaml", tmp_path)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_preset_loads_and_opens_with_a_header(file: Path) -> None:
    space = load_space(file.stem)
    assert space.name == file.stem
    # the header says what it is and how to use it
    header = [line for line in file.read_text().splitlines() if line.startswith("#")]
    assert file.read_text().startswith("# ")
    assert any(f"space: {file.stem}" in line for line in header)


def test_presets_are_there() -> None:
    assert {"paper_a", "demo"} <= {file.stem for file in FILES}


@pytest.mark.parametrize("name", ["paper_e", "../search_spaces/paper_a", "/etc/passwd"])
def test_unknown_preset_is_answered_with_what_exists(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load_space(name, where="study.yaml")
    (fault,) = caught.value.faults
    assert (fault.where, fault.key, fault.value) == ("study.yaml", "search.space", name)
    assert "known: demo" in fault.message
    assert "paper_a" in fault.message


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'paper_a'"):
        load_space("paper_aa")


def test_space_by_path_is_relative_to_the_folder(tmp_path: Path, paper_a: SearchSpace) -> None:
    values = {**paper_a.model_dump(mode="json"), "name": "mine"}
    write(tmp_path, yaml.safe_dump(values))
    assert load_space("space.yaml", tmp_path) == paper_a.model_copy(update={"name": "mine"})


def test_spaces_of_before_internals_are_read():
    # studies keep their resolved space; those written with `hidden_states` must open
    values = load_space("paper_a").model_dump(mode="json", exclude={"internals", "experiments", "hard_lambda"})
    old = {"hidden_states": {"weight": 0.0, "layer_map": "ends", "projection": "leading"}}
    space = SearchSpace.model_validate({**values, **old})
    assert (space.internals.hidden_weight, space.internals.layer_map, space.internals.projection) == (
        0,
        "ends",
        "leading",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experiments": [{"name": "b", "hidden_weight": 0.5}]}, "experiment b: hidden_weight"),
        (
            {"soft_label_weight": {"default": 0}, "internals": {"hidden_weight": 1, "schedule": "stacked"}},
            "the last stage uses soft and hard labels only",
        ),
        ({"internals": {"cosine_threshold": float("inf")}}, "finite"),
    ],
)
def test_impossible_internals_are_refused(changes, message):
    values = load_space("paper_b").model_dump(mode="json")
    values |= {"soft_label_weight": {"default": 1.0}, "internals": {}, **changes}
    with pytest.raises(ValidationError, match=message):
        SearchSpace.model_validate(values)


def test_layers_are_not_learned_beside_what_d_adds() -> None:
    for key, value in (("schedule", "staged"), ("distance", "logits"), ("optimizer", "adam"), ("transfer_rows", 9)):
        changes = {"experiments": [{"name": "x", "attention_weight": 1, "hard_lambda": 1, key: value}]}
        with pytest.raises(InputError, match=f"experiment x: {key} cannot be combined with the teacher's layers"):
            load_space("internal", changes=changes)


def test_logits_need_hard_labels() -> None:
    experiments = [{"name": "x", "hard_lambda": 0}]
    with pytest.raises(InputError, match="trains the classifier on hard labels only"):
        load_space("paper_d", changes={"experiments": experiments})
