"""Which test examples are lost, from a study's kept predictions; missing files are named, and nothing is made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from analysis.examples.groups import FEWEST_EXAMPLES, MOST_SAMPLED, AnsweredTask, Group, Measure, TaskGroups, group_task
from analysis.presentation import PerTeacher, listing, task_words
from analysis.results import Answered, StudyResults, TripleOutcome, answered_or_why_not, computed_once, mean_of_known
from analysis.shapes import ShapeFindings, shape_findings
from study.search import StudySearch
from trials.specs import TaskName
from trials.storage import Workspace

WITH_PREDICTIONS = (TaskName.CLASSIFICATION, TaskName.REGRESSION)


@dataclass(frozen=True)
class GroupFindings:
    """The groups of one teacher's data sets."""

    tasks: tuple[TaskGroups, ...]  # data sets whose answers are known, in the study's order
    missing: tuple[str, ...] = ()  # what is not there, in words
    teacher: str = ""  # the teacher's name
    parameters: Mapping[str, int] = field(default_factory=dict)  # the students' sizes; 0 where one is not known yet

    @property
    def students(self) -> tuple[str, ...]:
        """All students with answers, in order."""
        return tuple(dict.fromkeys(name for task in self.tasks for name in task.students))

    def mean_share(self, group: Group) -> float | None:
        """A group's share, mean over data sets."""
        return mean_of_known(task.share(group) for task in self.tasks)

    def against_all(self, measure: Measure, group: Group = Group.SOME) -> tuple[int, int]:
        """On how many data sets a group's median is above that of the examples that all get right; of how many."""
        pairs = [
            (found.spreads[group].median, found.spreads[Group.ALL].median)
            for task in self.tasks
            if (found := task.comparison(measure))
            and {group, Group.ALL} <= found.spreads.keys()
            and min(found.spreads[each].count for each in (group, Group.ALL)) >= FEWEST_EXAMPLES
        ]
        return sum(own > other for own, other in pairs), len(pairs)


@computed_once
def group_findings(results: StudyResults) -> PerTeacher[GroupFindings]:
    """The groups of each teacher of shapes; teachers without a data set of classes or scores are left out."""
    if results.folder is None:
        return PerTeacher({})
    workspace = Workspace(results.folder)
    shapes = shape_findings(results).results
    found = {teacher: _of_teacher(results.search, own, workspace) for teacher, own in shapes.items()}
    return PerTeacher({teacher: groups for teacher, groups in found.items() if groups})


def _of_teacher(search: StudySearch, shapes: ShapeFindings, workspace: Workspace) -> GroupFindings | None:
    outcomes = shapes.outcomes
    datasets = dict.fromkeys(outcome.triple.dataset.name for outcome in outcomes)
    pairs = [[outcome for outcome in outcomes if outcome.triple.dataset.name == name] for name in datasets]
    kept = [own for own in pairs if own[0].task in WITH_PREDICTIONS]
    if not kept:
        return None
    found = [_of_dataset(search, own, workspace, max(1, MOST_SAMPLED // len(kept))) for own in kept]
    other = [f"{own[0].triple.dataset.name} ({task_words(own[0].task)})" for own in pairs if own not in kept]
    missing = [reason for reason in found if isinstance(reason, str)]
    missing += [f"{listing(other)}: answers are kept of classification and regression only"] if other else []
    tasks = tuple(groups for groups in found if isinstance(groups, TaskGroups))
    parameters = {student.name: student.num_parameters for student in shapes.study.students}
    return GroupFindings(tasks, tuple(missing), shapes.teacher, parameters)


def _of_dataset(
    search: StudySearch, outcomes: Sequence[TripleOutcome], workspace: Workspace, num_sampled: int
) -> TaskGroups | str:
    """The groups of one data set, or why there are none."""
    name, kept = outcomes[0].triple.dataset.name, answered_or_why_not(search, outcomes[0], workspace)
    if isinstance(kept, str):
        return f"{name}: {kept}"
    answers = {outcome.triple.student.name: _student_answers(search, outcome, kept) for outcome in outcomes}
    known = {student: own for student, own in answers.items() if own is not None}
    if not known:
        return f"{name}: no predictions of a student whose search has ended"
    pairs = kept.text_pairs if any(kept.text_pairs) else None
    task = AnsweredTask(name, kept.texts, pairs, kept.labels, kept.teacher, known, kept.label_names)
    return group_task(task, [student for student in answers if student not in known], num_sampled)


def _student_answers(search: StudySearch, outcome: TripleOutcome, kept: Answered) -> NDArray[Any] | None:
    """Those of the best configuration, selected on validation, with the study's first seed."""
    if outcome.best is None or not outcome.searched:
        return None
    records = search.triples[outcome.triple_id].records(outcome.best.choice.canonical())
    return kept.of_trial(next(record for record in records if record.spec.seed == search.study.config.seeds[0]))
