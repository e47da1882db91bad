"""Students without and with a teacher (D, section 6).

Selection reads validation scores alone: of the experiments of a kind, the one that validates best stands for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from analysis.internals import Experiment, ExperimentTriple, answers_of, experiment_triples
from analysis.results import Difference, StudyResults, computed_once, difference
from search_spaces import Configuration, Distance, Schedule
from trials.specs import Architecture, TeacherRecord


@dataclass(frozen=True)
class DistilledStudent:
    """One student on one data set, without and with its teacher, with so many labels and transfer rows."""

    triple: ExperimentTriple
    labelled: int  # examples that it sees; at most, where some classes have fewer than are asked for
    transfer: int  # rows that its teacher predicts; the labelled ones where there is no transfer set
    rnn: Experiment | None  # the RNN encoder that learns from labels alone on the same data (D, section 6)
    untaught: Experiment | None  # learns from labels alone
    hard: Experiment | None  # the best of those that learn the teacher's likeliest classes
    soft: Experiment | None  # the best of those that learn more than these
    schedules: Mapping[Schedule, Experiment]  # the best soft experiment of each, in the order of `Schedule`
    gain: Difference  # the better of hard and soft against untaught
    soft_over_hard: Difference
    over_joint: Mapping[Schedule, Difference]  # each other schedule against joint training

    @property
    def taught(self) -> Experiment | None:
        """The better of hard and soft."""
        return _best((self.soft, self.hard))

    @property
    def teacher_test(self) -> float | None:
        """The teacher's test score."""
        return self.triple.teacher_test

    @property
    def over_teacher(self) -> float | None:
        """The taught student's test score minus its teacher's."""
        test = self.taught.test if self.taught else None
        return None if test is None or self.teacher_test is None else test - self.teacher_test

    @property
    def metric(self) -> str:
        """What is scored."""
        return self.triple.metric

    @property
    def teacher(self) -> str:
        """Name of the teacher."""
        return self.triple.outcome.triple.teacher.name

    @property
    def student(self) -> str:
        """Name of the student."""
        return self.triple.outcome.triple.student.name

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.triple.outcome.triple.dataset.name

    @property
    def source(self) -> str:
        """The data set but for its name, its labels and its transfer rows, as JSON (D, tables 10 and 11)."""
        dataset = self.triple.outcome.triple.dataset
        examples = {split: rows for split, rows in dataset.examples.items() if split not in ("train", "unlabeled")}
        splits = {split: name for split, name in dataset.splits.items() if split != "unlabeled"}
        same = {"name": "same", "labelled": None, "examples": examples, "splits": splits, "training": {}}
        return dataset.model_copy(update=same).model_dump_json()


Students = tuple[DistilledStudent, ...]


@computed_once
def distilled_students(results: StudyResults) -> Students | None:
    """Every student that has a teacher, in the study's order, by labels and transfer rows; None of other studies."""
    if not results.compares_transfer:
        return None
    taught = (triple for triple in experiment_triples(results) if triple.outcome.triple.student.distil)
    return tuple(student for triple in taught for student in _of_triple(results, triple))


def _of_triple(results: StudyResults, triple: ExperimentTriple) -> Iterator[DistilledStudent]:
    """One for each number of labels, and of transfer rows with them."""
    search, rnn = results.search, _rnn(triple, experiment_triples(results))
    teacher = search.teacher_record(triple.outcome.triple.teacher, triple.outcome.triple.dataset)
    assert teacher is not None  # the triple has begun
    kept = answers_of(search, triple.outcome, results.folder)

    def against(before: Experiment | None, after: Experiment | None) -> Difference:
        if before is None or after is None:
            return Difference()
        if before is triple.experiments[0]:  # known already
            return after.over_first
        return difference(before.trials, after.trials, kept, triple.metric)

    rows = {each.name: _rows(teacher, each.configuration) for each in triple.experiments}
    known = [each for each in triple.experiments if each.validation is not None]
    taught = [each for each in known if each.configuration.uses_teacher]
    for labelled, transfer in sorted({rows[each.name] for each in taught}):
        own = [each for each in taught if rows[each.name] == (labelled, transfer)]
        untaught = _best(e for e in known if not e.configuration.uses_teacher and rows[e.name][0] == labelled)
        hard, soft = (_best(each for each in own if _is_hard(each) is wanted) for wanted in (True, False))
        schedules = _schedules([each for each in own if not _is_hard(each)])
        joint = schedules.get(Schedule.JOINT)
        yield DistilledStudent(
            triple=triple,
            labelled=labelled,
            transfer=transfer,
            rnn=rnn,
            untaught=untaught,
            hard=hard,
            soft=soft,
            schedules=schedules,
            gain=against(untaught, _best((soft, hard))),
            soft_over_hard=against(hard, soft),
            over_joint={name: against(joint, each) for name, each in schedules.items() if each is not joint},
        )


def _rows(teacher: TeacherRecord, configuration: Configuration) -> tuple[int, int]:
    """Labelled examples and transfer rows that a student sees."""
    train, per_class = teacher.rows["train"], configuration.canonical().labelled_per_class
    unlabelled = teacher.rows.get("unlabeled", train)
    labelled = min(train, per_class * len(teacher.label_names)) if per_class else train
    return labelled, min(unlabelled, configuration.transfer_rows or unlabelled)


def _rnn(triple: ExperimentTriple, triples: Iterable[ExperimentTriple]) -> Experiment | None:
    """The best RNN encoder on the same data, beside the same teacher."""
    own = triple.outcome.triple
    beside = (
        other
        for other in triples
        if other is not triple
        and other.outcome.triple.student.architecture is Architecture.RNN
        and (other.outcome.triple.teacher, other.outcome.triple.dataset) == (own.teacher, own.dataset)
    )
    return _best(each for other in beside for each in other.experiments if not each.configuration.uses_teacher)


def _is_hard(experiment: Experiment) -> bool:
    return experiment.configuration.canonical().distance is Distance.HARD


def _schedules(experiments: Iterable[Experiment]) -> dict[Schedule, Experiment]:
    by_schedule: dict[Schedule, list[Experiment]] = {schedule: [] for schedule in Schedule}
    for each in experiments:
        by_schedule[each.configuration.canonical().schedule].append(each)
    return {schedule: best for schedule, own in by_schedule.items() if (best := _best(own))}


def _best(experiments: Iterable[Experiment | None]) -> Experiment | None:
    """The one of highest validation score, the first of equals."""
    known = (each for each in experiments if each and each.validation is not None)
    return max(known, key=lambda each: each.validation or 0.0, default=None)
