"""TPE over the points of a grid: the tree of conditions, batches as functions of scores, and that it learns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from statistics import mean

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.configuration import Configuration, Distance, StudentTemperature
from search_spaces.space import SearchSpace, load_space
from study.search.searchers.chain import Chain
from study.search.searchers.grid import GridPointSearch
from study.search.searchers.optuna import ParameterTree, TPESearch, propose_batch
from study.search.searchers.random import sample_points

GRID = load_space("paper_a").grid()
SMALL = load_space("demo").grid()
LAYERS = SearchSpace.model_validate(
    {
        "name": "layers",
        "choices": {
            "distance": ["ce", "mse"],
            "attention_weight": [0, 1, 10],
            "cosine_weight": [0, 1],
            "schedule": ["joint", "progressive", "stacked"],
            "classification_loss": ["throughout", "last"],
        },
        "soft_label_weight": {"default": 0.5, "then": [0, 1]},
        "learning_rates": [1e-4, 3e-4],
        "internals": {"layer_map": "ends"},
        "temperature": {"start": 1, "stop": 4, "num": 3, "fine": 1, "default": 2},
    }
).grid()
GRIDS = {"paper_a": GRID, "demo": SMALL, "layers": LAYERS}


@cache
def tree_of(name: str) -> ParameterTree:
    return ParameterTree(GRIDS[name])


@pytest.mark.parametrize("name", GRIDS)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_every_point_is_the_end_of_its_own_parameters(name: str, data: st.DataObject) -> None:
    point = data.draw(st.sampled_from(GRIDS[name]))
    tree = tree_of(name)
    asked = tree.parameters(point)
    # Optuna's own oracle: a trial of fixed values asks for these parameters, and no others
    trial = optuna.trial.FixedTrial(asked["params"])
    assert tree.suggested(trial) == point
    assert trial.distributions == asked["distributions"]


def test_void_parameters_are_not_asked_for() -> None:
    tree = tree_of("paper_a")
    mse_equal = next(
        point
        for point in GRID
        if point.distance is Distance.MSE and point.student_temperature is StudentTemperature.EQUAL
    )
    assert "temperature" not in tree.parameters(mse_equal)["params"]
    hard = next(point for point in LAYERS if not point.soft_label_weight and not point.compares_layers)
    assert tree_of("layers").parameters(hard)["params"].keys() == {
        *("soft_label_weight", "attention_weight", "cosine_weight", "learning_rate")
    }


def test_student_temperature_of_one_has_no_temperature_of_one() -> None:
    tree = tree_of("demo")
    asked = {"soft_label_weight": 1, "distance": "ce", "teacher_checkpoint": "highest_score"}
    trial = optuna.trial.FixedTrial({**asked, "student_temperature": "one", "temperature": 0})
    # with it both student temperatures are one: the sampler's wish is moved to the next temperature
    assert tree.suggested(trial).temperature == 2.5


def test_proposals_are_new_and_depend_on_scores_alone() -> None:
    tree = tree_of("demo")
    scores = dict.fromkeys(SMALL[:12], 0.5) | dict.fromkeys(SMALL[12:20], None)
    batch = propose_batch(tree, scores, 5, 13, "triple")
    assert len(set(batch)) == 5
    assert not set(batch) & scores.keys()
    assert propose_batch(tree, dict(scores), 5, 13, "triple") == batch
    assert propose_batch(tree, scores, 5, 14, "triple") != batch
    # to the last point: where the sampler comes up with nothing new, the rest is drawn
    assert set(propose_batch(tree, scores, 12, 13)) == set(SMALL) - scores.keys()


Table = Callable[[Configuration], float]


def peak(configuration: Configuration) -> float:
    """Best at MSE, a student temperature of 1, weight .7, temperature 8 and the highest rate."""
    off = abs(configuration.temperature - 8) / 64 + abs(configuration.soft_label_weight - 0.7)
    good = (configuration.distance is Distance.MSE) + (configuration.student_temperature is StudentTemperature.ONE)
    return good / 2 - off + configuration.learning_rate * 1e4


def best_found(search: GridPointSearch, table: Table) -> float:
    asked: dict[Configuration, float] = {}
    chain = Chain(search, (0,), lambda configuration, _: (asked[configuration],) if configuration in asked else None)
    while not chain.finished:
        for configuration, _ in chain.propose():
            assert configuration not in asked
            asked[configuration] = table(configuration)
        chain.advance()
    assert len(asked) == search.budget
    assert search.incumbent is not None
    assert search.incumbent.score == max(asked.values())
    return max(asked.values())


def test_tpe_learns_from_scores() -> None:
    budget, seeds = 50, range(6)
    by_chance = [best_found(GridPointSearch(sample_points(GRID, budget, seed)), peak) for seed in seeds]
    by_tpe = [best_found(TPESearch(GRID, budget, 4, seed), peak) for seed in seeds]
    assert mean(by_tpe) > mean(by_chance)
    # 3 of 5,880 points are within a hundredth of the best
    assert max(by_tpe) > max(map(peak, GRID)) - 0.1


def test_budget_beyond_the_grid_is_the_grid() -> None:
    search = TPESearch(SMALL, 100, 4, 13)
    assert search.budget == len(SMALL)
    assert best_found(search, peak) == max(map(peak, SMALL))


def test_optuna_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best_found(TPESearch(LAYERS, 30, 7, 1), lambda point: point.learning_rate)
