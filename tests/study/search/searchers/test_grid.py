"""Grid and random search: what they try, against counts made by hand and by plain loops."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import hashed_score, make_search, make_study, run_study
from typer.testing import CliRunner

import study as study_package
from search_spaces.configuration import Configuration
from search_spaces.faults import InputError
from search_spaces.space import SearchSpace, load_space
from study.cli import app
from study.config.study_file import Study, load_study
from study.planning.study_plan import make_plan, total_trial_bounds, triple_bounds
from study.search.searchers.grid import GridPointSearch
from study.search.searchers.random import sample_points
from trials.specs.dataset import TaskName
from trials.specs.records import TrialRecord

SPACE = load_space("demo")  # 2 distances, checkpoints and student temperatures; weights 1 and .5; 1 rate; T 1, 2.5, 4


def study_of(strategy: str, **changes: Any) -> Study:
    trials = changes.pop("trials", 10)
    budget = {} if strategy == "grid" else {"trials": trials}
    return make_study(search={"strategy": strategy, "space": SPACE, **budget}, **changes)


def test_grid_counts_each_loss_once() -> None:
    # CE: 3 equal temperatures, 2 others with a student temperature of 1; MSE: 1, and 2; times checkpoints and weights
    assert len(SPACE.grid()) == (3 + 2 + 1 + 2) * 2 * 2
    # with one checkpoint, half of it; without softmax, weights and checkpoints are all there is
    assert len(SPACE.grid(one_checkpoint=True)) == (3 + 2 + 1 + 2) * 2
    assert len(SPACE.grid(softmax=False)) == 2 * 2
    assert len(SPACE.grid(one_checkpoint=True, softmax=False)) == 2


def test_grid_of_paper_a_has_every_temperature_of_both_stages() -> None:
    space = load_space("paper_a")
    coarse = [1, 2, 4, 8, 16, 32, 64]
    # around 1: 1.2 to 1.8; around 2: 1.6 to 3.4; around each further value four of its own; around 64: 38.4 to 57.6
    fine = {1.2, 1.4, 1.6, 1.8, 2.2, 2.8, 3.4} | {38.4, 44.8, 51.2, 57.6}
    fine |= {value * factor for value in (4, 8, 16, 32) for factor in (0.8, 1.1, 1.4, 1.7)}
    found = space.temperature.reachable()
    assert found[0] == 2
    assert sorted(found) == pytest.approx(sorted({*coarse, *fine}))
    # 3 rates, 2 checkpoints, 10 weights; CE with equal temperatures, with 1; MSE with equal temperatures, with 1
    assert len(space.grid()) == 3 * 2 * 10 * (len(found) + len(found) - 1 + 1 + len(found) - 1)


def test_grid_of_a_weight_of_zero_has_one_configuration_a_rate() -> None:
    space = SearchSpace.model_validate({**SPACE.model_dump(), "soft_label_weight": {"default": 0}})
    assert [point.learning_rate for point in space.grid()] == list(space.learning_rates)


def test_grid_starts_with_the_default_and_is_canonical() -> None:
    grid = load_space("paper_a").grid()
    assert grid[0] == load_space("paper_a").default().canonical()
    assert all(point == point.canonical() for point in grid)
    assert len(set(grid)) == len(grid)


def test_grid_search_finds_the_best_of_all() -> None:
    study = study_of("grid", datasets=1, students=1)
    records = run_study(study)
    (triple,) = make_search(study, records).triples.values()
    trials = [record for record in records if isinstance(record, TrialRecord)]
    best = max(trials, key=lambda record: record.validation_score or 0)
    assert triple.search.incumbent is not None
    assert triple.search.incumbent.configuration == best.configuration
    assert triple.search.incumbent.score == best.validation_score
    # each choice stands once, at its best
    choices = Counter(replace(c.choice, learning_rate=1.0, temperature=1.0) for c in triple.search.candidates)
    assert set(choices.values()) == {1}
    assert len(choices) == 2 * 2 * 2 * 2  # all: CE and MSE have other temperatures than 1 with either student's
    for candidate in triple.search.candidates:
        of_choice = [r for r in trials if same_choice(r.configuration, candidate.choice)]
        assert candidate.score == max(record.validation_score or 0 for record in of_choice)


def same_choice(one: Configuration, other: Configuration) -> bool:
    return replace(one, learning_rate=1.0, temperature=1.0) == replace(other, learning_rate=1.0, temperature=1.0)


def test_best_so_far_is_known_while_the_grid_runs() -> None:
    study = study_of("grid", datasets=1, students=1)
    records = run_study(study)
    (triple,) = make_search(study, records[:5]).triples.values()
    assert isinstance(triple.search, GridPointSearch)
    assert (triple.search.num_tried, triple.search.budget) == (4, 32)
    assert triple.search.incumbent is not None
    assert triple.search.incumbent.score == max(r.validation_score for r in records[1:5])


@settings(deadline=None)
@given(number=st.integers(0, 40), seed=st.integers(0, 99))
def test_drawn_points_are_distinct_and_a_larger_draw_adds_to_a_smaller_one(number: int, seed: int) -> None:
    points = SPACE.grid()
    found = sample_points(points, number, seed)
    assert len(set(found)) == len(found) == min(number, len(points))
    assert sample_points(points, number + 1, seed)[:number] == found
    # whatever the order of the points
    assert sample_points(points[::-1], number, seed) == found


def test_drawn_points_are_uniform_and_differ_by_triple() -> None:
    points = SPACE.grid()
    counts = Counter(point for seed in range(2000) for point in sample_points(points, 4, seed, "triple"))
    # 2000 draws of 4 among 32: 250 each, standard deviation 15
    assert all(190 < counts[point] < 310 for point in points)
    assert sample_points(points, 10, 13, "one") != sample_points(points, 10, 13, "other")


def test_random_search_tries_its_budget_on_each_triple() -> None:
    study = study_of("random", trials=10, seeds=(1, 2), tasks=(TaskName.CLASSIFICATION, TaskName.REGRESSION))
    records = run_study(study)
    found = Counter(record.triple_id for record in records if isinstance(record, TrialRecord))
    # regression has 4 configurations only
    budgets = {"data0": 10, "data1": 4}
    assert found == {t.triple_id: 2 * budgets[t.dataset.name] for t in study.triples}
    assert make_search(study, records).finished


@pytest.mark.parametrize("strategy", ["grid", "random", "optuna"])
@pytest.mark.parametrize("one_checkpoint", [True, False])
def test_plan_counts_exactly(strategy: str, one_checkpoint: bool) -> None:
    study = study_of(strategy, trials=20, seeds=(1, 2), tasks=(TaskName.CLASSIFICATION, TaskName.REGRESSION))
    records = run_study(study, hashed_score, one_checkpoint=one_checkpoint)
    trials = sum(isinstance(record, TrialRecord) for record in records)
    assert trials == total_trial_bounds(study)[0 if one_checkpoint else 1]
    for triple in study.triples:
        counts = triple_bounds(study, triple)
        assert sum(getattr(r, "triple_id", "") == triple.triple_id for r in records) == counts[not one_checkpoint]
    made = make_plan(study)
    assert (made.strategy, made.most_in_all) == (strategy, total_trial_bounds(study)[1])


BASE = {
    "name": "searched",
    "datasets": [{"name": "news", "task": "classification", "path": "data"}],
    "teachers": [{"name": "big", "model": "some/model"}],
    "students": [{"name": "small", "from": "big", "layers": 3}],
}


def write(folder: Path, search: dict[str, Any]) -> Path:
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**BASE, "search": {"space": "demo", **search}}))
    return file


@pytest.mark.parametrize(
    ("search", "key", "message"),
    [
        ({"strategy": "random"}, "search.trials", "is required: how many configurations random tries"),
        ({"strategy": "optuna", "trials": None}, "search.trials", "is required: how many configurations optuna tries"),
        ({"strategy": "random", "trials": 0}, "search.trials = 0", "greater than 0"),
        ({"strategy": "optuna", "trials": "many"}, "search.trials = 'many'", "valid integer"),
        ({"strategy": "grid", "trials": 5}, "search.trials = 5", "is for the strategy random or optuna, not grid"),
        ({"trials": 5}, "search.trials = 5", "is for the strategy random or optuna, not greedy"),
        ({"strategy": "random", "trials": 5, "batch": 2}, "search.batch = 2", "is for the strategy optuna, not random"),
        ({"strategy": "grid", "seed": 2}, "search.seed = 2", "random or optuna, not grid"),
        ({"strategy": "grid", "tune": "joint"}, "search.tune", "is for the strategy greedy or experiments, not grid"),
        ({"strategy": "grid", "evaluate": ["lazy"]}, "search.evaluate", "is for the strategy greedy, not grid"),
        ({"strategy": "optuna", "trials": 5, "batch": 0}, "search.batch = 0", "greater than 0"),
        ({"strategy": "grid", "space": "internal"}, "search", "grid search runs no experiments, but internal has"),
        ({"strategy": "gird"}, "search.strategy = 'gird'", "'greedy', 'grid', 'random', 'optuna' or 'experiments'"),
    ],
)
def test_faulty_searches_are_one_fault(search: dict[str, Any], key: str, message: str, tmp_path: Path) -> None:
    file = write(tmp_path, search)
    with pytest.raises(InputError) as caught:
        load_study(file)
    (found,) = caught.value.faults
    assert str(found).startswith(f"{file}: {key}")
    assert message in found.message


@pytest.mark.parametrize(
    "search", [{"strategy": "grid"}, {"strategy": "random", "trials": 7}, {"strategy": "optuna", "trials": 7}]
)
def test_resolved_study_loads_again(search: dict[str, Any], tmp_path: Path) -> None:
    study = load_study(write(tmp_path, search))
    (tmp_path / "again.yaml").write_text(study.to_yaml())
    assert load_study(tmp_path / "again.yaml").config.search == study.config.search


def test_plan_prints_counts_and_temperatures(tmp_path: Path) -> None:
    outputs = {}
    for strategy, trials in itertools.product(("grid", "random"), ({}, {"trials": 10})):
        if (strategy == "random") == bool(trials):
            file = write(tmp_path, {"strategy": strategy, **trials})
            outputs[strategy] = " ".join(CliRunner().invoke(app, ["plan", str(file)]).output.split())
    # teachers decide whether there are two checkpoints
    assert "trials per triple 16 to 32 (1 seed)" in outputs["grid"]
    assert "exhaustive grid 32 configurations, learning rates included grid temperatures 1, 2.5, 4" in outputs["grid"]
    assert "trials per triple 10 (1 seed) trials in all 10 search random" in outputs["random"]


def test_study_files_of_the_comparison_differ_in_name_and_search_alone() -> None:
    folder = Path(study_package.__file__).parent / "files"
    names = ("search_grid", "search_greedy", "search_random", "search_optuna")
    found = [load_study(folder / f"{name}.yaml") for name in names]
    assert [each.config.name for each in found] == list(names)
    assert len({each.space for each in found}) == 1
    others = [each.config.model_dump(exclude={"name", "search"}) for each in found]
    assert all(other == others[0] for other in others)
    # random search and TPE have as many trials as greedy search can need
    _, most = triple_bounds(found[1], found[1].triples[0])
    assert [each.config.search.trials for each in found[2:]] == [most, most]
