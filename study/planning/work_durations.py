"""How long work takes: as measured, or else as planned and corrected by what was measured. Without torch and Ray."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import TypeVar

from search_spaces import Configuration
from study.config import Study
from study.planning.study_plan import PlannedSeconds
from study.search import cost_class
from trials.specs import Record, SpeedRecord, TeacherRecord, TrialRecord

ROUNDS = 8  # alternating fits of factors of triples and of cost classes
QUARTERS = 4
LOAD = 0.1  # relative error of a triple's durations because of other load on the machines
SCATTER = 0.3  # relative scatter of single trials, divided by the root of their number
UNMEASURED = 0.5  # relative error of a triple without trials, once other triples have corrected the plan

Key = TypeVar("Key")


@dataclass(frozen=True)
class WorkDurations:
    """How many seconds each piece of work takes.

    Attributes:
        planned: Planned seconds of a trial, by triple; all equal if no plan can be made.
        triple_factors: Measured seconds over planned seconds, for each triple that has trials.
        class_factors: Factor of each cost class of configurations; classes that were not measured count as 1.
        default_factor: Factor of triples that have no trials yet.
        teachers: Seconds of each teacher's preparation, measured or planned, by teacher and data set.
        speeds: Seconds of each measurement of response times, by teacher and data set.
        trials: Number of trials of each triple.
        fastest, slowest: Seconds of the fastest and slowest quarter of the trials so far, over the mean.
    """

    planned: Mapping[str, float]
    triple_factors: Mapping[str, float]
    class_factors: Mapping[Configuration, float]
    default_factor: float
    teachers: Mapping[tuple[str, str], float]
    speeds: Mapping[tuple[str, str], float]
    trials: Mapping[str, int]
    fastest: float = 1.0
    slowest: float = 1.0

    def seconds(self, triple_id: str, configuration: Configuration) -> float:
        """Seconds of one trial."""
        class_factor = self.class_factors.get(cost_class(configuration), 1.0)
        return self.planned[triple_id] * self.triple_factors.get(triple_id, self.default_factor) * class_factor

    def factor_bounds(self, triple_id: str = "") -> tuple[float, float]:
        """Factors that turn expected seconds into the least and the most, for a triple or for other work."""
        number = self.trials.get(triple_id, 0)
        off = 1 + (max(LOAD, SCATTER / math.sqrt(number)) if number else UNMEASURED)
        return min(self.fastest, 1 / off), max(self.slowest, off)


def estimate_durations(study: Study, planned: PlannedSeconds | None, records: Iterable[Record]) -> WorkDurations:
    """Estimate how long each piece of a study's work takes.

    A trial takes its triple's planned seconds, times a factor of the triple, times a factor of its cost class. The
    factors are fitted to the trials so far; those of cost classes are shrunk to 1 as if by one more trial. Triples
    without trials take the mean factor of the others, or else of teachers.

    Args:
        study: The study. Records of other triples or recipes are not used.
        planned: Planned seconds; None if they are unknown.
        records: Its ledger.
    """
    records = sorted(records, key=lambda record: record.run.finished_at)
    if planned is None or not all(planned.trials.values()):
        pairs = dict.fromkeys(((t.name, d.name) for t, d in study.teacher_pairs), 1.0)
        planned = PlannedSeconds({t.triple_id: 1.0 for t in study.triples}, pairs, pairs if study.config.speed else {})
    recipes = {triple.triple_id: study.student_recipe(triple.dataset) for triple in study.triples}
    trials = [r for r in records if isinstance(r, TrialRecord) and r.spec.training == recipes.get(r.triple_id)]
    triples, kinds = _fit(trials, planned.trials)
    teachers, of_teachers = _corrected(planned.teachers, _took(records, TeacherRecord))
    others = _ratio({t: triples[t] * planned.trials[t] for t in triples}, planned.trials) or of_teachers or 1.0
    if of_teachers is None:
        teachers = {pair: others * seconds for pair, seconds in planned.teachers.items()}
    speeds, of_speeds = _corrected(planned.speeds, _took(records, SpeedRecord))
    if of_speeds is None:
        speeds = {pair: others * seconds for pair, seconds in planned.speeds.items()}
    numbers = Counter(trial.triple_id for trial in trials)
    durations = WorkDurations(planned.trials, triples, kinds, others, teachers, speeds, numbers)
    if len(trials) < QUARTERS:
        return durations
    quarters = _quarters([(t.run.seconds, durations.seconds(t.triple_id, t.configuration)) for t in trials])
    return replace(durations, fastest=min(*quarters, 1.0), slowest=max(*quarters, 1.0))


def _fit(
    trials: Sequence[TrialRecord], planned: Mapping[str, float]
) -> tuple[dict[str, float], dict[Configuration, float]]:
    """Factors of triples and of cost classes. They are means, because totals are estimated."""
    took = [(t.triple_id, cost_class(t.configuration), t.run.seconds / planned[t.triple_id]) for t in trials]
    triples: dict[str, float] = {}
    kinds: dict[Configuration, float] = {}
    for _ in range(ROUNDS):
        of_triple: dict[str, list[float]] = {}
        of_kind: dict[Configuration, list[float]] = {}
        for triple, kind, factor in took:
            of_triple.setdefault(triple, []).append(factor / kinds.get(kind, 1.0))
        triples = {triple: fmean(factors) or 1.0 for triple, factors in of_triple.items()}
        for triple, kind, factor in took:
            of_kind.setdefault(kind, []).append(factor / triples[triple])
        kinds = {kind: fmean([1.0, *factors]) for kind, factors in of_kind.items()}
    return triples, kinds


def _took(records: Iterable[Record], kind: type[TeacherRecord | SpeedRecord]) -> dict[tuple[str, str], float]:
    """Seconds of the newest record of each teacher and data set."""
    found = [record for record in records if isinstance(record, kind)]
    return {(each.task.teacher.name, each.task.dataset.name): each.run.seconds for each in found}


def _corrected(
    planned: dict[tuple[str, str], float], took: dict[tuple[str, str], float]
) -> tuple[dict[tuple[str, str], float], float | None]:
    """Seconds of each, measured or else planned times the mean ratio of measured to planned; and that ratio."""
    took = {pair: seconds for pair, seconds in took.items() if pair in planned}
    ratio = _ratio(took, planned)
    return {pair: took.get(pair, (ratio or 1.0) * seconds) for pair, seconds in planned.items()}, ratio


def _ratio(took: Mapping[Key, float], planned: Mapping[Key, float]) -> float | None:
    """Sum of the measured seconds over the sum of their planned seconds; None if nothing was measured."""
    expected = sum(planned[each] for each in took)
    return sum(took.values()) / expected if expected else None


def _quarters(took: Sequence[tuple[float, float]]) -> list[float]:
    """Ratio of seconds to expected seconds, for each quarter of the (seconds, expected) pairs."""
    cuts = [len(took) * quarter // QUARTERS for quarter in range(QUARTERS + 1)]
    parts = [took[start:stop] for start, stop in pairwise(cuts)]
    return [sum(seconds for seconds, _ in part) / sum(expected for _, expected in part) for part in parts]
