"""Trials that the search never asked for: in the ledger, counted, and in no finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from analysed import analyse
from known_studies import DEMO, mixed_score, mixed_study, small_study
from simulation import hashed_score, run_study

from analysis.choices.findings import choice_findings
from analysis.report.report import write_report
from analysis.searches.findings import ComparedStudy, compare
from search_spaces.space import TemperatureSearch
from study.config.study_file import Study
from study.ledger.record_files import Ledger
from study.views.exported_student import trial_to_export
from study.views.study_status import read_status
from trials.specs.records import Record
from trials.storage.workspace import Workspace

# three coarse temperatures, each with another one around it: choices ask for different ones
TEMPERATURES = TemperatureSearch(start=1, stop=4, num=3, fine=1, default=1)
SPACE = DEMO.model_copy(update={"temperature": TEMPERATURES})
STUDIES = {"any": (small_study, hashed_score), "mixed": (mixed_study, mixed_score)}


@pytest.fixture(params=STUDIES)
def ledgers(request: pytest.FixtureRequest) -> tuple[Study, list[Record], list[Record]]:
    """A study, its records, and these with every other trial of its space."""
    make, scores = STUDIES[request.param]
    study = make(search={"space": SPACE})
    records = run_study(study, scores)
    there = {record.record_id for record in records}
    grid = run_study(make(search={"space": SPACE, "strategy": "grid"}), scores)
    extra = [record for record in grid if record.record_id not in there]
    assert len(extra) > len(study.triples)
    return study, records, records + extra


def test_findings_are_those_without_extra_trials(ledgers: tuple[Study, list[Record], list[Record]]) -> None:
    study, records, more = ledgers
    plain, found = analyse(study, records), analyse(study, more)
    # all but the count of what is extra
    assert found.provenance == replace(plain.provenance, num_extra=len(more) - len(records))
    assert found.outcomes == plain.outcomes
    assert choice_findings(found.results) == choice_findings(plain.results)


def test_tables_are_those_without_extra_trials(
    ledgers: tuple[Study, list[Record], list[Record]], tmp_path: Path
) -> None:
    study, records, more = ledgers
    pages = [write_report(study, known, [], tmp_path / str(len(known)), formats=()) for known in (records, more)]
    tables = [{file.name: file.read_bytes() for file in (page.parent / "tables").iterdir()} for page in pages]
    assert tables[0]
    assert tables[0] == tables[1]
    texts = [page.read_text() for page in pages]
    said = f"{len(more) - len(records)} trials that the search has not asked for"
    assert [said in text for text in texts] == [False, True]


def test_comparison_and_export_are_those_without_extra_trials(
    ledgers: tuple[Study, list[Record], list[Record]], tmp_path: Path
) -> None:
    study, records, more = ledgers
    opened = [ComparedStudy(tmp_path / str(len(known)), study, tuple(known)) for known in (records, more)]
    for triple in compare(opened):
        assert replace(triple.runs[0], study="") == replace(triple.runs[1], study="")
    for stable in (False, True):
        exported = [
            trial_to_export(study, known, study.triples[0].triple_id, experiment=None, stable=stable)
            for known in (records, more)
        ]
        assert exported[0] == exported[1]


def test_status_counts_them_apart(ledgers: tuple[Study, list[Record], list[Record]], tmp_path: Path) -> None:
    study, records, more = ledgers
    found = []
    for known in (records, more):
        workspace = Workspace(tmp_path / str(len(known)))
        for record in known:
            Ledger(workspace.ledger).write(record)
        found.append(read_status(study, workspace))
    plain, status = found
    assert (plain.extra_trials, status.extra_trials) == (0, len(more) - len(records))
    assert (status.trials, status.chains, status.finished) == (plain.trials, plain.chains, True)
    # hours speak of the ledger: a simulated record says 10 s
    assert status.hours == pytest.approx(10 * len(more) / 3600)
