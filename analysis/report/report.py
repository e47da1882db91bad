"""The report: a page that works offline, its figures and its tables, from a study's records alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.presentation import (
    MISSING,
    Answer,
    ExportedTable,
    exported,
    fragment,
    render_page,
    write_figures,
    write_tables,
)
from analysis.report.families import FAMILIES
from analysis.results import StudyResults
from search_spaces import counted
from study.config import Study
from study.ledger import BadFile
from trials.specs import Record

log = logging.getLogger(__name__)
REPORT = "report.html"


def write_report(
    study: Study,
    records: Iterable[Record],
    bad_files: Iterable[BadFile],
    out: Path,
    *,
    formats: Iterable[str] = ("html", "svg", "png"),
    folder: Path | None = None,
    include_stopped: bool = False,
) -> Path:
    """Write ``report.html``, ``figures/`` and ``tables/``; works on a running study, and on an empty ledger.

    The same records give the same page. Pictures need kaleido and a browser; without them a warning is logged.

    Args:
        study: The study.
        records: Its ledger's records.
        bad_files: Files in the ledger that are no records; the report names them.
        out: Folder of the report; made if needed.
        formats: Formats of the single figures.
        folder: The study's directory, for the answers of models to test examples; without it none are grouped.
        include_stopped: As of `StudyResults`.

    Returns:
        The page's path.
    """
    results = StudyResults(study, records, bad_files, folder, include_stopped=include_stopped)
    answers = answers_of(results)
    figures = {answer.name: figure for answer in answers if (figure := answer.figure())}
    out.mkdir(parents=True, exist_ok=True)
    write_tables(tables_of(answers), out / "tables")
    path = out / REPORT
    path.write_text(render(results, answers, figures), encoding="utf-8")
    if note := write_figures(figures, out / "figures", formats):
        log.warning(note)
    return path


def export_tables(study: Study, records: Iterable[Record], folder: Path) -> None:
    """Write the tables alone."""
    write_tables(tables_of(answers_of(StudyResults(study, records))), folder)


def answers_of(results: StudyResults) -> list[Answer]:
    """Every section that the study fills, with its result, in the page's order."""
    return [answer for sections in FAMILIES for section in sections for answer in section.answers(results)]


def tables_of(answers: Iterable[Answer]) -> dict[str, ExportedTable]:
    """The exported tables of all sections, by name."""
    return exported((table, answer.result) for answer in answers for table in answer.section.tables)


class Summary(NamedTuple):
    """The study in sentences."""

    found: list[str]  # what the study found
    cautions: list[str]  # what a reader must keep in mind
    progress: list[str]  # what was run, what is missing


def summarise(answers: Iterable[Answer]) -> Summary:
    """What all sections say, in the page's order."""
    found, cautions, progress = ([said for answer in answers for said in answer.sentences(k)] for k in Summary._fields)
    return Summary(found or ["No search has ended yet, so there is nothing to compare."], cautions, progress)


def render(results: StudyResults, answers: Sequence[Answer], figures: Mapping[str, go.Figure]) -> str:
    """The page: tiles, summary, sections with their figures and tables, how it was made."""
    run, study = results.provenance, results.study
    until = f", last record {_moment(run.finished_at)}" if run.finished_at else ""
    summary = summarise(answers)
    return render_page(
        name=study.config.name,
        lead=f"{counted(len(results.outcomes), 'triple')}, {counted(run.num_trials, 'trial')}{until}",
        tiles=[tile for answer in answers for tile in answer.section.tiles(answer.result)],
        summary=[
            ("summary", "What was found", summary.found),
            ("cautions", "Read with care", summary.cautions),
            ("progress", "What was run", summary.progress),
        ],
        sections=[_section(answer, figures.get(answer.name)) for answer in answers if answer.shown],
        making=_making(results),
        study_file=study.path.read_text(encoding="utf-8") if study.path.is_file() else study.to_yaml(),
        papers=list(dict.fromkeys(answer.section.paper for answer in answers if answer.section.paper)),
    )


def _section(answer: Answer, figure: go.Figure | None) -> dict[str, object]:
    section, result = answer.section, answer.result
    return {
        "name": answer.name,
        "question": answer.question,
        "figure": fragment(f"{answer.name}_figure", figure) if figure else "",
        "reading": section.reading(result),
        "caption": answer.caption,
        "notes": list(filter(None, section.notes(result))),
        "tables": [shown for table in section.tables if (shown := table.page_table(result))],
    }


def _making(results: StudyResults) -> list[tuple[str, str]]:
    run, study = results.provenance, results.study
    return [
        ("Command", f"kdstudy launch {study.path.name}"),
        ("Started", _moment(run.started_at)),
        ("Last record", _moment(run.finished_at)),
        ("Hosts", ", ".join(run.hosts) or MISSING),
        ("Devices", ", ".join(run.devices) or MISSING),
        ("Versions", ", ".join(run.versions) or MISSING),
        ("Seeds", ", ".join(str(seed) for seed in study.config.seeds)),
        ("Numbers", "tables/*.csv and tables/*.json beside this page; tables/README.md explains each column"),
    ]


def _moment(moment: str | None) -> str:
    """An ISO moment to the minute."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else MISSING
