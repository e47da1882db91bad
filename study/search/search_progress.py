"""How far a triple's search is, as text."""

from __future__ import annotations

from study.search.study_search import TripleSearch


def describe_progress(started: TripleSearch | None) -> str:
    """How far a triple is, as text."""
    if started is None:
        return "waiting for its teacher"
    if started.failure:
        return f"failed: {started.failure}"
    if started.searched:
        return "finished" if started.finished else "evaluating the reference configurations"
    return started.search.progress
