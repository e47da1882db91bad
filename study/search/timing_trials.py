"""Trials that come first because they tell how long the others will take."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from functools import lru_cache

from search_spaces import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.specs import TrialSpec, Triple


@lru_cache(maxsize=4096)
def cost_class(configuration: Configuration) -> Configuration:
    """A representative of all configurations whose trials cost the same and differ in numbers only."""
    same = replace(
        configuration,
        teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE,
        student_temperature=StudentTemperature.EQUAL,
        soft_label_weight=float(configuration.soft_label_weight > 0),
        temperature=1.0,
        learning_rate=1.0,
    )
    return replace(same, distance=Distance.CE) if same.distance is Distance.MSE else same


def cost_factors(triple: Triple, configuration: Configuration) -> frozenset[Hashable]:
    """Everything that decides how long a trial takes: its triple, data set, student and cost class."""
    return frozenset(
        (
            triple.triple_id,
            ("data set", triple.dataset.name),
            ("student", triple.student.name),
            cost_class(configuration),
        )
    )


def timing_trials(trials: Iterable[TrialSpec], seen: Collection[Hashable]) -> list[TrialSpec]:
    """Trials that are the first with some cost factor; those with the most new factors come first.

    Args:
        trials: The proposed trials.
        seen: Aspects of the trials so far.
    """
    known, first = set(seen), []
    left = [(trial, cost_factors(trial.triple, trial.configuration)) for trial in trials]
    for enough in (4, 3, 2, 1):
        others = []
        for trial, aspects in left:
            if len(aspects - known) < enough:
                others.append((trial, aspects))
                continue
            first.append(trial)
            known |= aspects
        left = others
    return first
