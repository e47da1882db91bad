"""A table of outcomes on the page of a study of shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis import page
from analysis.presentation import duration, millions, score
from analysis.results import Role, TripleOutcome


def outcome_table(outcomes: Sequence[TripleOutcome], roles: Mapping[Role, str]) -> str:
    """Test scores of some triples in some roles, which are named, and what they took."""
    stopped = any(outcome.num_stopped for outcome in outcomes)
    columns = ["triple", "metric", "progress", *roles.values(), "trials", "failed"]
    columns += [*(["stopped"] * stopped), "work", "parameters"]
    rows = [
        [
            outcome.triple_id,
            outcome.metric,
            str(outcome.progress),
            *(score(outcome.test_score(role), outcome.metric) for role in roles),
            str(outcome.num_trials),
            str(outcome.num_failed),
            *([str(outcome.num_stopped)] * stopped),
            duration(outcome.hours),
            millions(outcome.num_parameters),
        ]
        for outcome in outcomes
    ]
    return page.table(columns, rows, numbers=len(columns) - 3)
