"""Named configurations against the first of them, triple by triple (C, tables 1, 3 and 4, figure 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.attention import Attention, attention_of
from analysis.results import (
    Answered,
    Bootstrap,
    Classes,
    Difference,
    OverSeeds,
    TripleOutcome,
    answered,
    answers_by_seed,
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

MOST_SHOWN = 12  # examples of a triple on which two students differ


@dataclass(frozen=True)
class Fidelity:
    """Whether a student is right where its teacher is (C, table 3), in examples, means over seeds.

    Attributes:
        both, only_teacher, only_student, neither: Who is right.
        agreement: Share of examples that both answer alike, right or wrong.
    """

    both: float
    only_teacher: float
    only_student: float
    neither: float
    agreement: float


@dataclass(frozen=True)
class Line:
    """Validation during training, mean over seeds.

    Attributes:
        epochs: Passes over the data, rising.
        scores: One per epoch value.
        stages: The stage of each, from 1; None where training has one.
    """

    epochs: tuple[float, ...]
    scores: tuple[float, ...]
    stages: tuple[int | None, ...]


@dataclass(frozen=True)
class Disagreement:
    """A test example that the teacher and one of two students get right (C, table 4).

    Attributes:
        text, text_pair: The example.
        label: Its label's name.
        before, after: What the first experiment's student, and another one's, answered.
        sure: The probability that teacher, `before` and `after` have of their answers; None where it was not kept.
    """

    text: str
    text_pair: str
    label: str
    before: str
    after: str
    sure: tuple[float | None, ...]


@dataclass(frozen=True)
class Experiment:
    """One named configuration on one triple.

    Attributes:
        name: Its name.
        configuration: As it is named, before it is tuned.
        validation, test: Scores, means over seeds.
        test_of_seeds: Test scores by seed, of finished ones.
        by_examples: Against the first experiment, by resampling test examples; None where answers are not kept.
        by_seeds: Against the first experiment, over seeds that both have; None without any.
        mcnemar_p: Against the first experiment, with the first seed; None where answers are not kept.
        fidelity: To the teacher; None where answers are not kept.
        line: Validation during training; None without a trial.
        disagreements: Examples that the teacher and either this or the first experiment's student get right.
        num_disagreements: How many there are in all.
    """

    name: str
    configuration: Configuration
    validation: float | None
    test: float | None
    test_of_seeds: Mapping[int, float]
    by_examples: Bootstrap | None
    by_seeds: OverSeeds | None
    mcnemar_p: float | None
    fidelity: Fidelity | None
    line: Line | None
    disagreements: tuple[Disagreement, ...]
    num_disagreements: int


@dataclass(frozen=True)
class ExperimentTriple:
    """All experiments of one triple.

    Attributes:
        name: What tells it apart: its data set, its teacher where several teach, its student where several learn
            that.
        outcome: The triple.
        teacher_test: Its teacher's test score.
        train_rows: Its training rows; None before its teacher is ready.
        experiments: In the space's order; the first is what the others are compared with.
        attention: What their students attend to; None where it was not kept.
    """

    name: str
    outcome: TripleOutcome
    teacher_test: float | None
    train_rows: int | None
    experiments: tuple[Experiment, ...]
    attention: Attention | None = None

    @property
    def triple_id(self) -> str:
        """``teacher/student/dataset``."""
        return self.outcome.triple_id


def experiment_triples(
    search: StudySearch, outcomes: Iterable[TripleOutcome], folder: Path | None
) -> tuple[ExperimentTriple, ...]:
    """The experiments of all triples whose search has begun; () of a study that names none.

    Args:
        search: The study's state.
        outcomes: All triples' outcomes.
        folder: The study's directory, for what models answered; None leaves tests on examples out.
    """
    if search.study.config.search.strategy is not Strategy.EXPERIMENTS:
        return ()
    started = (outcome for outcome in outcomes if outcome.triple_id in search.triples)
    return tuple(_of_triple(search, outcome, folder) for outcome in started)


def compared(triples: Iterable[ExperimentTriple]) -> tuple[ExperimentTriple, ...]:
    """Those whose student has a teacher: of a baseline there is nothing to compare."""
    return tuple(triple for triple in triples if triple.outcome.triple.student.distil)


def by_size(triples: Iterable[ExperimentTriple]) -> tuple[tuple[ExperimentTriple, ...], ...]:
    """Groups of triples whose data sets differ in the number of training rows alone; groups of one are left out."""

    def same(triple: ExperimentTriple) -> object:
        dataset = triple.outcome.triple.dataset
        examples = {split: rows for split, rows in dataset.examples.items() if split != "train"}
        others = dataset.model_copy(update={"name": "same", "examples": examples})
        return triple.outcome.triple.teacher.name, triple.outcome.triple.student.name, others.model_dump_json()

    return _families(triples, same, lambda triple: triple.train_rows or 0)


def by_depth(triples: Iterable[ExperimentTriple]) -> tuple[tuple[ExperimentTriple, ...], ...]:
    """Groups of triples whose students differ in size, on one data set; groups of one, and baselines, are left out."""

    def same(triple: ExperimentTriple) -> object:
        return triple.outcome.triple.teacher.name, triple.outcome.triple.dataset.name

    return _families(compared(triples), same, lambda triple: triple.outcome.num_parameters or 0)


def _families(
    triples: Iterable[ExperimentTriple],
    same: Callable[[ExperimentTriple], object],
    size: Callable[[ExperimentTriple], int],
) -> tuple[tuple[ExperimentTriple, ...], ...]:
    """Groups of triples that have something in common, by rising size; those of one size are left out."""
    groups: dict[object, list[ExperimentTriple]] = {}
    for triple in triples:
        groups.setdefault(same(triple), []).append(triple)
    return tuple(tuple(sorted(own, key=size)) for own in groups.values() if len(set(map(size, own))) > 1)


def trials_of(search: StudySearch, outcome: TripleOutcome) -> dict[str, dict[int, TrialRecord]]:
    """The finished trials of a triple that has begun, by experiment in the space's order, and by seed."""
    triple = search.triples[outcome.triple_id]
    assert isinstance(triple.search, ExperimentSearch)
    tuned = {name: triple.search.named.get(name) for name in search.study.space.named()}
    return {
        name: finished_by_seed(triple.records(candidate.configuration)) if candidate else {}
        for name, candidate in tuned.items()
    }


def answers_of(search: StudySearch, outcome: TripleOutcome, folder: Path | None) -> Answered | None:
    """What a triple's teacher answered, and where its students' answers are; None where they are no classes."""
    if folder is None or outcome.task is not TaskName.CLASSIFICATION:
        return None
    return answered(search, outcome, Workspace(folder))


def _of_triple(search: StudySearch, outcome: TripleOutcome, folder: Path | None) -> ExperimentTriple:
    teacher = search.teacher_record(outcome.triple.teacher, outcome.triple.dataset)
    trials, kept = trials_of(search, outcome), answers_of(search, outcome, folder)
    first, *_ = trials.values()
    own = tuple(
        _experiment(name, search.study.space.named()[name], found, first, outcome.metric, kept)
        for name, found in trials.items()
    )
    finished = {name: list(found.values()) for name, found in trials.items()}
    return ExperimentTriple(
        name=_name(search.study, outcome.triple),
        outcome=outcome,
        teacher_test=outcome.teacher_score,
        train_rows=teacher.rows.get("train") if teacher else None,
        experiments=own,
        attention=attention_of(finished, Workspace(folder)) if folder else None,
    )


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
    tests = {seed: record.test_score or 0.0 for seed, record in own.items()}
    found = Difference() if own is first else difference(first, own, kept, metric)
    answers, before = answers_by_seed(kept, own), answers_by_seed(kept, first)
    seeds = [] if own is first else [seed for seed in answers if seed in before]
    shown, number = _disagreements(kept, first[seeds[0]], own[seeds[0]]) if kept and seeds else ((), 0)
    return Experiment(
        name=name,
        configuration=configuration,
        validation=mean(record.validation_score for record in own.values()) if own else None,
        test=mean(tests.values()) if tests else None,
        test_of_seeds=tests,
        by_examples=found.by_examples,
        by_seeds=found.by_seeds,
        mcnemar_p=found.mcnemar_p,
        fidelity=_fidelity(kept, list(answers.values())) if kept else None,
        line=_line(list(own.values())),
        disagreements=shown,
        num_disagreements=number,
    )


def _fidelity(kept: Answered, answers: Sequence[Classes]) -> Fidelity | None:
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


def _disagreements(kept: Answered, *trials: TrialRecord) -> tuple[tuple[Disagreement, ...], int]:
    """Those of two trials whose answers were kept, drawn at random where there are many."""
    before, after = (kept.of_trial(record) for record in trials)
    assert before is not None  # seen by the caller
    assert after is not None
    differ = (before == kept.labels) != (after == kept.labels)
    places = np.flatnonzero((kept.teacher == kept.labels) & differ)
    drawn = np.sort(np.random.default_rng(13).permutation(places)[:MOST_SHOWN])
    sure = (kept.sure, *(kept.sure_of_trial(record) for record in trials))
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


def _line(records: Sequence[TrialRecord]) -> Line | None:
    """The mean over seeds, as far as all of them got."""
    if not records:
        return None
    points = list(zip(*(record.curve for record in records), strict=False))
    return Line(
        tuple(point[0].epoch for point in points),
        tuple(float(np.mean([each.validation_score for each in point])) for point in points),
        tuple(point[0].stage for point in points),
    )
