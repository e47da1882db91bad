"""What did each triple come to? Its best, worst, random, lazy and stable configuration, beside its teacher.

Selection reads validation scores alone; what is reported is the test score, averaged over seeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import fsum

from analysis.results.scales import full_score
from search_spaces import Configuration
from study.search import StudySearch, TripleSearch
from study.search.searchers import Candidate, FixedChoiceSearch
from trials.specs import Status, TaskName, TeacherRecord, TrialRecord, Triple
from trials.tasks import task_of

TEACHER = "teacher"  # how tables and figures name the teacher among its students


class Progress(StrEnum):
    """How far a triple is."""

    WAITING = "waiting"  # its teacher is not ready
    SEARCHING = "searching"
    SEARCHED = "searched"
    FAILED = "failed"


class Role(StrEnum):
    """Whose test score it is."""

    TEACHER = "teacher"
    BEST = "best"
    STABLE = "stable"
    RANDOM = "random"
    LAZY = "lazy"
    WORST = "worst"
    MAJORITY = "majority"


@dataclass(frozen=True)
class Scored:
    """A tuned choice with its scores, each the mean over all seeds; None if any trial of it failed or was stopped.

    Where stopped trials count, a choice none of whose trials was completed has the scores of the best stopped one.
    """

    choice: Configuration  # the parameters as they were chosen
    validation_score: float | None  # what selection reads
    test_score: float | None  # what is reported
    softmax: bool = True  # whether the task's outputs are logits; without, distance and temperatures are no parameters

    @property
    def trained(self) -> Configuration:
        """The choice; of a task without softmax what all choices come to that differ in nothing else."""
        return self.choice if self.softmax else self.choice.without_softmax()

    def is_trial_of(self, other: Scored) -> bool:
        """Whether both are one and the same trial."""
        return self.trained.canonical() == other.trained.canonical()


@dataclass(frozen=True)
class TripleOutcome:
    """One triple's scores. Everything unknown is None."""

    triple: Triple  # teacher, student and data set
    progress: Progress  # how far it is; before `SEARCHED`, best, worst and random are those of the choices seen so far
    failure: str | None = None  # why its search failed
    # the tuned choices that its search visited, in order, each trial once (A, section 3)
    candidates: tuple[Scored, ...] = ()
    stable: Scored | None = None  # A's stable configuration and lazy baseline (A, figure 3)
    lazy: Scored | None = None
    teacher_score: float | None = None  # test score of the teacher's highest-score checkpoint
    # test score of the best answer that is the same for all; 0 where no such answer scores
    majority_score: float | None = None
    test_rows: int | None = None  # test examples
    num_trials: int = 0  # its finished trials, and those of them that failed or were stopped early
    num_failed: int = 0
    num_stopped: int = 0
    hours: float = 0.0  # worker hours of its trials
    num_parameters: int | None = None  # the student's parameters

    @property
    def triple_id(self) -> str:
        """``teacher/student/dataset``."""
        return self.triple.triple_id

    @property
    def task(self) -> TaskName:
        """The kind of task."""
        return self.triple.dataset.task

    @property
    def metric(self) -> str:
        """The score that is maximised."""
        return self.triple.dataset.metric

    @property
    def softmax(self) -> bool:
        """Whether the task's outputs are logits; without, distance and temperatures are no parameters."""
        return has_softmax(self.triple)

    @property
    def searched(self) -> bool:
        """Whether the search has ended, so that best, worst and random are final."""
        return self.progress is Progress.SEARCHED

    @property
    def completed(self) -> tuple[Scored, ...]:
        """The candidates with scores that count."""
        return tuple(candidate for candidate in self.candidates if candidate.validation_score is not None)

    @property
    def best(self) -> Scored | None:
        """The completed candidate of highest validation score, the first of equals."""
        return max(self.completed, key=_validation, default=None)

    @property
    def worst(self) -> Scored | None:
        """The completed candidate of lowest validation score, the first of equals."""
        return min(self.completed, key=_validation, default=None)

    @property
    def random_score(self) -> float | None:
        """Expected test score of a completed candidate drawn uniformly: exact, no draws."""
        return mean(candidate.test_score for candidate in self.completed)

    @property
    def resolution(self) -> float | None:
        """The share of one test example, the full score / rows: smaller differences mean nothing."""
        return full_score(self.metric) / self.test_rows if self.test_rows else None

    def configuration(self, role: Role) -> Scored | None:
        """The student of a role; None for the teacher, the majority and the random choice, which are none."""
        students = {Role.BEST: self.best, Role.STABLE: self.stable, Role.LAZY: self.lazy, Role.WORST: self.worst}
        return students.get(role)

    def test_score(self, role: Role) -> float | None:
        """The test score of a role, as far as it is known."""
        scores = {Role.TEACHER: self.teacher_score, Role.MAJORITY: self.majority_score, Role.RANDOM: self.random_score}
        student = self.configuration(role)
        return student.test_score if student else scores.get(role)

    def final_score(self, role: Role) -> float | None:
        """The test score of a role; None while the search may still change it."""
        changing = role in (Role.BEST, Role.RANDOM, Role.WORST)
        return None if changing and not self.searched else self.test_score(role)


def triple_outcomes(search: StudySearch, trials: Iterable[TrialRecord]) -> tuple[TripleOutcome, ...]:
    """The outcome of every triple of the study, in the study's order.

    Args:
        search: The study's state.
        trials: The trial records that count (see `provenance.current_trials`).
    """
    by_triple: dict[str, list[TrialRecord]] = {triple.triple_id: [] for triple in search.study.triples}
    for record in trials:
        by_triple[record.triple_id].append(record)
    return tuple(_outcome(search, triple, by_triple[triple.triple_id]) for triple in search.study.triples)


def scored(triple: TripleSearch, candidate: Candidate) -> Scored:
    """A candidate with its test score."""
    known = candidate.score is not None or (candidate.stopped is not None and triple.include_stopped)
    records = triple.records(candidate.configuration) if known else []
    validation = mean(record.validation_score for record in records) if candidate.score is None else candidate.score
    test_score = mean(record.test_score for record in records)
    return Scored(candidate.choice, validation, test_score, has_softmax(triple.triple))


def counts(record: TrialRecord, triple: TripleSearch) -> bool:
    """Whether the scores of a trial count: not of those that were stopped, unless asked for."""
    return record.status is not Status.STOPPED or triple.include_stopped


def has_softmax(triple: Triple) -> bool:
    """Whether outputs of the triple's task are logits."""
    return task_of(triple.dataset).softmax


def mean(scores: Iterable[float | None]) -> float | None:
    """The mean; None if there is nothing to average, or a score is missing."""
    values = list(scores)
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known and len(known) == len(values) else None


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of what is not None; None where nothing is."""
    known = [value for value in values if value is not None]
    return fsum(known) / len(known) if known else None


def _outcome(search: StudySearch, triple: Triple, trials: list[TrialRecord]) -> TripleOutcome:
    started = search.triples.get(triple.triple_id)
    teacher = search.teacher_record(triple.teacher, triple.dataset)
    return TripleOutcome(
        triple=triple,
        progress=_progress(search, triple, started),
        failure=search.failures.get(triple.triple_id),
        candidates=_candidates(started) if started else (),
        stable=_evaluated(started, started.stable) if started else None,
        lazy=_evaluated(started, started.lazy) if started else None,
        teacher_score=_teacher_score(teacher),
        majority_score=teacher.majority_score if teacher else None,
        test_rows=teacher.rows.get("test") if teacher else None,
        num_trials=len(trials),
        num_failed=sum(record.status is Status.FAILED for record in trials),
        num_stopped=sum(record.status is Status.STOPPED for record in trials),
        hours=fsum(record.run.seconds for record in trials) / 3600,
        num_parameters=next((record.num_parameters for record in trials if record.num_parameters), None),
    )


def _progress(search: StudySearch, triple: Triple, started: TripleSearch | None) -> Progress:
    if triple.triple_id in search.failures:
        return Progress.FAILED
    if started is None:
        return Progress.WAITING
    return Progress.SEARCHED if started.searched else Progress.SEARCHING


def _candidates(triple: TripleSearch) -> tuple[Scored, ...]:
    """What the search visited. Choices that are one trial stand here once, lest a random choice fall on it twice."""
    found: dict[Configuration, Scored] = {}
    for candidate in triple.search.candidates:
        student = scored(triple, candidate)
        found.setdefault(student.trained.canonical(), student)
    return tuple(found.values())


def _evaluated(triple: TripleSearch, evaluation: FixedChoiceSearch | None) -> Scored | None:
    return scored(triple, evaluation.candidate) if evaluation and evaluation.candidate else None


def _teacher_score(teacher: TeacherRecord | None) -> float | None:
    usable = teacher is not None and teacher.status.has_scores
    return teacher.selected("highest_score").test_score if teacher and usable else None


def _validation(candidate: Scored) -> float:
    return candidate.validation_score if candidate.validation_score is not None else float("nan")
