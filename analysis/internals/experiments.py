"""Named configurations against the first of them, triple by triple (C, tables 1, 3 and 4, figure 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from analysis.internals.agreement import Disagreement, Fidelity, disagreements_of, fidelity_of
from analysis.internals.attention import Attention, attention_of
from analysis.results import (
    Answered,
    Difference,
    StudyResults,
    TripleOutcome,
    answered,
    answers_by_seed,
    computed_once,
    difference,
    finished_by_seed,
    mean,
)
from search_spaces import Configuration
from study.config import Strategy, Study
from study.search import StudySearch
from study.search.searchers import ExperimentSearch
from trials.specs import TaskName, TrialRecord, Triple
from trials.storage import Workspace


@dataclass(frozen=True)
class ValidationCurve:
    """Validation during training, mean over seeds."""

    epochs: tuple[float, ...]  # passes over the data, rising
    scores: tuple[float, ...]  # one per epoch value
    stages: tuple[int | None, ...]  # the stage of each, from 1; None where training has one


@dataclass(frozen=True)
class Experiment:
    """One named configuration on one triple."""

    name: str  # its name
    configuration: Configuration  # as it is named, before it is tuned
    trials: Mapping[int, TrialRecord]  # the finished ones, by seed
    over_first: Difference  # its test score against the first experiment's; nothing is known of the first itself
    fidelity: Fidelity | None  # to the teacher; None where answers are not kept
    # examples that the teacher and either this or the first experiment's student get right
    disagreements: tuple[Disagreement, ...]
    num_disagreements: int  # how many there are in all

    @property
    def validation(self) -> float | None:
        """Validation score, mean over seeds."""
        return mean(record.validation_score for record in self.trials.values())

    @property
    def test(self) -> float | None:
        """Test score, mean over seeds."""
        return mean(self.test_of_seeds.values())

    @property
    def test_of_seeds(self) -> dict[int, float]:
        """Test scores by seed."""
        return {seed: record.test_score or 0.0 for seed, record in self.trials.items()}

    @property
    def curve(self) -> ValidationCurve | None:
        """Validation during training, as far as all seeds got; None without a trial."""
        if not self.trials:
            return None
        points = list(zip(*(record.curve for record in self.trials.values()), strict=False))
        return ValidationCurve(
            epochs=tuple(point[0].epoch for point in points),
            scores=tuple(fmean(each.validation_score for each in point) for point in points),
            stages=tuple(point[0].stage for point in points),
        )


@dataclass(frozen=True)
class ExperimentTriple:
    """All experiments of one triple."""

    # what tells it apart: its data set, its teacher where several teach, its student where several learn that
    name: str
    outcome: TripleOutcome  # the triple
    train_rows: int | None  # its training rows; None before its teacher is ready
    experiments: tuple[Experiment, ...]  # in the space's order; the first is what the others are compared with
    attention: Attention | None = None  # what their students attend to; None where it was not kept

    @property
    def triple_id(self) -> str:
        """``teacher/student/dataset``."""
        return self.outcome.triple_id

    @property
    def is_compared(self) -> bool:
        """Whether its student has a teacher: of a baseline there is nothing to compare."""
        return self.outcome.triple.student.distil

    @property
    def metric(self) -> str:
        """What is scored."""
        return self.outcome.metric

    @property
    def teacher_test(self) -> float | None:
        """The teacher's test score."""
        return self.outcome.teacher_score


@computed_once
def experiment_triples(results: StudyResults) -> tuple[ExperimentTriple, ...]:
    """The experiments of all triples whose search has begun; () of a study that names none."""
    if results.strategy is not Strategy.EXPERIMENTS:
        return ()
    begun = (outcome for outcome in results.outcomes if outcome.triple_id in results.search.triples)
    return tuple(_of_triple(results.search, outcome, results.folder) for outcome in begun)


def answers_of(search: StudySearch, outcome: TripleOutcome, folder: Path | None) -> Answered | None:
    """What a triple's teacher answered, and where its students' answers are; None where they are no classes.

    Args:
        search: The study's state.
        outcome: The triple.
        folder: The study's directory; None if answers are not to be read.
    """
    if folder is None or outcome.task is not TaskName.CLASSIFICATION:
        return None
    return answered(search, outcome, Workspace(folder))


def _of_triple(search: StudySearch, outcome: TripleOutcome, folder: Path | None) -> ExperimentTriple:
    teacher = search.teacher_record(outcome.triple.teacher, outcome.triple.dataset)
    named, trials = search.study.space.named(), _trials_of(search, outcome)
    kept, first = answers_of(search, outcome, folder), next(iter(trials.values()))
    return ExperimentTriple(
        name=_name(search.study, outcome.triple),
        outcome=outcome,
        train_rows=teacher.rows.get("train") if teacher else None,
        experiments=tuple(
            _experiment(name, named[name], own, first, outcome.metric, kept) for name, own in trials.items()
        ),
        attention=attention_of(trials, Workspace(folder)) if folder else None,
    )


def _trials_of(search: StudySearch, outcome: TripleOutcome) -> dict[str, dict[int, TrialRecord]]:
    """The finished trials of a triple that has begun, by experiment in the space's order, and by seed."""
    triple = search.triples[outcome.triple_id]
    assert isinstance(triple.search, ExperimentSearch)
    tuned = {name: triple.search.named.get(name) for name in search.study.space.named()}
    return {
        name: finished_by_seed(triple.records(candidate.configuration)) if candidate else {}
        for name, candidate in tuned.items()
    }


def _name(study: Study, triple: Triple) -> str:
    taught = [each for each in study.triples if each.student.distil]
    students = {each.student.name for each in taught if each.dataset.name == triple.dataset.name}
    several_students = len(students) > 1 or not triple.student.distil
    several_teachers = len({each.teacher.name for each in taught}) > 1
    parts = ((triple.teacher.name, several_teachers), (triple.student.name, several_students))
    return ", ".join([triple.dataset.name, *(name for name, several in parts if several)])


def _experiment(
    name: str,
    configuration: Configuration,
    own: Mapping[int, TrialRecord],
    first: Mapping[int, TrialRecord],
    metric: str,
    kept: Answered | None,
) -> Experiment:
    answers, before = answers_by_seed(kept, own), answers_by_seed(kept, first)
    seed = None if own is first else next((seed for seed in answers if seed in before), None)
    shown, number = (
        ((), 0)
        if kept is None or seed is None
        else disagreements_of(kept, (first[seed], before[seed]), (own[seed], answers[seed]))
    )
    return Experiment(
        name=name,
        configuration=configuration,
        trials=own,
        over_first=Difference() if own is first else difference(first, own, kept, metric),
        fidelity=fidelity_of(kept, list(answers.values())) if kept else None,
        disagreements=shown,
        num_disagreements=number,
    )
