"""All of the papers' questions, answered from a study file, its records and what its models answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis.answer_groups import GroupFindings
from analysis.answers import Answers, answer, answers_by_task
from analysis.curves import TemperatureCurve, TrainingCurve, temperature_curves, training_curves
from analysis.experiments import ExperimentTriple, by_depth, by_size, compared, experiment_triples
from analysis.outcomes import Role, triple_outcomes
from analysis.parameters import Change, changes
from analysis.predictions_of import group_findings
from analysis.provenance import Provenance, current_speeds, current_teachers, current_trials, provenance
from analysis.shape_findings import ShapeFindings, analyse_shapes
from analysis.shapes_of import has_one_configuration, shape_studies
from analysis.transfer_findings import TransferFindings, analyse_transfer
from search_spaces.configuration import Configuration
from study.config import Strategy, Study
from study.ledger import BadFile
from study.search import StudySearch, load_search
from study.searchers.stable import stable_choice
from trials.record import Record, SpeedRecord, TeacherRecord
from trials.spec import TaskName


@dataclass(frozen=True)
class Findings(Answers):
    """What a study says so far: the answers over all its triples, and what is behind them.

    Attributes:
        study: The study.
        by_task: The answers of each task; empty for a study of one task.
        changes: Every step of every search.
        stable: The choices that the rewards pick, from the steps made so far; None without steps.
        stable_is_final: Whether every search has ended, so that `stable` will not change.
        temperature_curves, training_curves: Validation curves.
        teachers: The teachers' records.
        provenance: Where the numbers come from.
        shapes: B's answers by teacher, of the teachers with students to compare.
        speeds: Response times.
        experiments: Named configurations, triple by triple; () of a study that names none.
        transfer: D's answers; None of a study that is not like D's.
        include_stopped: Whether trials that were stopped early count.
        groups: Groups of test examples by teacher; empty without the study's directory.
    """

    study: Study
    by_task: dict[TaskName, Answers]
    changes: tuple[Change, ...]
    stable: Configuration | None
    stable_is_final: bool
    temperature_curves: tuple[TemperatureCurve, ...]
    training_curves: tuple[TrainingCurve, ...]
    teachers: tuple[TeacherRecord, ...]
    provenance: Provenance
    shapes: dict[str, ShapeFindings]
    speeds: tuple[SpeedRecord, ...]
    groups: dict[str, GroupFindings]
    experiments: tuple[ExperimentTriple, ...]
    transfer: TransferFindings | None
    include_stopped: bool = False

    @property
    def compares_choices(self) -> bool:
        """Whether the study compares parameter choices, or tunes any; else only its shapes say something."""
        return not (self.strategy is Strategy.EXPERIMENTS or has_one_configuration(self.study.space))

    @property
    def strategy(self) -> Strategy:
        """How its triples are searched."""
        return self.study.config.search.strategy

    @property
    def compares_steps(self) -> bool:
        """Whether its searches go step by step, so that parameters are compared one by one."""
        return self.compares_choices and self.strategy is Strategy.GREEDY

    @property
    def compared_experiments(self) -> tuple[ExperimentTriple, ...]:
        """Of `experiments` those of students that have a teacher."""
        return compared(self.experiments)

    @property
    def experiment_families(self) -> tuple[tuple[ExperimentTriple, ...], ...]:
        """Of `experiments` those whose data differ in size alone, together."""
        return by_size(self.experiments)

    @property
    def experiment_depths(self) -> tuple[tuple[ExperimentTriple, ...], ...]:
        """Of `experiments` those whose students differ in size, together."""
        return by_depth(self.experiments)

    @property
    def attention_views(self) -> tuple[ExperimentTriple, ...]:
        """Of each data set the largest student whose attention was kept."""
        by_size = sorted(self.experiments, key=lambda each: each.outcome.num_parameters or 0)
        largest = {each.outcome.triple.dataset.name: each.triple_id for each in by_size if each.attention}
        return tuple(triple for triple in self.experiments if triple.triple_id in largest.values())

    @property
    def roles(self) -> tuple[Role, ...]:
        """The students that every triple is asked for: best, worst, random, and those the study file evaluates.

        Of one configuration all are the best.
        """
        if not self.compares_choices:
            return (Role.BEST,)
        return (Role.BEST, Role.WORST, Role.RANDOM, *(Role(name) for name in self.study.config.search.evaluate))

    @property
    def num_missing(self) -> int:
        """Scores asked for that are not there (or not final yet), over triples and `roles`."""
        return sum(outcome.final_score(role) is None for outcome in self.outcomes for role in self.roles)


def analyse(
    study: Study,
    records: Iterable[Record],
    bad_files: Iterable[BadFile] = (),
    folder: Path | None = None,
    *,
    include_stopped: bool = False,
) -> Findings:
    """Answer every question from the records; works at any time of a study, from its first record on.

    Args:
        study: The study.
        records: Its ledger's records.
        bad_files: Files in the ledger that are no records.
        folder: The study's directory, for what models answered; without it no examples are grouped.
        include_stopped: Let choices all of whose trials were stopped early count by their best validation until then.
    """
    records = sorted(records, key=lambda record: record.record_id)
    search = load_search(study, records, include_stopped=include_stopped)
    trials = current_trials(search, records)
    outcomes = triple_outcomes(search, trials)
    shapes, experiments = shape_studies(search, outcomes), experiment_triples(search, outcomes, folder)
    teachers = tuple(current_teachers(search))
    return Findings(
        **vars(answer(search, outcomes)),
        study=study,
        by_task=answers_by_task(search, outcomes),
        changes=changes(search, outcomes),
        stable=_stable(search),
        stable_is_final=search.stable_choice is not None,
        temperature_curves=temperature_curves(search, trials),
        training_curves=training_curves(search, outcomes),
        teachers=teachers,
        provenance=provenance(search, records, list(bad_files)),
        shapes={teacher: analyse_shapes(own) for teacher, own in shapes.items()},
        speeds=tuple(current_speeds(search)),
        groups=group_findings(search, outcomes, shapes, folder) if folder else {},
        experiments=experiments,
        transfer=analyse_transfer(search, outcomes, experiments, teachers, folder),
        include_stopped=include_stopped,
    )


def _stable(search: StudySearch) -> Configuration | None:
    steps = list(search.steps)
    return stable_choice(steps, search.study.space) if steps else None
