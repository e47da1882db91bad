"""What the families read that are not sections of their own yet."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.internals import experiment_triples
from analysis.results import StudyResults, computed_once
from analysis.transfer_findings import TransferFindings, analyse_transfer
from study.config import Study


@dataclass(frozen=True)
class Findings:
    """The findings of all families but choices."""

    study: Study
    transfer: TransferFindings | None


@computed_once
def old_findings(results: StudyResults) -> Findings:
    """All of it."""
    search, outcomes, folder = results.search, results.outcomes, results.folder
    experiments = experiment_triples(results)
    return Findings(
        study=results.study,
        transfer=analyse_transfer(search, outcomes, experiments, results.teachers, folder),
    )
