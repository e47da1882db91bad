"""The tables of searches side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from analysis.presentation import Column, Table
from analysis.searches.findings import ComparedTriple
from study.config import Strategy

Row = dict[str, Any]
OF_SEARCH = (
    Column[Row]("triple", "triple.triple.triple_id", "teacher/student/dataset"),
    Column[Row]("metric", "triple.metric", "the score; validation, test and regret are in its units"),
    Column[Row]("study", "run.study", "the study's name, or its directory where names are equal"),
    Column[Row]("strategy", "run.strategy", "how it searches"),
)


def _searches(found: Sequence[ComparedTriple]) -> Iterator[Row]:
    for triple in found:
        for run in triple.runs:
            # a grid's order means nothing
            early = None if run.strategy is Strategy.GRID else run.best_after(triple.same_number)
            yield {"triple": triple, "run": run, "best": run.best, "early": early}


def _regret(row: Row, which: str) -> float | None:
    triple, attempt = row["triple"], row[which]
    regret: float | None = triple.regret(attempt.validation) if attempt else None
    return regret


HOURS = "worker hours of these trials, as their records say; teachers are not in it"
REGRET = "the best validation score of the whole grid minus `validation`; empty without a finished grid"
EARLY = "best validation score among the first `same_number`; not of a grid, in any order"
CONFIGURATION = "the configuration that validates best, the first of equals"
SAME_TEACHERS = "whether the students of all studies learn from the same checkpoints"
SEARCHES = Table[Sequence[ComparedTriple], Row](
    name="searches",
    description="A study and shared triple: what its search has found, with how much work.",
    rows=_searches,
    columns=(
        *OF_SEARCH,
        Column("finished", "run.finished", "whether the search has ended"),
        Column("configurations", lambda row: len(row["run"].attempts), "configurations tried"),
        Column("trials", "run.trials", "trials behind them: one per configuration and seed"),
        Column("hours", "run.hours", HOURS),
        Column("validation", "best.validation", "best validation score found, mean over seeds"),
        Column("test", "best.test", "test score of the configuration that validates best"),
        Column("configuration", lambda row: str(row["best"].configuration) if row["best"] else None, CONFIGURATION),
        Column("regret", lambda row: _regret(row, "best"), REGRET),
        Column("same_number", "triple.same_number", "configurations of the shortest of the searches compared"),
        Column("validation_at_same_number", "early.validation", EARLY),
        Column("regret_at_same_number", lambda row: _regret(row, "early"), "its regret"),
        Column("same_teachers", "triple.same_teachers", SAME_TEACHERS),
    ),
)


def _best_so_far(found: Sequence[ComparedTriple]) -> Iterator[Row]:
    for triple in found:
        for run in triple.runs:
            for number, score in enumerate(run.best_so_far, start=1):
                yield {"triple": triple, "run": run, "number": number, "best": score, "regret": triple.regret(score)}


NUMBER = "configurations tried so far, in the order in which the search asked for them"
BEST_SO_FAR = Table[Sequence[ComparedTriple], Row](
    name="best_so_far",
    description="A study, shared triple and number of configurations: the best found so far.",
    rows=_best_so_far,
    columns=(
        *OF_SEARCH,
        Column("number", "number", NUMBER),
        Column("validation", "best", "best validation score so far; empty while all have failed"),
        Column("regret", "regret", "the best validation score of the whole grid minus it"),
    ),
)
TABLES = (SEARCHES, BEST_SO_FAR)
