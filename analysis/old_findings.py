"""What the families read that are not sections of their own yet."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.answer_groups import GroupFindings
from analysis.experiments import ExperimentTriple, by_depth, by_size, compared, experiment_triples
from analysis.group_predictions import group_findings
from analysis.results import StudyResults, TripleOutcome, computed_once
from analysis.shape_findings import ShapeFindings, analyse_shapes
from analysis.shapes_of import shape_studies
from analysis.transfer_findings import TransferFindings, analyse_transfer
from study.config import Study
from trials.specs import SpeedRecord, TeacherRecord


@dataclass(frozen=True)
class Findings:
    """The findings of all families but choices."""

    study: Study
    outcomes: tuple[TripleOutcome, ...]
    compares_choices: bool
    teachers: tuple[TeacherRecord, ...]
    shapes: dict[str, ShapeFindings]
    speeds: tuple[SpeedRecord, ...]
    groups: dict[str, GroupFindings]
    experiments: tuple[ExperimentTriple, ...]
    transfer: TransferFindings | None

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


@computed_once
def old_findings(results: StudyResults) -> Findings:
    """All of it."""
    search, outcomes, folder = results.search, results.outcomes, results.folder
    shapes, experiments = shape_studies(search, outcomes), experiment_triples(search, outcomes, folder)
    return Findings(
        study=results.study,
        outcomes=outcomes,
        compares_choices=results.compares_choices,
        teachers=results.teachers,
        shapes={teacher: analyse_shapes(own) for teacher, own in shapes.items()},
        speeds=results.speeds,
        groups=group_findings(search, outcomes, shapes, folder) if folder else {},
        experiments=experiments,
        transfer=analyse_transfer(search, outcomes, experiments, results.teachers, folder),
    )
