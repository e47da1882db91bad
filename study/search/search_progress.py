"""Where a triple's search stands, in words."""

from __future__ import annotations

from study.search.searchers import ExperimentSearch, GridPointSearch
from study.search.study_search import TripleSearch


def describe_progress(started: TripleSearch | None) -> str:
    """Where a triple stands, in words."""
    if started is None:
        return "waits for its teacher"
    if started.failure:
        return f"failed: {started.failure}"
    if started.searched:
        return "finished" if started.finished else "evaluating the reference configurations"
    if isinstance(started.search, ExperimentSearch):
        return f"{len(started.search.named)} of {len(started.search.space.experiments)} experiments"
    if isinstance(started.search, GridPointSearch):
        return f"{started.search.num_tried} of {started.search.budget} configurations"
    compared = [step.parameter for step in started.search.steps]
    return f"step {len(compared) + 1}: after {compared[-1]}" if compared else "step 1: tuning the default"
