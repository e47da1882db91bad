"""Which trials come first, so that it is known early how long the others take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import lru_cache

from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from trials.spec import TrialSpec


@lru_cache(maxsize=4096)
def kind_of(configuration: Configuration) -> Configuration:
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


def probes_first(
    trials: Iterable[TrialSpec], triples: Collection[str], kinds: Collection[Configuration]
) -> list[TrialSpec]:
    """One trial of each triple and of each kind that has none comes first, few for both; the others stay in order.

    Args:
        trials: What is proposed.
        triples: Ids of triples that have a trial.
        kinds: Kinds of configurations that have one.
    """
    seen_triples, seen_kinds, left, first = set(triples), set(kinds), list(trials), []
    for enough in (2, 1):  # a trial that is the first of its triple and its kind, then one that is either
        others = []
        for trial in left:
            triple, kind = trial.triple.triple_id, kind_of(trial.configuration)
            if (triple not in seen_triples) + (kind not in seen_kinds) < enough:
                others.append(trial)
                continue
            first.append(trial)
            seen_triples.add(triple)
            seen_kinds.add(kind)
        left = others
    return first + left
