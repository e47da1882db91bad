"""What the families read that are not sections of their own yet."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.experiments import ExperimentTriple, by_depth, by_size, compared, experiment_triples
from analysis.results import StudyResults, computed_once
from analysis.transfer_findings import TransferFindings, analyse_transfer
from study.config import Study


@dataclass(frozen=True)
class Findings:
    """The findings of all families but choices."""

    study: Study
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
    experiments = experiment_triples(search, outcomes, folder)
    return Findings(
        study=results.study,
        experiments=experiments,
        transfer=analyse_transfer(search, outcomes, experiments, results.teachers, folder),
    )
