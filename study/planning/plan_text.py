"""The lines that `kdstudy plan` prints."""

from __future__ import annotations

from search_spaces import counted
from study.config import Study
from study.planning.study_plan import Plan
from study.planning.work_left import WorkLeft
from study.planning.work_left_text import describe_hours


def plan_lines(study: Study, made: Plan, left: WorkLeft | None) -> list[tuple[str, str]]:
    """Names and values; if a study has started, its hours are corrected by its trials."""
    rows = [
        ("trials per triple", f"{_span(made.fewest, made.most)} ({counted(made.seeds, 'seed')})"),
        ("trials in all", _span(made.fewest_in_all, made.most_in_all)),
        *_search_rows(made, len(made.triples) * made.seeds),
        *([("stopped early", str(stopping))] if (stopping := study.config.search.stopping) else []),
        ("hours of one worker", describe_hours(made.hours, left)),
        ("disk", "unknown" if made.disk_gigabytes is None else f"about {made.disk_gigabytes:.2f} GB"),
        ("memory of a trial", "unknown" if made.memory_gigabytes is None else f"up to {made.memory_gigabytes:.1f} GB"),
    ]
    rows += [("model", f"{model}: {path}") for model, path in made.forward.items()]
    rows += [("student", f"{name}: {shape}") for name, shape in made.students.items()]
    rows += [("layers compared", f"{pair}: {pairs} (student's-teacher's)") for pair, pairs in made.layer_maps.items()]
    rows += [("stages", f"{name}: {stages}") for name, stages in made.stages.items()]
    rows += [("attention maps", f"{triple}: {how}") for triple, how in made.attention.items()]
    if made.unknown:
        rows.append(("not found here", ", ".join(made.unknown)))
    return rows


def _search_rows(made: Plan, runs: int) -> list[tuple[str, str]]:
    """Which part of the search space is tried."""
    if made.experiments:
        return [("experiments", ", ".join(made.experiments))]
    if made.strategy != "greedy":
        size = f"{counted(made.exhaustive_grid, 'configuration')}, learning rates included"
        values = ", ".join(f"{value:g}" for value in made.temperatures)
        return [("search", made.strategy), ("exhaustive grid", size), ("grid temperatures", values)]
    return [
        ("choices visited", f"{made.choices_visited} of {made.choices_in_space} at the default soft-label weight"),
        ("full grid", _grid(made.grid_per_triple, made.grid_paper, made.learning_rates, runs)),
    ]


def _span(fewest: int, most: int) -> str:
    return f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"


def _grid(size: int, paper: int, learning_rates: int, runs: int) -> str:
    rates = counted(learning_rates, "learning rate")
    per_triple = f"{counted(size, 'configuration')} per triple ({paper:,} if MSE had no temperature)"
    return f"{counted(size * learning_rates * runs, 'trial')}: {per_triple} x {rates}"
