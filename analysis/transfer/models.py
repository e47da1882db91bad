"""How much smaller and faster students are than their teachers, and how sure these are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import geometric_mean

from analysis.results import Speed, StudyResults, TripleOutcome, mean_of_known, speed_of
from study.search import StudySearch
from trials.specs import ModelSpeed


@dataclass(frozen=True)
class StudentSize:
    """How much smaller and faster a student is than a teacher (D, table 7)."""

    teacher: str
    student: str
    teacher_parameters: float | None  # mean over data sets, as vocabularies differ
    parameters: float | None  # likewise the student's; None before a trial has ended
    speed_ups: Mapping[str, Speed]  # by data set, samples a second over those of the teacher, round by round

    @property
    def compression(self) -> float | None:
        """The teacher's parameters over the student's."""
        return self.teacher_parameters / self.parameters if self.teacher_parameters and self.parameters else None

    @property
    def speed_up(self) -> float | None:
        """The geometric mean over data sets; None where nothing was timed."""
        return geometric_mean(each.median for each in self.speed_ups.values()) if self.speed_ups else None


@dataclass(frozen=True)
class TeacherCertainty:
    """How sure a teacher is (D, table 9)."""

    teacher: str
    dataset: str
    checkpoint: str  # ``highest_score`` or ``lowest_loss``
    rows: str  # the split that it predicted: ``unlabeled`` or ``train``
    classes: int  # number of classes
    variance: float  # of its probabilities over classes, mean over rows

    @property
    def maximum(self) -> float:
        """The variance of one-hot probabilities: (1/C) (1 - 1/C)."""
        return (1 - 1 / self.classes) / self.classes

    @property
    def share(self) -> float:
        """The variance as a share of the maximum."""
        return self.variance / self.maximum


def student_sizes(results: StudyResults) -> tuple[StudentSize, ...] | None:
    """Each teacher and student; None of a study that is not like D's."""
    return tuple(_sizes(results.search, results.outcomes)) if results.compares_transfer else None


def teacher_certainties(results: StudyResults) -> tuple[TeacherCertainty, ...] | None:
    """Each teaching checkpoint whose record says its variance; None of a study that has none, or is not like D's."""
    return tuple(_certainties(results)) or None if results.compares_transfer else None


def _sizes(search: StudySearch, outcomes: Iterable[TripleOutcome]) -> Iterator[StudentSize]:
    pairs: dict[tuple[str, str], list[TripleOutcome]] = {}
    for outcome in outcomes:
        pairs.setdefault((outcome.triple.teacher.name, outcome.triple.student.name), []).append(outcome)
    for (name, student), own in pairs.items():
        records = [search.teacher_record(outcome.triple.teacher, outcome.triple.dataset) for outcome in own]
        yield StudentSize(
            teacher=name,
            student=student,
            teacher_parameters=mean_of_known(record.num_parameters for record in records if record),
            parameters=mean_of_known(outcome.num_parameters for outcome in own),
            speed_ups=_speed_ups(search, own),
        )


def _speed_ups(search: StudySearch, outcomes: Iterable[TripleOutcome]) -> dict[str, Speed]:
    triples = [outcome.triple for outcome in outcomes]
    records = [(triple, search.speed_record(triple.teacher, triple.dataset)) for triple in triples]
    return {
        triple.dataset.name: speed_of(_over(model, record.models[0]))
        for triple, record in records
        if record
        for model in record.models[1:]
        if model.name == triple.student.name
    }


def _over(student: ModelSpeed, teacher: ModelSpeed) -> ModelSpeed:
    """The student's speed in units of the teacher's, round by round: rounds are interleaved."""
    rounds = zip(student.samples_per_second, teacher.samples_per_second, strict=False)
    return student.model_copy(update={"samples_per_second": tuple(own / other for own, other in rounds)})


def _certainties(results: StudyResults) -> Iterator[TeacherCertainty]:
    teaching = dict.fromkeys(str(each.teacher_checkpoint) for each in results.study.tried if each.uses_teacher)
    for record in (record for record in results.teachers if record.status.has_scores):
        for checkpoint in list(teaching)[: 1 if record.one_checkpoint else None]:
            variance = record.selected(checkpoint).prediction_variance
            if variance is not None:
                yield TeacherCertainty(
                    teacher=record.task.teacher.name,
                    dataset=record.task.dataset.name,
                    checkpoint=checkpoint,
                    rows="unlabeled" if record.task.dataset.has_transfer_set else "train",
                    classes=len(record.label_names),
                    variance=variance,
                )
