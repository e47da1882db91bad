"""All of paper D's questions, answered from a study's experiments and its teachers' records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import geometric_mean

from analysis.internals import ExperimentTriple
from analysis.results import Speed, TripleOutcome, compares_transfer, mean_of_known, speed_of
from analysis.transfer import (
    BetterTeacher,
    Distilled,
    better_teachers,
    by_labels,
    by_transfer,
    complete,
    distilled,
)
from study.search import StudySearch
from trials.specs import ModelSpeed, TeacherRecord, TeacherSpec


@dataclass(frozen=True)
class Size:
    """How much smaller and faster a student is than a teacher (D, table 7).

    Attributes:
        teacher, student: Their names.
        teacher_parameters, parameters: Mean over data sets, as vocabularies differ; None before a trial has ended.
        speed_ups: By data set, samples a second of the student over those of the teacher, round by round.
    """

    teacher: str
    student: str
    teacher_parameters: float | None
    parameters: float | None
    speed_ups: Mapping[str, Speed] = field(default_factory=dict)

    @property
    def compression(self) -> float | None:
        """The teacher's parameters over the student's."""
        return self.teacher_parameters / self.parameters if self.teacher_parameters and self.parameters else None

    @property
    def speed_up(self) -> float | None:
        """The geometric mean over data sets; None where nothing was timed."""
        return geometric_mean(each.median for each in self.speed_ups.values()) if self.speed_ups else None


@dataclass(frozen=True)
class Certainty:
    """How sure a teacher is (D, table 9).

    Attributes:
        teacher, dataset: Their names.
        checkpoint: Which of its checkpoints: ``highest_score`` or ``lowest_loss``.
        rows: What it predicted: ``unlabeled`` or ``train``.
        classes: Number of classes.
        variance: Of its probabilities over classes, mean over rows.
    """

    teacher: str
    dataset: str
    checkpoint: str
    rows: str
    classes: int
    variance: float

    @property
    def maximum(self) -> float:
        """The variance of one-hot probabilities: (1/C) (1 - 1/C)."""
        return (1 - 1 / self.classes) / self.classes

    @property
    def share(self) -> float:
        """Of the maximum."""
        return self.variance / self.maximum


@dataclass(frozen=True)
class TransferFindings:
    """What a study says of D's questions.

    Attributes:
        students: Every student that has a teacher.
        sizes: Parameters and speed of each teacher and student.
        certainties: Of teachers whose records say it.
    """

    students: tuple[Distilled, ...]
    sizes: tuple[Size, ...]
    certainties: tuple[Certainty, ...]

    @property
    def complete(self) -> tuple[Distilled, ...]:
        """Of each triple the one with all labels and transfer rows, if it has learned without and with a teacher."""
        return tuple(each for each in complete(self.students) if each.untaught and each.taught)

    @property
    def with_both(self) -> tuple[Distilled, ...]:
        """Likewise where it has learned from hard and from soft labels."""
        return tuple(each for each in complete(self.students) if each.hard and each.soft)

    @property
    def scheduled(self) -> tuple[Distilled, ...]:
        """Likewise where it has learned in several schedules."""
        return tuple(each for each in complete(self.students) if len(each.schedules) > 1)

    @property
    def better_teachers(self) -> tuple[BetterTeacher, ...]:
        """Students that have several teachers."""
        return better_teachers(self.students)

    @property
    def by_labels(self) -> tuple[tuple[Distilled, ...], ...]:
        """Groups that differ in labels."""
        return by_labels(self.students)

    @property
    def by_transfer(self) -> tuple[tuple[Distilled, ...], ...]:
        """Groups that differ in transfer rows."""
        return by_transfer(self.students)


def analyse_transfer(
    search: StudySearch,
    outcomes: Sequence[TripleOutcome],
    triples: Sequence[ExperimentTriple],
    teachers: Iterable[TeacherRecord],
    folder: Path | None,
) -> TransferFindings | None:
    """The answers; None of a study that is not like D's.

    Args:
        search: The study's state.
        outcomes: All triples' outcomes.
        triples: Its experiments.
        teachers: The records of its teachers.
        folder: The study's directory, for what models answered; None leaves tests on examples out.
    """
    if not compares_transfer(search.study):
        return None
    teachers = list(teachers)
    return TransferFindings(
        students=distilled(search, triples, folder),
        sizes=tuple(_sizes(search, outcomes)),
        certainties=tuple(_certainties(search, teachers)),
    )


def _sizes(search: StudySearch, outcomes: Sequence[TripleOutcome]) -> Iterable[Size]:
    pairs = {(o.triple.teacher.name, o.triple.student.name): o.triple.teacher for o in outcomes}
    for (name, student), teacher in pairs.items():
        own = [o for o in outcomes if (o.triple.teacher.name, o.triple.student.name) == (name, student)]
        records = [search.teacher_record(teacher, o.triple.dataset) for o in own]
        yield Size(
            teacher=name,
            student=student,
            teacher_parameters=mean_of_known(record.num_parameters for record in records if record),
            parameters=mean_of_known(o.num_parameters for o in own),
            speed_ups=_speed_ups(search, teacher, own),
        )


def _speed_ups(search: StudySearch, teacher: TeacherSpec, outcomes: Iterable[TripleOutcome]) -> dict[str, Speed]:
    found = {}
    for outcome in outcomes:
        record = search.speed_record(teacher, outcome.triple.dataset)
        models = {model.name: model for model in record.models[1:]} if record and record.models else {}
        if record and (own := models.get(outcome.triple.student.name)):
            found[outcome.triple.dataset.name] = speed_of(_over(own, record.models[0]))
    return found


def _over(student: ModelSpeed, teacher: ModelSpeed) -> ModelSpeed:
    """The student's speed in units of the teacher's, round by round: rounds are interleaved."""
    rounds = zip(student.samples_per_second, teacher.samples_per_second, strict=False)
    return student.model_copy(update={"samples_per_second": tuple(own / other for own, other in rounds)})


def _certainties(search: StudySearch, teachers: Iterable[TeacherRecord]) -> Iterable[Certainty]:
    """Of the checkpoints that teach, where their records say it."""
    teaching = dict.fromkeys(str(each.teacher_checkpoint) for each in search.study.tried if each.uses_teacher)
    for record in (record for record in teachers if record.status.has_scores):
        for checkpoint in list(teaching)[: 1 if record.one_checkpoint else None]:
            variance = record.selected(checkpoint).prediction_variance
            if variance is not None:
                yield Certainty(
                    teacher=record.task.teacher.name,
                    dataset=record.task.dataset.name,
                    checkpoint=checkpoint,
                    rows="unlabeled" if record.task.dataset.has_transfer_set else "train",
                    classes=len(record.label_names),
                    variance=variance,
                )
