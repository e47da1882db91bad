"""Which trials come first, so that it is known early how long the others take."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from dataclasses import replace
from functools import lru_cache

from search_spaces import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.specs import TrialSpec, Triple


@lru_cache(maxsize=4096)
def cost_class(configuration: Configuration) -> Configuration:
    """What stands for all configurations whose trials compute the same, with other numbers in it."""
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
    """What decides how long a trial takes: its triple, that one's data set and student, its kind."""
    return frozenset(
        (
            triple.triple_id,
            ("data set", triple.dataset.name),
            ("student", triple.student.name),
            cost_class(configuration),
        )
    )


def timing_trials(trials: Iterable[TrialSpec], seen: Collection[Hashable]) -> list[TrialSpec]:
    """Trials that are the first in some aspects, those that are so in most first.

    Args:
        trials: What is proposed.
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
