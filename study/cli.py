"""The command line. It imports lazily, so that `--help` and `status` are quick; nobody imports it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from search_spaces import InputError, fault
from trials.storage import StorageFull, StoreError

UNFINISHED, BAD_INPUT = 3, 2
COMPARED = (  # of the table of searches what `compare` prints
    *("triple", "study", "strategy", "configurations"),
    *("hours", "validation", "test", "regret", "regret_at_same_number"),
)

app = typer.Typer(
    name="kdstudy",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Measure how to distil a teacher into a student: which checkpoint, distance, temperatures and labels.

    STUDY is a study file ([bold]study.yaml[/bold]) or a study's directory ([bold]runs/name[/bold]).
    A typical session:

    [bold]kdstudy plan study.yaml[/bold]      what would run: triples, trials, hours; starts nothing

    [bold]kdstudy doctor study.yaml[/bold]    what would go wrong: data, labels, models, storage

    [bold]kdstudy launch study.yaml[/bold]    runs it; launched again after a kill it goes on, nothing lost

    [bold]kdstudy report runs/name[/bold]     the findings, also while it runs""",
)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="Study file, or a study's directory.")]
DirectoryArgument = Annotated[
    str,
    typer.Argument(metavar="DIR", help="A study's directory: a path, or an address such as s3://bucket/folder/name."),
]
StorageOption = Annotated[
    str,
    typer.Option(
        help="Folder for studies' directories; on a cluster one that all nodes share, or s3://, gs://, az://."
    ),
]
HoursOption = Annotated[
    float | None,
    typer.Option(metavar="H", help="Begin nothing after H hours: what runs then ends, however long; the rest stays."),
]
OptunaOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Keep an Optuna storage up with the ledger, for optuna-dashboard."),
]
SpeculateOption = Annotated[
    bool, typer.Option("--speculate", help="Let workers that would idle run what the search will likely ask for next.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

out = Console()


@app.command()
def plan(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show what a study would do: triples, trials, the full grid's size, hours, disk. Starts nothing.

    Of a study's directory, hours are corrected by the trials so far.
    """
    from study.ledger import open_study
    from study.planning import describe_work_left, make_plan, plan_lines, work_left_table
    from study.views import read_work_left

    opened, workspace = open_study(study)
    made = make_plan(opened)
    left = None if workspace is None else read_work_left(opened, workspace)
    if as_json:
        _print_json(asdict(made) | ({} if left is None else {"left": left.as_dict()}))
        return
    counts = f"{len(made.triples)} triples, {len(made.teachers)} teachers to prepare"
    out.print(f"[bold]{opened.config.name}[/bold]: {counts}", highlight=False)
    for triple in made.triples:
        out.print(f"  {triple}", highlight=False)
    _print_pairs(plan_lines(opened, made, left))
    if left is not None:
        out.print(work_left_table(left))
        out.print(describe_work_left(left), highlight=False, markup=False, soft_wrap=True)


@app.command()
def doctor(study: StudyArgument, storage: StorageOption = "runs") -> None:
    """Check all that a study needs: data, columns, labels, metrics, models, tokenizers, depths, storage."""
    from study.checks import check_study
    from study.launching import missing_resources
    from study.ledger import open_study
    from study.planning import forward_path
    from trials.tasks import task_of
    from trials.workers import num_local_gpus

    opened, workspace = open_study(study)
    found = check_study(opened, workspace or _workspace(storage, opened))
    for dataset in opened.config.datasets:
        if (checked := found.data.get(dataset.name)) is None:
            continue
        rows = ", ".join(f"{split} {count:,}" for split, count in checked.rows.items())
        labels = "" if task_of(dataset).output_names else f"; labels {', '.join(checked.label_names)}"
        out.print(
            f"data {dataset.name} ({dataset.task}): {rows}{labels}", highlight=False, markup=False, soft_wrap=True
        )
    for source, config in found.models.items():
        described = f"{config.get('model_type')}, computed {forward_path(config)}"
        out.print(f"model {source[0]}: {described}", highlight=False, markup=False, soft_wrap=True)
    resources = opened.config.resources
    gpus = num_local_gpus() if any(resources.for_kind(kind).gpu for kind in resources.node_kinds) else 0
    for lack in missing_resources(resources, os.cpu_count() or 1, gpus):
        out.print(f"not on this machine alone: {lack}", highlight=False, markup=False, soft_wrap=True)
    if found.faults:
        raise InputError(found.faults)
    out.print("nothing is wrong")


@app.command()
def launch(
    study: StudyArgument,
    storage: StorageOption = "runs",
    address: Annotated[
        str | None, typer.Option(help="Join a running Ray cluster, 'auto' finds it; without it Ray starts here.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Most trials at a time; default: as many as fit.")] = None,
    max_trials: Annotated[int | None, typer.Option(min=0, help="Stop after this many; the rest stays to do.")] = None,
    max_hours: HoursOption = None,
    autoscaling: Annotated[
        bool, typer.Option(help="The cluster adds nodes on demand, up to --workers: do not refuse what fits no node.")
    ] = False,
    optuna_storage: OptunaOption = None,
    speculate: SpeculateOption = False,
) -> None:
    """Run a study, or go on with it: what has a record is never run again. Ctrl-C stops it cleanly.

    Exit code 0: all chains finished. 3: unfinished or failed chains, named. 2: bad input.
    """
    from study.ledger import open_study

    opened, workspace = open_study(study)
    workspace = workspace or _workspace(storage, opened)
    _launch(
        opened,
        workspace,
        address=address,
        workers=workers,
        max_trials=max_trials,
        max_hours=max_hours,
        autoscaling=autoscaling,
        optuna_storage=optuna_storage,
        speculate=speculate,
    )


@app.command()
def resume(
    directory: DirectoryArgument,
    address: Annotated[str | None, typer.Option(help="As for launch.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="As for launch.")] = None,
    max_trials: Annotated[int | None, typer.Option(min=0, help="As for launch.")] = None,
    max_hours: HoursOption = None,
    autoscaling: Annotated[bool, typer.Option(help="As for launch.")] = False,
    optuna_storage: OptunaOption = None,
    speculate: SpeculateOption = False,
) -> None:
    """Go on with the study in DIR: launch, with the study file that is kept there."""
    opened, workspace = _directory(directory)
    _launch(
        opened,
        workspace,
        address=address,
        workers=workers,
        max_trials=max_trials,
        max_hours=max_hours,
        autoscaling=autoscaling,
        optuna_storage=optuna_storage,
        speculate=speculate,
    )


@app.command()
def status(directory: DirectoryArgument, as_json: JsonOption = False) -> None:
    """Show where a study stands, from its ledger, also while it runs elsewhere."""
    from study.planning import describe_work_left, duration_text
    from study.views import read_status

    found = read_status(*_directory(directory))
    if as_json:
        _print_json(found.as_dict())
        return
    state = "finished" if found.finished else "unfinished"
    work = duration_text(3600 * found.hours)
    stopped = f", {found.stopped_trials} of them stopped early" if found.stopped_trials else ""
    extra = f" and {found.extra_trials} not asked for" if found.extra_trials else ""
    counts = f"{found.trials} trials of at most {found.most_trials}{stopped}{extra}, {work} of work"
    table = Table(title=f"{found.name}: {state}, {counts}", title_justify="left")
    for column in ("triple", "state", "trials", "best validation", "steps (kept ones marked *)"):
        table.add_column(column, overflow="fold")
    for chain in found.chains:
        steps = ", ".join(f"{step['changed_to']}{'*' if step['kept'] else ''}" for step in chain.steps)
        best = "" if chain.validation_score is None else f"{chain.validation_score:.4f}"
        stopped = f" ({chain.stopped_trials} stopped)" if chain.stopped_trials else ""
        table.add_row(chain.triple, chain.stage, f"{chain.trials}{stopped}", best, steps)
    out.print(table)
    if found.left is not None:
        out.print(describe_work_left(found.left), highlight=False, markup=False, soft_wrap=True)
    for title, lines in (
        ("failed trials", found.failed_trials),
        ("started and not ended", found.unfinished_work),
        ("files in the ledger that are no records", found.bad_files),
    ):
        for line in lines:
            out.print(f"{title}: {line}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def report(
    directory: DirectoryArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the report; default: DIR/report.")
    ] = None,
    include_stopped: Annotated[
        bool, typer.Option("--include-stopped", help="Let trials that were stopped early count by their scores so far.")
    ] = False,
) -> None:
    """Write report.html, figures and tables; works on a running study, with what is missing shown as missing."""
    from analysis.report import write_report
    from study.ledger import Ledger

    opened, workspace = _directory(directory)
    ledger = Ledger(workspace.ledger)
    records = ledger.refresh()
    workspace.fetch_predictions()
    folder = output or workspace.report
    try:
        how = {"folder": workspace.root, "include_stopped": include_stopped}
        page = write_report(opened, records, ledger.bad_files, folder, **how)
    except OSError as error:
        raise fault(folder, "--output", str(folder), f"cannot be written: {error.strerror or error}") from None
    shown = _shown(page)
    if output is None and workspace.shared:
        workspace.share(*folder.rglob("*"))
        shown = f"{workspace.place}/{page.relative_to(workspace.root)}"
    out.print(f"report: {shown}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def export(
    directory: DirectoryArgument,
    triple: Annotated[str, typer.Option("--triple", help="teacher/student/dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The student's folder, which is not there yet.")],
    experiment: Annotated[str | None, typer.Option("--experiment", help="A named configuration.")] = None,
    stable: Annotated[bool, typer.Option("--stable", help="The stable configuration, not the triple's best.")] = False,
) -> None:
    """Write a trained student as a folder to use: its trial is run again on this machine, and its weights are kept."""
    from study.ledger import Ledger
    from study.views import model_card, trial_to_export

    opened, workspace = _directory(directory)
    record = trial_to_export(opened, Ledger(workspace.ledger).refresh(), triple, experiment=experiment, stable=stable)
    if output.exists():
        raise fault("command line", "--output", str(output), "is there already")
    from trials.workers import export_student

    out.print(f"training again: {record.configuration}", highlight=False, markup=False, soft_wrap=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    source = opened.student_source(record.spec.triple.student)
    threads = max(1, int(opened.config.resources.cpu))
    again = export_student(record.spec, source, workspace, output, threads=threads)
    if not again.status.has_scores:
        raise fault("command line", "--triple", triple, f"the training failed this time: {again.reason}")
    (output / "README.md").write_text(model_card(record, again), encoding="utf-8")
    scores = f"test {again.test_score:.4f}, in the study {record.test_score:.4f}"
    out.print(f"student: {_shown(output)}: {scores}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def compare(
    directories: Annotated[list[str], typer.Argument(metavar="DIR", help="Directories of studies that share triples.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of tables and figure.")] = Path("compare"),
    as_json: JsonOption = False,
) -> None:
    """Compare what studies found on triples that they share, with how many trials; a grid says what was possible."""
    from analysis.searches import open_studies, write_comparison

    found, note = write_comparison(open_studies(directories), output)
    if as_json:
        _print_json(found)
        return
    table = Table(title=f"comparison: {_shown(output)}", title_justify="left")
    for column in COMPARED:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in found:
        table.add_row(*(_cell(row[column]) for column in COMPARED))
    out.print(table)
    if note:
        out.print(note, highlight=False, markup=False, soft_wrap=True)


@app.command()
def mirror(
    directory: DirectoryArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="An Optuna storage, such as sqlite:///studies.db.")],
) -> None:
    """Copy a study's trials into an Optuna storage, for optuna-dashboard; what is there already stays as it is."""
    from study.views import OptunaMirror, open_optuna_storage

    added = OptunaMirror(*_directory(directory), open_optuna_storage(url, "URL")).update()
    out.print(f"mirror: {added} trial{'s' * (added != 1)} added", highlight=False, markup=False)


@app.command()
def make_model(
    specification: Annotated[Path, typer.Argument(metavar="SPEC", help="File that says what model.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model's folder, which is not there yet.")],
) -> None:
    """Make a model from scratch: random weights, and a tokenizer trained on a data set's training texts."""
    from study.config import make_model_from_file

    spec, made = make_model_from_file(specification, output)
    wanted, vocabulary = spec.tokenizer.vocabulary, f"{made.vocabulary:,} tokens"
    if made.vocabulary < wanted:
        vocabulary += f" (the texts give no {wanted:,})"
    described = f"{made.architecture}, {made.parameters:,} parameters, {vocabulary}"
    out.print(f"model: {_shown(output)}: {described}", highlight=False, markup=False, soft_wrap=True)


def main() -> None:
    """Entry point: a user's mistake is one clear message and exit code 2, never a traceback."""
    try:
        app()
    except InputError as error:
        _fail(map(str, error.faults), BAD_INPUT)
    except (StoreError, StorageFull) as error:
        _fail([f"{error}"], BAD_INPUT)


def _fail(messages: Iterable[str], code: int) -> None:
    console = Console(stderr=True)
    for message in messages:
        console.print(f"error: {message}", highlight=False, markup=False, soft_wrap=True, style="red")
    sys.exit(code)


def _launch(opened: Any, workspace: Any, *, max_hours: float | None, **options: Any) -> None:
    began = time.monotonic()
    if max_hours is not None and not max_hours > 0:
        raise fault("command line", "--max-hours", max_hours, "must be above 0")
    if options["autoscaling"] and options["workers"] is None:
        message = "is needed with --autoscaling: the most trials that the grown cluster shall run at a time"
        raise fault("command line", "--workers", None, message)
    from study.launching import LaunchOptions, Progress, launch

    deadline = None if max_hours is None else began + 3600 * max_hours
    result = launch(opened, workspace, LaunchOptions(deadline=deadline, **options), Progress(out))
    for bad in result.bad_files:
        out.print(f"left alone: {bad}", highlight=False, markup=False, soft_wrap=True)
    where = workspace.place if workspace.shared else _shown(workspace.root)
    if result.finished:
        out.print(f"finished; see it with: kdstudy report {where}", highlight=False, soft_wrap=True)
        return
    for name, reason in result.unfinished.items():
        out.print(f"unfinished: {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if result.storage_full:
        out.print(f"storage is full: {result.storage_full}", highlight=False, markup=False, soft_wrap=True)
    stopped = "stopped, nothing is lost; " if result.interrupted or result.storage_full else ""
    stopped = stopped or ("time is up; " if result.time_is_up else "")
    out.print(f"{stopped}go on with: kdstudy resume {where}", highlight=False, soft_wrap=True)
    raise typer.Exit(UNFINISHED)


def _directory(directory: str) -> tuple[Any, Any]:
    from study.ledger import open_study

    opened, workspace = open_study(directory)
    if workspace is None:
        raise fault(directory, "(folder)", None, "is a file; give the study's directory, such as runs/name")
    return opened, workspace


def _workspace(storage: str, opened: Any) -> Any:
    from trials.storage import Workspace

    return Workspace.at(f"{storage}/{opened.config.name}")


def _shown(path: Path) -> str:
    """A path as short as it can be said from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _print_pairs(rows: list[tuple[str, str]]) -> None:
    for name, value in rows:
        out.print(f"{name:22s} {value}", highlight=False, markup=False, soft_wrap=True)


def _print_json(values: Any) -> None:
    out.print(json.dumps(values, indent=1), highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
