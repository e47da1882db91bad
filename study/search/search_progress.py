"""Where a triple's search stands, in words."""

from __future__ import annotations

from study.search.study_search import TripleSearch


def describe_progress(started: TripleSearch | None) -> str:
    """Where a triple stands, in words."""
    if started is None:
        return "waiting for its teacher"
    if started.failure:
        return f"failed: {started.failure}"
    if started.searched:
        return "finished" if started.finished else "evaluating the reference configurations"
    return started.search.progress
