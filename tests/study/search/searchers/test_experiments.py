"""The search that tries named configurations, and programs that run side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulation import make_search, make_study, run_study

from search_spaces.configuration import Schedule
from search_spaces.faults import InputError
from search_spaces.space import SearchSpace, load_space
from study.config.study_file import Study, load_study
from study.search.searchers.chain import request_scores, run_in_parallel
from study.search.searchers.experiments import ExperimentSearch

EXPERIMENTS = [
    {"name": "soft"},
    {"name": "hard", "soft_label_weight": 0},
    {"name": "stacked", "attention_weight": 1, "schedule": "stacked"},
    {"name": "same", "schedule": "stacked"},  # without layers to learn: as soft
]
SPACE = SearchSpace.model_validate(
    {
        "name": "named",
        "choices": {},
        "learning_rates": [1e-4, 3e-4],
        "temperature": {"start": 1, "stop": 1, "num": 1, "fine": 0, "default": 1},
        "experiments": EXPERIMENTS,
    }
)


def score(spec) -> tuple[float, float]:
    """The higher rate is better, but for hard labels; layers are best of all."""
    configuration = spec.configuration
    better = configuration.learning_rate > 2e-4
    found = 0.5 + 0.2 * bool(configuration.attention_weight) + 0.1 * (better is (configuration.soft_label_weight > 0))
    return found, found


def test_all_experiments_are_tuned_and_the_best_is_kept() -> None:
    study = make_study(datasets=1, students=1, search={"strategy": "experiments", "space": SPACE, "evaluate": ()})
    search = make_search(study, run_study(study, score))
    (triple,) = search.triples.values()
    assert isinstance(triple.search, ExperimentSearch)
    assert list(triple.search.named) == ["soft", "hard", "stacked", "same"]
    rates = [candidate.configuration.learning_rate for candidate in triple.search.named.values()]
    assert rates == [3e-4, 1e-4, 3e-4, 3e-4]
    assert triple.search.incumbent == triple.search.named["stacked"]
    # Two rates each; experiments that are one configuration share their trials
    assert len(search.trials) == 6
    assert not list(search.steps)
    assert search.finished


def test_programs_side_by_side_ask_at_once_and_go_on_each_by_itself() -> None:
    default = SPACE.default()
    rates = [1e-5, 2e-5, 3e-5, 4e-5]
    points = [replace(default, learning_rate=rate) for rate in rates]

    def part(*own):
        found = []
        for point in own:
            found += yield from request_scores([point])
        return [candidate.score for candidate in found]

    program = run_in_parallel([part(points[0]), part(*points[1:]), part()])
    asked, result = driven(program)
    assert asked == [[1e-5, 2e-5], [3e-5], [4e-5]]
    assert result == [[1e-5], [2e-5, 3e-5, 4e-5], []]


def driven(program) -> tuple[list[list[float]], Any]:
    """The rates that a program asks for, request by request, and what it returns; each rate is its own score."""
    asked, scores = [], None
    while True:
        try:
            request = program.send(scores)
        except StopIteration as end:
            return asked, end.value
        asked.append([point.learning_rate for point in request])
        scores = {point: point.learning_rate for point in request}


def test_experiments_of_paper_c_are_those_of_its_table() -> None:
    named = load_space("internal").named()
    assert sorted(named) == ["exp1.1", "exp2.0", *(f"exp3.{number}" for number in range(7))]
    assert next(iter(named)) == "exp2.0"  # what the others are compared with
    weights = {
        name: (each.soft_label_weight, each.hard_label_weight, each.attention_weight, each.cosine_weight)
        for name, each in named.items()
    }
    assert weights["exp1.1"] == (0, 1, 0, 0)
    assert weights["exp2.0"] == (1, 0, 0, 0)
    assert weights["exp3.0"] == (1, 0, 1, 0)
    assert weights["exp3.1"] == (1, 0, 0, 1)
    assert weights["exp3.6"] == (1, 0.1, 1, 1)
    assert all(weights[f"exp3.{number}"] == (1, 0, 1, 1) for number in (2, 3, 4, 5))
    schedules = [named[f"exp3.{number}"].schedule for number in range(2, 7)]
    assert schedules == [Schedule.JOINT, Schedule.PROGRESSIVE, *[Schedule.STACKED] * 3]
    last = [name for name, each in named.items() if each.classification_loss == "last"]
    assert last == ["exp3.3", "exp3.4"]


def load(folder: Path, search: dict[str, Any]) -> Study:
    values = {
        "name": "named",
        "datasets": [{"name": "news", "task": "classification", "path": "data"}],
        "teachers": [{"name": "big", "model": "some/model"}],
        "students": [{"name": "small", "from": "big", "layers": 3}],
        "search": {"strategy": "experiments", **search},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    return load_study(folder / "study.yaml")


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"space": "paper_a"}, "needs a space with experiments, but paper_a has none"),
        (
            {"space": "internal", "evaluate": ["lazy"]},
            "search.evaluate = .* is for the strategy greedy, not experiments",
        ),
        ({"space": {"preset": "internal", "experiments": [{"name": "a"}, {"name": "a"}]}}, "have the same name"),
        ({"space": {"preset": "internal", "experiments": [{"name": "a", "cosine": 1}]}}, "cosine"),
        ({"space": {"preset": "internl"}}, "did you mean 'internal'"),
    ],
)
def test_faulty_searches_of_experiments_are_refused(search, message, tmp_path) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, search)


def test_study_may_change_keys_of_a_preset(tmp_path) -> None:
    space = {"preset": "internal", "learning_rates": [0.5]}
    study = load(tmp_path, {"space": space})
    assert study.space.learning_rates == (0.5,)
    assert study.space.experiments == load_space("internal").experiments


def test_attention_is_kept_of_experiments_that_compare_it() -> None:
    without = SPACE.model_copy(update={"experiments": SPACE.experiments[:2]})
    for space, shown in ((SPACE, True), (without, False)):
        study = make_study(search={"strategy": "experiments", "space": space, "evaluate": ()})
        assert study.keeps_attention is shown
    # A search has too many trials, of which nobody asks what they attend to
    assert not make_study(search={"space": load_space("demo")}).keeps_attention
