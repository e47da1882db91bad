"""Students without and with a teacher: what distillation is worth, and on what that depends (D, section 6).

Selection reads validation scores alone: of the experiments of a kind the one that validates best stands for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.internals import Experiment, ExperimentTriple, answers_of
from analysis.results import Difference, OverSeeds, difference, over_seeds
from search_spaces import Configuration, Distance, Schedule
from study.search import StudySearch
from trials.specs import Architecture, DatasetSpec, TeacherRecord


@dataclass(frozen=True)
class Distilled:
    """One student on one data set, without and with its teacher, with so many labels and transfer rows.

    Attributes:
        triple: Teacher, student and data set, and all experiments.
        labelled: Labelled examples that it sees; at most, where some classes have fewer than are asked for.
        transfer: Rows that its teacher speaks about; the labelled ones where there is no transfer set.
        rnn: The RNN encoder on the same data, of labels alone (D, section 6); None where there is none.
        untaught: Of labels alone.
        hard: Taught by the teacher's likeliest classes.
        soft: Taught by more than those.
        schedules: Of the softly taught ones the best of each schedule.
        gain: The better of hard and soft against untaught.
        soft_over_hard: Soft against hard.
        over_joint: Of each other schedule, against joint training.
    """

    triple: ExperimentTriple
    labelled: int
    transfer: int
    rnn: Experiment | None
    untaught: Experiment | None
    hard: Experiment | None
    soft: Experiment | None
    schedules: Mapping[Schedule, Experiment]
    gain: Difference
    soft_over_hard: Difference
    over_joint: Mapping[Schedule, Difference]

    @property
    def taught(self) -> Experiment | None:
        """The better of hard and soft."""
        return _best(each for each in (self.soft, self.hard) if each)

    @property
    def metric(self) -> str:
        """What is scored."""
        return self.triple.outcome.metric

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
        """What data sets have in common that differ in labels and transfer rows alone (D, tables 10 and 11)."""
        return source_of(self.triple.outcome.triple.dataset)


@dataclass(frozen=True)
class BetterTeacher:
    """One student of several teachers on one data set (D, table 6).

    Attributes:
        students: By rising test score of their teachers.
        gain: The last one's test score over the first one's, over the seeds that both have; None without any.
    """

    students: tuple[Distilled, ...]
    gain: OverSeeds | None

    @property
    def teachers_apart(self) -> float:
        """How far apart the teachers are, in units of the metric."""
        scores = [each.triple.teacher_test or 0.0 for each in self.students]
        return scores[-1] - scores[0]


def distilled(search: StudySearch, triples: Sequence[ExperimentTriple], folder: Path | None) -> tuple[Distilled, ...]:
    """Every student that has a teacher, in the study's order, then by labels and transfer rows.

    Args:
        search: The study's state.
        triples: Its experiments.
        folder: The study's directory, for what models answered; None leaves tests on examples out.
    """
    return tuple(
        each
        for triple in triples
        if triple.outcome.triple.student.distil
        for each in _of_triple(search, triple, triples, folder)
    )


def complete(found: Iterable[Distilled]) -> tuple[Distilled, ...]:
    """Of each triple the one with most labels, and of those the one with most transfer rows."""
    by_triple: dict[str, Distilled] = {}
    for each in sorted(found, key=lambda each: (each.labelled, each.transfer)):
        by_triple[each.triple.triple_id] = each
    order = dict.fromkeys(each.triple.triple_id for each in found)
    return tuple(by_triple[name] for name in order)


def by_labels(found: Iterable[Distilled]) -> tuple[tuple[Distilled, ...], ...]:
    """Groups of one teacher, student and source by rising labels, each with most transfer rows; no groups of one."""
    return _groups(found, lambda e: (e.teacher, e.student, e.source), lambda e: e.labelled, lambda e: e.transfer)


def by_transfer(found: Iterable[Distilled]) -> tuple[tuple[Distilled, ...], ...]:
    """Groups of one teacher, student, source and number of labels, by rising transfer rows; no groups of one."""
    return _groups(
        found, lambda e: (e.teacher, e.student, e.source, e.labelled), lambda e: e.transfer, lambda e: e.labelled
    )


def better_teachers(found: Iterable[Distilled]) -> tuple[BetterTeacher, ...]:
    """Each student and data set with several teachers, those with all labels and transfer rows."""
    groups: dict[object, list[Distilled]] = {}
    for each in complete(found):
        if each.taught and each.triple.teacher_test is not None:
            groups.setdefault((each.student, each.dataset), []).append(each)
    several = [sorted(own, key=lambda e: e.triple.teacher_test or 0.0) for own in groups.values() if len(own) > 1]
    return tuple(BetterTeacher(tuple(own), _over_seeds(own[0].taught, own[-1].taught)) for own in several)


def source_of(dataset: DatasetSpec) -> str:
    """A data set but for its name, its labels and its transfer rows, as JSON."""
    examples = {split: rows for split, rows in dataset.examples.items() if split not in ("train", "unlabeled")}
    splits = {split: name for split, name in dataset.splits.items() if split != "unlabeled"}
    same = {"name": "same", "labelled": None, "examples": examples, "splits": splits, "training": {}}
    return dataset.model_copy(update=same).model_dump_json()


def _of_triple(
    search: StudySearch, triple: ExperimentTriple, triples: Sequence[ExperimentTriple], folder: Path | None
) -> list[Distilled]:
    """One for each number of labels, and of transfer rows with them."""
    teacher = search.teacher_record(triple.outcome.triple.teacher, triple.outcome.triple.dataset)
    assert teacher is not None  # the triple has begun
    kept = answers_of(search, triple.outcome, folder)

    def against(before: Experiment | None, after: Experiment | None) -> Difference:
        if before is None or after is None:
            return Difference()
        if before is triple.experiments[0]:  # known already
            return after.over_first
        return difference(before.trials, after.trials, kept, triple.metric)

    found = []
    known = [each for each in triple.experiments if each.validation is not None]
    for labelled in sorted({_labelled(teacher, each.configuration) for each in known}):
        own = [each for each in known if _labelled(teacher, each.configuration) == labelled]
        taught = [each for each in own if each.configuration.uses_teacher]
        untaught = _best(each for each in own if not each.configuration.uses_teacher)
        for transfer in sorted({_transfer(teacher, each.configuration) for each in taught}):
            seen = [each for each in taught if _transfer(teacher, each.configuration) == transfer]
            hard, soft = (_best(each for each in seen if _is_hard(each) is wanted) for wanted in (True, False))
            schedules = _schedules(each for each in seen if not _is_hard(each))
            joint = schedules.get(Schedule.JOINT)
            found.append(
                Distilled(
                    triple=triple,
                    labelled=labelled,
                    transfer=transfer,
                    rnn=_rnn(triple, triples),
                    untaught=untaught,
                    hard=hard,
                    soft=soft,
                    schedules=schedules,
                    gain=against(untaught, _best(each for each in (soft, hard) if each)),
                    soft_over_hard=against(hard, soft),
                    over_joint={name: against(joint, each) for name, each in schedules.items() if each is not joint},
                )
            )
    return found


def _labelled(teacher: TeacherRecord, configuration: Configuration) -> int:
    rows, per_class = teacher.rows["train"], configuration.canonical().labelled_per_class
    return min(rows, per_class * len(teacher.label_names)) if per_class else rows


def _transfer(teacher: TeacherRecord, configuration: Configuration) -> int:
    rows = teacher.rows.get("unlabeled", teacher.rows["train"])
    return min(rows, configuration.transfer_rows or rows)


def _rnn(triple: ExperimentTriple, triples: Iterable[ExperimentTriple]) -> Experiment | None:
    """The RNN encoder on the same data, beside the same teacher."""
    own = triple.outcome.triple
    beside = [
        other
        for other in triples
        if other.outcome.triple.student.architecture is Architecture.RNN
        and (other.outcome.triple.teacher.name, other.outcome.triple.dataset.name)
        == (own.teacher.name, own.dataset.name)
        and other is not triple
    ]
    return _best(each for other in beside for each in other.experiments if not each.configuration.uses_teacher)


def _is_hard(experiment: Experiment) -> bool:
    return experiment.configuration.canonical().distance is Distance.HARD


def _schedules(experiments: Iterable[Experiment]) -> dict[Schedule, Experiment]:
    """The best of each, in the order of `Schedule`."""
    known = list(experiments)
    found = {
        schedule: _best(each for each in known if each.configuration.canonical().schedule is schedule)
        for schedule in Schedule
    }
    return {schedule: each for schedule, each in found.items() if each}


def _best(experiments: Iterable[Experiment]) -> Experiment | None:
    """The one of highest validation score, the first of equals."""
    known = (each for each in experiments if each.validation is not None)
    return max(known, key=lambda each: each.validation or 0.0, default=None)


def _over_seeds(before: Experiment | None, after: Experiment | None) -> OverSeeds | None:
    old, new = (each.test_of_seeds if each else {} for each in (before, after))
    return over_seeds([new[seed] - old[seed] for seed in new if seed in old])


def _groups(
    found: Iterable[Distilled],
    same: Callable[[Distilled], object],
    size: Callable[[Distilled], int],
    second: Callable[[Distilled], int],
) -> tuple[tuple[Distilled, ...], ...]:
    """Groups that have something in common, one of each size: of several the first that is largest in the second."""
    groups: dict[object, dict[int, Distilled]] = {}
    for each in sorted(found, key=lambda each: -second(each)):
        groups.setdefault(same(each), {}).setdefault(size(each), each)
    return tuple(tuple(own[rows] for rows in sorted(own)) for own in groups.values() if len(own) > 1)
