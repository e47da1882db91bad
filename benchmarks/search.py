"""How far is greedy search from the optimum, and from random search and TPE with as many trials?

Searches are replayed over tables of scores, without training: simulated ones that look like A's problem, or the records
of a grid study. Many tables, and many seeds of what is random, then cost seconds.

    python -m benchmarks.search                     # simulated tables
    python -m benchmarks.search runs/search_grid    # a finished grid study's records
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median, pstdev

from search_spaces.configuration import Configuration, digest
from search_spaces.space import SearchSpace, load_space
from study.config.study_file import SearchConfig, Strategy
from study.ledger.record_files import Ledger
from study.ledger.study_directory import open_study
from study.search.searchers.chain import Chain, completed_score
from study.search.searchers.registry import make_search
from study.search.study_search import load_search

Table = Mapping[Configuration, float]
CHOICES = ("distance", "teacher_checkpoint", "student_temperature")
NOISE = (0.0, 0.25, 1.0)  # standard deviation of a training's noise, over that of the scores without it


@dataclass(frozen=True)
class Result:
    """One search of one table.

    Attributes:
        trials: Configurations tried.
        regret: The table's best score minus the best found.
        rank: Share of the table's configurations that score better than the best found.
        share: Regret over the table's best minus its median: 1 is no better than one guess.
    """

    trials: int
    regret: float
    rank: float
    share: float


def searched(space: SearchSpace, config: SearchConfig, table: Table, seed: str, *, one_checkpoint: bool) -> Result:
    """Replay one search over a table."""
    search = make_search(space, config, one_checkpoint=one_checkpoint, seed=seed)
    asked: dict[Configuration, float] = {}
    chain = Chain(search, (0,), lambda point, _: (asked[point],) if point in asked else None)
    while not chain.finished:
        asked |= {point: table[point] for point, _ in chain.propose()}
        chain.advance()
    best, top = max(asked.values()), max(table.values())
    better = sum(score > best for score in table.values()) / len(table)
    return Result(len(asked), top - best, better, (top - best) / (top - median(table.values())))


def side_by_side(space: SearchSpace, table: Table, name: str, *, seeds: int, one_checkpoint: bool) -> dict[str, Result]:
    """Greedy search, and the mean over seeds of random search and TPE with exactly as many trials."""
    greedy = SearchConfig(strategy=Strategy.GREEDY, space=space, evaluate=())
    found = {"greedy": searched(space, greedy, table, name, one_checkpoint=one_checkpoint)}
    for strategy in (Strategy.RANDOM, Strategy.OPTUNA):
        config = SearchConfig(strategy=strategy, space=space, trials=found["greedy"].trials, evaluate=())
        results = [
            searched(space, config, table, f"{name} {seed}", one_checkpoint=one_checkpoint) for seed in range(seeds)
        ]
        means = (mean(getattr(result, key) for result in results) for key in ("regret", "rank", "share"))
        found[str(strategy)] = Result(found["greedy"].trials, *means)
    return found


def simulated(space: SearchSpace, seed: int, noise: float) -> dict[Configuration, float]:
    """A table like A's: effects of choices and of pairs of them, smooth optima of numbers, and the noise of trainings.

    Where the best learning rate, temperature and soft-label weight lie depends on distance and student temperature.
    Scores without noise have a standard deviation of 1.
    """
    draw = random.Random(seed)  # noqa: S311 - no secret
    effect = {key: draw.gauss(0, 1) for key in _interactions(space)}
    peaks = {
        (distance, student): tuple(draw.random() for _ in range(3))
        for distance in space.choices.distance
        for student in space.choices.student_temperature
    }
    widths = [draw.uniform(1, 4) for _ in range(3)]
    axes = _scaled(space)
    scores = {}
    for point in space.grid():
        values = [str(getattr(point, name)) for name in CHOICES]
        smooth = zip(
            widths, (axis(point) for axis in axes), peaks[point.distance, point.student_temperature], strict=True
        )
        pairs = sum(effect[key] for key in _pairs(values))
        scores[point] = (
            sum(effect[value] for value in values) + 0.5 * pairs - sum(w * (x - p) ** 2 for w, x, p in smooth)
        )
    spread = pstdev(scores.values())
    return {
        point: score / spread + noise * random.Random(digest([seed, point.as_dict()])).gauss(0, 1)  # noqa: S311
        for point, score in scores.items()
    }


def _scaled(space: SearchSpace) -> list[Callable[[Configuration], float]]:
    """Learning rate, temperature and soft-label weight, each from 0 to 1."""
    rates, temperatures = sorted(space.learning_rates), sorted(space.temperature.reachable())
    reach = math.log(rates[-1] / rates[0]) or 1.0
    return [
        lambda point: math.log(point.learning_rate / rates[0]) / reach,
        lambda point: math.log(point.temperature) / math.log(temperatures[-1]),
        lambda point: point.soft_label_weight,
    ]


def _pairs(values: list[str]) -> list[tuple[str, str]]:
    return [(one, other) for index, one in enumerate(values) for other in values[index + 1 :]]


def _interactions(space: SearchSpace) -> Iterator[str | tuple[str, str]]:
    values = [[str(value) for value in getattr(space.choices, name)] for name in CHOICES]
    for index, own in enumerate(values):
        yield from own
        for others in values[index + 1 :]:
            yield from ((one, other) for one in own for other in others)


def from_ledger(folder: Path, *, seeds: int) -> dict[str, dict[str, Result]]:
    """The replays over every finished triple of a grid study, by triple."""
    study, workspace = open_study(folder)
    if workspace is None or study.config.search.strategy is not Strategy.GRID:
        raise SystemExit(f"{folder} is no directory of a grid study")
    found = {}
    for name, triple in load_search(study, Ledger(workspace.ledger).refresh()).triples.items():
        if triple.searched and not triple.failure:
            tried = {point: completed_score(score) for point, score in triple.chain.tried.items()}
            worst = min(score for score in tried.values() if score is not None)
            table = {point: worst if score is None else score for point, score in tried.items()}
            one = triple.teacher.one_checkpoint
            found[name] = side_by_side(study.space, table, name, seeds=seeds, one_checkpoint=one)
    return found


def over_tables(space: SearchSpace, noise: float, tables: int, seeds: int) -> dict[str, Result]:
    """Means over simulated tables."""
    every = [
        side_by_side(space, simulated(space, number, noise), str(number), seeds=seeds, one_checkpoint=False)
        for number in range(tables)
    ]
    return {name: _mean([found[name] for found in every]) for name in every[0]}


def _mean(results: list[Result]) -> Result:
    keys = ("regret", "rank", "share")
    first = replace(results[0], trials=round(mean(result.trials for result in results)))
    return replace(first, **{key: mean(getattr(result, key) for result in results) for key in keys})


def _print(title: str, found: Mapping[str, Result]) -> None:
    print(f"\n{title}")
    print(f"{'search':10s} {'trials':>7s} {'regret':>9s} {'of guess':>9s} {'better ones':>12s}")
    for name, result in found.items():
        print(f"{name:10s} {result.trials:7d} {result.regret:9.4f} {result.share:9.1%} {result.rank:12.2%}")


def main() -> None:
    """Print a table for each kind of scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", nargs="?", type=Path, help="a finished grid study's directory")
    parser.add_argument("--space", default="paper_a", help="search space of the simulated score tables")
    parser.add_argument("--tables", type=int, default=100, help="number of simulated score tables")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of random search and TPE on each table")
    options = parser.parse_args()
    if options.grid:
        for name, found in from_ledger(options.grid, seeds=options.seeds).items():
            _print(name, found)
        return
    space = load_space(options.space)
    for noise in NOISE:
        title = f"{options.tables} tables of {len(space.grid()):,} configurations, noise {noise:g} standard deviations"
        _print(title, over_tables(space, noise, options.tables, options.seeds))


if __name__ == "__main__":
    main()
