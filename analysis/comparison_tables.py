"""Searches side by side as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis.comparison import Compared
from analysis.presentation import ExportedTable
from study.config import Strategy

_PARTS = {
    "triple": "teacher/student/dataset",
    "metric": "the score; validation, test and regret are in its units",
    "study": "the study's name, or its directory where names are equal",
    "strategy": "how it searches",
}
SEARCHES = {
    **_PARTS,
    "finished": "whether the search has ended",
    "configurations": "configurations tried",
    "trials": "trials behind them: one per configuration and seed",
    "hours": "worker hours of these trials, as their records say; teachers are not in it",
    "validation": "best validation score found, mean over seeds",
    "test": "test score of what validates best",
    "configuration": "what validates best, the first of equals",
    "regret": "the best validation score of the whole grid minus `validation`; empty without a finished grid",
    "same_number": "configurations of the shortest of the searches compared",
    "validation_at_same_number": "best validation score among the first `same_number`; not of a grid, in any order",
    "regret_at_same_number": "its regret",
    "same_teachers": "whether all studies' students learn from the same checkpoints",
}
BEST_SO_FAR = {
    **_PARTS,
    "number": "configurations tried so far, in the order in which the search asked for them",
    "validation": "best validation score so far; empty while all have failed",
    "regret": "the best validation score of the whole grid minus it",
}


def comparison_tables(found: Sequence[Compared]) -> dict[str, ExportedTable]:
    """Both tables by name."""
    searches = "A study and shared triple: what its search has found, with how much work."
    best = "A study, shared triple and number of configurations: the best found so far."
    return {
        "searches": ExportedTable(
            "searches", searches, SEARCHES, pd.DataFrame(list(_searches(found)), columns=list(SEARCHES))
        ),
        "best_so_far": ExportedTable(
            "best_so_far", best, BEST_SO_FAR, pd.DataFrame(list(_best(found)), columns=[*BEST_SO_FAR])
        ),
    }


def _searches(found: Sequence[Compared]) -> Iterator[dict[str, Any]]:
    for triple in found:
        for run in triple.runs:
            best = run.best
            early = None if run.strategy is Strategy.GRID else run.best_after(triple.same_number)
            yield {
                "triple": triple.triple.triple_id,
                "metric": triple.metric,
                "study": run.study,
                "strategy": str(run.strategy),
                "finished": run.finished,
                "configurations": len(run.attempts),
                "trials": run.trials,
                "hours": run.hours,
                "validation": best.validation if best else None,
                "test": best.test if best else None,
                "configuration": str(best.configuration) if best else None,
                "regret": triple.regret(best.validation) if best else None,
                "same_number": triple.same_number,
                "validation_at_same_number": early.validation if early else None,
                "regret_at_same_number": triple.regret(early.validation) if early else None,
                "same_teachers": triple.same_teachers,
            }


def _best(found: Sequence[Compared]) -> Iterator[dict[str, Any]]:
    for triple in found:
        for run in triple.runs:
            names = {"triple": triple.triple.triple_id, "metric": triple.metric, "study": run.study}
            for number, score in enumerate(run.best_so_far, start=1):
                own = {"number": number, "validation": score, "regret": triple.regret(score)}
                yield {**names, "strategy": str(run.strategy), **own}
