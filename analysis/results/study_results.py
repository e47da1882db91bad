"""A study with its records, and all that is computed from them: each part on its first use, and only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, TypeVar

from analysis.results.outcomes import Role, TripleOutcome, triple_outcomes
from analysis.results.provenance import Provenance, current_speeds, current_teachers, current_trials, provenance
from analysis.results.study_kind import compares_shapes, compares_transfer, has_one_configuration
from study.config import Strategy, Study
from study.ledger import BadFile
from study.search import StudySearch, load_search
from trials.specs import Record, SpeedRecord, TeacherRecord, TrialRecord

Found = TypeVar("Found")


class StudyResults:
    """What every section of the report is computed from. It knows no family of questions.

    Attributes:
        study: The study.
        records: Its ledger's records, sorted by id: the same records give the same report.
        bad_files: Files in the ledger that are no records.
        folder: The study's directory, for the answers of models to test examples; None leaves these out.
        include_stopped: Whether choices count all of whose trials were stopped early, by their best validation score.
    """

    def __init__(
        self,
        study: Study,
        records: Iterable[Record] = (),
        bad_files: Iterable[BadFile] = (),
        folder: Path | None = None,
        *,
        include_stopped: bool = False,
    ):
        self.study = study
        self.records = tuple(sorted(records, key=lambda record: record.record_id))
        self.bad_files = tuple(bad_files)
        self.folder = folder
        self.include_stopped = include_stopped
        self.parts: dict[Callable[..., Any], Any] = {}  # what families computed, by the function; see `computed_once`

    @cached_property
    def search(self) -> StudySearch:
        """The study's state."""
        return load_search(self.study, self.records, include_stopped=self.include_stopped)

    @cached_property
    def trials(self) -> list[TrialRecord]:
        """The trial records that count."""
        return current_trials(self.search, self.records)

    @cached_property
    def outcomes(self) -> tuple[TripleOutcome, ...]:
        """The outcome of every triple, in the study's order."""
        return triple_outcomes(self.search, self.trials)

    @cached_property
    def teachers(self) -> tuple[TeacherRecord, ...]:
        """The teachers' records, in the study's order."""
        return tuple(current_teachers(self.search))

    @cached_property
    def speeds(self) -> tuple[SpeedRecord, ...]:
        """The response times, in the study's order."""
        return tuple(current_speeds(self.search))

    @cached_property
    def provenance(self) -> Provenance:
        """Where the numbers come from."""
        return provenance(self.search, self.records, self.bad_files)

    @property
    def strategy(self) -> Strategy:
        """How its triples are searched."""
        return self.study.config.search.strategy

    @cached_property
    def compares_choices(self) -> bool:
        """Whether the study compares parameter choices, or tunes any."""
        return self.strategy is not Strategy.EXPERIMENTS and not has_one_configuration(self.study.space)

    @property
    def compares_steps(self) -> bool:
        """Whether its searches go step by step, so that parameters are compared one by one."""
        return self.compares_choices and self.strategy is Strategy.GREEDY

    @property
    def compares_experiments(self) -> bool:
        """Whether it compares named configurations, and has begun to."""
        begun = (outcome for outcome in self.outcomes if outcome.triple_id in self.search.triples)
        return self.strategy is Strategy.EXPERIMENTS and any(outcome.triple.student.distil for outcome in begun)

    @property
    def compares_transfer(self) -> bool:
        """Whether its experiments ask what a teacher adds to small students, as paper D's do."""
        return compares_transfer(self.study)

    @property
    def compares_shapes(self) -> bool:
        """Whether a teacher has students of several shapes."""
        return any(compares_shapes(self.study, teacher) for teacher in self.study.config.teachers)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of its data sets, in the study's order."""
        return tuple(dict.fromkeys(outcome.metric for outcome in self.outcomes))

    @property
    def roles(self) -> tuple[Role, ...]:
        """The students that every triple is asked for; the best one alone where no choices are compared."""
        if not self.compares_choices:
            return (Role.BEST,)
        return (Role.BEST, Role.WORST, Role.RANDOM, *(Role(name) for name in self.study.config.search.evaluate))

    @property
    def num_missing(self) -> int:
        """Scores of `roles` that are not there, or not final yet, over all triples."""
        return sum(outcome.final_score(role) is None for outcome in self.outcomes for role in self.roles)


def computed_once(compute: Callable[[StudyResults], Found]) -> Callable[[StudyResults], Found]:
    """Keep what a function computes from a study's results with these, so that several sections can share it."""

    @wraps(compute)
    def kept(results: StudyResults) -> Found:
        if compute not in results.parts:
            results.parts[compute] = compute(results)
        found: Found = results.parts[compute]
        return found

    return kept
