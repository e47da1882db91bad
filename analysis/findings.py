"""All of paper A's questions, answered from a study file and its records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.curves import TemperatureCurve, TrainingCurve, temperature_curves, training_curves
from analysis.gains import Comparison, Share, at_least_as_good, best_gains, compare, lags
from analysis.outcomes import Role, TripleOutcome, triple_outcomes
from analysis.parameters import Change, ParameterEffect, changes, parameter_effects
from analysis.provenance import Provenance, current_teachers, current_trials, provenance
from search_spaces.configuration import Configuration
from study.config import Study
from study.ledger import BadFile
from study.search import StudySearch, load_search
from study.searchers.stable import stable_choice
from trials.record import Record, TeacherRecord


@dataclass(frozen=True)
class Findings:
    """What a study says so far.

    Attributes:
        study: The study.
        outcomes: One per triple, in the study's order.
        best_over_worst, best_over_random: A's figure 1.
        stable_to_best, random_to_best, lazy_to_best: A's figure 3.
        worst_to_best: The worst choice, seen from the best.
        stable_share: Triples where the stable configuration is at least as good as the best.
        changes: Every step of every search.
        effects: A's figure 2 and table 3, one per parameter.
        stable: The choices that the rewards pick, from the steps made so far; None without steps.
        stable_is_final: Whether every search has ended, so that `stable` will not change.
        temperature_curves, training_curves: Validation curves.
        teachers: The teachers' records.
        provenance: Where the numbers come from.
    """

    study: Study
    outcomes: tuple[TripleOutcome, ...]
    best_over_worst: Comparison
    best_over_random: Comparison
    stable_to_best: Comparison
    random_to_best: Comparison
    lazy_to_best: Comparison
    worst_to_best: Comparison
    stable_share: Share
    changes: tuple[Change, ...]
    effects: tuple[ParameterEffect, ...]
    stable: Configuration | None
    stable_is_final: bool
    temperature_curves: tuple[TemperatureCurve, ...]
    training_curves: tuple[TrainingCurve, ...]
    teachers: tuple[TeacherRecord, ...]
    provenance: Provenance

    @property
    def roles(self) -> tuple[Role, ...]:
        """The students that every triple is asked for: best, worst, random, and those the study file evaluates."""
        return (Role.BEST, Role.WORST, Role.RANDOM, *(Role(name) for name in self.study.config.search.evaluate))

    @property
    def num_missing(self) -> int:
        """Scores asked for that are not there (or not final yet), over triples and `roles`."""
        return sum(outcome.final_score(role) is None for outcome in self.outcomes for role in self.roles)


def analyse(study: Study, records: Iterable[Record], bad_files: Iterable[BadFile] = ()) -> Findings:
    """Answer every question from the records; works at any time of a study, from its first record on."""
    records = sorted(records, key=lambda record: record.record_id)
    search = load_search(study, records)
    trials = current_trials(search, records)
    outcomes = triple_outcomes(search, trials)
    over_worst, over_random = best_gains(outcomes)
    stable, random, lazy = lags(outcomes)
    return Findings(
        study=study,
        outcomes=outcomes,
        best_over_worst=over_worst,
        best_over_random=over_random,
        stable_to_best=stable,
        random_to_best=random,
        lazy_to_best=lazy,
        worst_to_best=compare(outcomes, Role.WORST, Role.BEST),
        stable_share=at_least_as_good(stable),
        changes=changes(search, outcomes),
        effects=parameter_effects(search, outcomes),
        stable=_stable(search),
        stable_is_final=search.stable_choice is not None,
        temperature_curves=temperature_curves(search, trials),
        training_curves=training_curves(search, outcomes),
        teachers=tuple(current_teachers(search)),
        provenance=provenance(search, records, list(bad_files)),
    )


def _stable(search: StudySearch) -> Configuration | None:
    steps = list(search.steps)
    return stable_choice(steps, search.study.space) if steps else None


def comparisons(findings: Findings) -> Sequence[Comparison]:
    """Every comparison between roles, figure 1 first."""
    return (
        findings.best_over_worst,
        findings.best_over_random,
        findings.stable_to_best,
        findings.random_to_best,
        findings.lazy_to_best,
        findings.worst_to_best,
    )
