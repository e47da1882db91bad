"""The report: a page that works offline, its figures and its tables, from a study's records alone."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from analysis import page, page_tables
from analysis.findings import Findings, analyse
from analysis.images import fragment, write_figures
from analysis.provenance import Provenance
from analysis.section import Section
from analysis.sections import sections
from analysis.shape_summary import shape_tiles
from analysis.summary import Summary, pooling_sentence, summarise
from analysis.tables import tables, write_tables
from analysis.wording import MISSING, count, duration, percent
from study.config import Study
from study.ledger import BadFile
from trials.record import Record

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
        folder: The study's directory, for what models answered to each test example; without it none are grouped.
        include_stopped: As of `analyse`.

    Returns:
        The page's path.
    """
    findings = analyse(study, records, bad_files, folder, include_stopped=include_stopped)
    figures = {section.name: section.draw(findings) for section in sections(findings)}
    out.mkdir(parents=True, exist_ok=True)
    write_tables(tables(findings), out / "tables")
    path = out / REPORT
    path.write_text(render(findings, figures), encoding="utf-8")
    if note := write_figures(figures, out / "figures", formats):
        log.warning(note)
    return path


def render(findings: Findings, figures: Mapping[str, go.Figure]) -> str:
    """The page: summary, figures with their readings, tables, how it was made."""
    summary = summarise(findings)
    shown = sections(findings)
    links = [(section.name, section.question.rstrip("?")) for section in shown]
    links += [("teachers", "Teachers"), ("failures", "Failures"), ("making", "How this was made")]
    body = [
        *_summary(summary),
        *(_figure_section(section, findings, figures[section.name]) for section in shown),
        page.section("teachers", "The teachers", page_tables.teachers(findings)),
        page.section("failures", "What failed", page_tables.failures(findings)),
        page.section("making", "How this was made", *_making(findings)),
    ]
    header = _header(findings) + page.navigation(links) + page.tiles(_tiles(findings))
    return page.page(f"{findings.study.config.name}: report", header, body, _footer(findings))


def _header(findings: Findings) -> str:
    run = findings.provenance
    until = f", last record {_moment(run.finished_at)}" if run.finished_at else ""
    lead = f"{count(len(findings.outcomes), 'triple')}, {count(run.num_trials, 'trial')}{until}"
    name = escape(findings.study.config.name)
    return f'<p class="kicker">Knowledge-distillation study</p><h1>{name}</h1>{page.paragraph(lead, "lead")}'


def _tiles(findings: Findings) -> list[tuple[str, str]]:
    run, share = findings.provenance, findings.stable_share
    kept = f"{share.count} of {share.compared}" if share.compared else MISSING
    missing = f"scores missing of {len(findings.outcomes) * len(findings.roles)}"
    of_choices = [
        (percent(findings.best_over_worst.decile(5)), "relative test gain of the best choice over the worst, median"),
        *([(kept, "triples where the stable configuration is at least as good as the best")] * findings.compares_steps),
    ]
    return [
        *(of_choices if findings.compares_choices else shape_tiles(findings)),
        (f"{run.num_trials:,}", f"trials, {_lost(run)}; {duration(run.trial_hours)} of work"),
        (str(findings.num_missing), missing),
    ]


def _lost(run: Provenance) -> str:
    stopped = f", {run.num_stopped} stopped early" if run.num_stopped else ""
    return f"{run.num_failed} failed{stopped}"


def _summary(summary: Summary) -> list[str]:
    found = page.section("summary", "What was found", page.bullets(summary.found))
    cautions = page.section("cautions", "Read with care", page.bullets(summary.cautions), kind="cautions")
    progress = page.section("progress", "What was run", page.bullets(summary.progress))
    return [found, *([cautions] if summary.cautions else []), progress]


def _figure_section(section: Section, findings: Findings, figure: go.Figure) -> str:
    return page.section(
        section.name,
        section.question,
        page.paragraph(section.reading(findings), "reading"),
        f'<div class="figure">{fragment(f"{section.name}_figure", figure)}</div>',
        page.paragraph(pooling_sentence(findings), "caption") if section.pools else "",
        page.paragraph(section.caption, "caption"),
        section.details(findings),
        *_tables_of(section, findings),
    )


def _tables_of(section: Section, findings: Findings) -> list[str]:
    if section.name == "table3_rewards":
        return [page_tables.rewards(findings)]
    if section.name == "tasks":
        return [page_tables.task_gains(findings), *([page_tables.task_rewards(findings)] * findings.compares_steps)]
    if section.name == "scores":
        folded = page.fold("The configurations behind these scores", page_tables.configurations(findings))
        return [page_tables.outcomes(findings), folded]
    return [page_tables.steps(findings)] if section.name == "decisions" else []


def _making(findings: Findings) -> list[str]:
    run, study = findings.provenance, findings.study
    facts = [
        ("Command", f"kdstudy launch {study.path.name}"),
        ("Started", _moment(run.started_at)),
        ("Last record", _moment(run.finished_at)),
        ("Hosts", ", ".join(run.hosts) or MISSING),
        ("Devices", ", ".join(run.devices) or MISSING),
        ("Versions", ", ".join(run.versions) or MISSING),
        ("Seeds", ", ".join(str(seed) for seed in study.config.seeds)),
        ("Numbers", "tables/*.csv and tables/*.json beside this page; tables/README.md explains each column"),
    ]
    return [page.definitions(facts), page.fold("The study file", page.code(_study_text(findings)))]


def _study_text(findings: Findings) -> str:
    """The study, resolved: presets expanded, the search space inside."""
    path = findings.study.path
    return path.read_text(encoding="utf-8") if path.is_file() else findings.study.to_yaml()


def _moment(moment: str | None) -> str:
    """An ISO moment to the minute."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else MISSING


def _footer(findings: Findings) -> str:
    choices = (
        "Best, worst and random are over the choices that each search visited; all selection is on validation, all "
        "reported scores are on test."
        if findings.compares_choices
        else "All selection is on validation, all reported scores are on test."
    )
    papers = [
        "(A): Sultan et al. (2024), <i>An Empirical Investigation into the Effect of Parameter Choices in Knowledge "
        "Distillation</i>"
    ]
    if findings.shapes:
        papers.append("(B): Mohanty et al. (2023), <i>What is Lost in Knowledge Distillation?</i>")
    if findings.transfer:
        papers.append(
            "(D): Mukherjee and Awadallah (2019), <i>Distilling Transformers into Simple Neural Networks with "
            "Unlabeled Transfer Data</i>"
        )
    shown = papers if findings.compares_choices else papers[1:]
    return f"<p>{choices} {'Method ' if shown else ''}{'; '.join(shown)}{'.' if shown else ''}</p>"
