"""Does a student answer as its teacher does (C, tables 3 and 4)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results import Answered, Classes
from trials.specs import TrialRecord

MOST_SHOWN = 12  # examples of a triple on which two students differ


@dataclass(frozen=True)
class Fidelity:
    """Whether a student is right where its teacher is (C, table 3), in examples, means over seeds."""

    both: float  # who is right
    only_teacher: float
    only_student: float
    neither: float
    agreement: float  # share of examples that both answer alike, right or wrong


@dataclass(frozen=True)
class Disagreement:
    """A test example that the teacher and one of two students get right (C, table 4)."""

    text: str  # the example
    text_pair: str
    label: str  # its label's name
    before: str  # what the first experiment's student, and another one's, answered
    after: str
    # the probability that teacher, `before` and `after` have of their answers; None where it was not kept
    sure: tuple[float | None, ...]


def fidelity_of(kept: Answered, answers: Sequence[Classes]) -> Fidelity | None:
    """How students of several seeds answer beside their teacher; None without any."""
    if not answers:
        return None
    teacher = kept.teacher == kept.labels
    right = np.mean([found == kept.labels for found in answers], axis=0)
    return Fidelity(
        both=float(right[teacher].sum()),
        only_teacher=float((1 - right)[teacher].sum()),
        only_student=float(right[~teacher].sum()),
        neither=float((1 - right)[~teacher].sum()),
        agreement=float(np.mean([found == kept.teacher for found in answers])),
    )


def disagreements_of(
    kept: Answered, first: tuple[TrialRecord, Classes], other: tuple[TrialRecord, Classes]
) -> tuple[tuple[Disagreement, ...], int]:
    """Examples that the teacher and one of two students get right, drawn at random where there are many.

    Args:
        kept: What the teacher answered.
        first: A trial of the first experiment, and its student's answers.
        other: Likewise of another experiment.

    Returns:
        The examples, and how many there are in all.
    """
    (_, before), (_, after) = first, other
    differ = (before == kept.labels) != (after == kept.labels)
    places = np.flatnonzero((kept.teacher == kept.labels) & differ)
    drawn = np.sort(np.random.default_rng(13).permutation(places)[:MOST_SHOWN])
    sure = (kept.sure, *(kept.sure_of_trial(record) for record, _ in (first, other)))
    shown = tuple(
        Disagreement(
            text=kept.texts[at],
            text_pair=kept.text_pairs[at],
            label=kept.label_names[kept.labels[at]],
            before=kept.label_names[before[at]],
            after=kept.label_names[after[at]],
            sure=tuple(None if own is None else float(own[at]) for own in sure),
        )
        for at in drawn
    )
    return shown, len(places)
