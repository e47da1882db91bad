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

from search_spaces import InputError, counted, fault
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
    help="""Find out how to distil a teacher into a student: which checkpoint, loss, temperature and label weight.

    STUDY is a study file ([bold]study.yaml[/bold]) or a study's directory ([bold]runs/name[/bold]).
    A typical session:

    [bold]kdstudy plan study.yaml[/bold]      show triples, trials and hours; starts nothing

    [bold]kdstudy doctor study.yaml[/bold]    check data, labels, models and storage

    [bold]kdstudy launch study.yaml[/bold]    run the trials; launch again to resume

    [bold]kdstudy report runs/name[/bold]     write the report, also while the study runs""",
)

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or a study's directory.")]
DirectoryArgument = Annotated[
    str,
    typer.Argument(metavar="DIR", help="A study's directory: a path, or an address such as s3://bucket/folder/name."),
]
StorageOption = Annotated[
    str,
    typer.Option(
        help="Folder that holds the studies' directories. On a cluster: one that all nodes share, or s3://, gs://, az://."
    ),
]
AddressOption = Annotated[
    str | None, typer.Option(help="A running Ray cluster; 'auto' finds it. Default: Ray starts on this machine.")
]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Maximum number of trials at a time. Default: as many as fit.")
]
TrialsOption = Annotated[
    int | None,
    typer.Option(min=0, help="Start at most this many trials, teachers included. Resume for the rest."),
]
HoursOption = Annotated[
    float | None,
    typer.Option(metavar="H", help="Start no new trial after H hours. Running trials finish; resume for the rest."),
]
AutoscalingOption = Annotated[
    bool,
    typer.Option(help="The cluster adds nodes on demand, up to --workers. Accept trials that fit no present node."),
]
OptunaOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Copy finished trials into this Optuna storage, for optuna-dashboard."),
]
SpeculateOption = Annotated[
    bool, typer.Option("--speculate", help="Use idle workers to run trials that the search will probably need next.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

out = Console()


@app.command()
def plan(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show a study's triples and its number of trials, hours and disk space. Starts nothing.

    For a study's directory, the hours are corrected by the trials that have finished.
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
    counts = f"{counted(len(made.triples), 'triple')}, {counted(len(made.teachers), 'teacher')} to prepare"
    out.print(f"[bold]{opened.config.name}[/bold]: {counts}", highlight=False)
    for triple in made.triples:
        out.print(f"  {triple}", highlight=False)
    _print_pairs(plan_lines(opened, made, left))
    if left is not None:
        out.print(work_left_table(left))
        out.print(describe_work_left(left), highlight=False, markup=False, soft_wrap=True)


@app.command()
def doctor(study: StudyArgument, storage: StorageOption = "runs") -> None:
    """Check what a study needs: data, labels, metrics, models, tokenizers and storage. Lists all faults at once."""
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
        described = f"{config.get('model_type')}, {forward_path(config)}"
        out.print(f"model {source[0]}: {described}", highlight=False, markup=False, soft_wrap=True)
    resources = opened.config.resources
    gpus = num_local_gpus() if any(resources.for_kind(kind).gpu for kind in resources.node_kinds) else 0
    for missing in missing_resources(resources, os.cpu_count() or 1, gpus):
        out.print(f"note: {missing}", highlight=False, markup=False, soft_wrap=True)
    if found.faults:
        raise InputError(found.faults)
    out.print("no faults found")


@app.command()
def launch(
    study: StudyArgument,
    storage: StorageOption = "runs",
    address: AddressOption = None,
    workers: WorkersOption = None,
    max_trials: TrialsOption = None,
    max_hours: HoursOption = None,
    autoscaling: AutoscalingOption = False,
    optuna_storage: OptunaOption = None,
    speculate: SpeculateOption = False,
) -> None:
    """Run a study, or resume it. Finished trials are never run again. Ctrl-C stops it cleanly.

    Exit code 0: all triples are finished. 3: some are unfinished or failed; they are listed. 2: bad input.
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
    address: AddressOption = None,
    workers: WorkersOption = None,
    max_trials: TrialsOption = None,
    max_hours: HoursOption = None,
    autoscaling: AutoscalingOption = False,
    optuna_storage: OptunaOption = None,
    speculate: SpeculateOption = False,
) -> None:
    """Resume the study in DIR with the study file that is kept there."""
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
    """Show how far each triple is. Reads the ledger only, so it also works while the study runs elsewhere."""
    from study.planning import describe_work_left, duration_text
    from study.views import read_status

    found = read_status(*_directory(directory))
    if as_json:
        _print_json(found.as_dict())
        return
    state = "finished" if found.finished else "unfinished"
    work = duration_text(3600 * found.hours)
    stopped = f", {found.stopped_trials} of them stopped early" if found.stopped_trials else ""
    extra = f", {found.extra_trials} more that the search did not request" if found.extra_trials else ""
    counts = f"{found.trials} of at most {counted(found.most_trials, 'trial')} done{stopped}{extra}; {work} of work"
    table = Table(title=f"{found.name}: {state}, {counts}", title_justify="left")
    for column in ("triple", "state", "trials", "best validation", "steps (* kept)"):
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
        ("failed trial", found.failed_trials),
        ("started, not finished", found.unfinished_work),
        ("ignored file in the ledger", found.bad_files),
    ):
        for line in lines:
            out.print(f"{title}: {line}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def report(
    directory: DirectoryArgument,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the report. Default: DIR/report.")
    ] = None,
    include_stopped: Annotated[
        bool, typer.Option("--include-stopped", help="Count trials that were stopped early by their best score so far.")
    ] = False,
) -> None:
    """Write report.html with its figures and tables. Also works while the study runs."""
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
    triple: Annotated[str, typer.Option("--triple", help="Triple of the student: teacher/student/dataset.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the student.")],
    experiment: Annotated[
        str | None, typer.Option("--experiment", help="Export this experiment, not the triple's best configuration.")
    ] = None,
    stable: Annotated[
        bool, typer.Option("--stable", help="Export the stable configuration, not the triple's best one.")
    ] = False,
) -> None:
    """Train one student of a study again on this machine, and write it to a folder, ready to use."""
    from study.ledger import Ledger
    from study.views import model_card, trial_to_export

    opened, workspace = _directory(directory)
    record = trial_to_export(opened, Ledger(workspace.ledger).refresh(), triple, experiment=experiment, stable=stable)
    if output.exists():
        raise fault("command line", "--output", str(output), "already exists; give a new folder")
    from trials.workers import export_student

    out.print(f"training the student again: {record.configuration}", highlight=False, markup=False, soft_wrap=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    source = opened.student_source(record.spec.triple.student)
    threads = max(1, int(opened.config.resources.cpu))
    again = export_student(record.spec, source, workspace, output, threads=threads)
    if not again.status.has_scores:
        raise fault("command line", "--triple", triple, f"training failed this time: {again.reason}")
    (output / "README.md").write_text(model_card(record, again), encoding="utf-8")
    scores = f"test score {again.test_score:.4f}; in the study {record.test_score:.4f}"
    out.print(f"student: {_shown(output)} ({scores})", highlight=False, markup=False, soft_wrap=True)


@app.command()
def compare(
    directories: Annotated[
        list[str], typer.Argument(metavar="DIR", help="Directories of two or more studies that share triples.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the tables and the figure.")] = Path(
        "compare"
    ),
    as_json: JsonOption = False,
) -> None:
    """Compare the searches of studies that share triples: best scores, numbers of trials, distance to a grid's best."""
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
    """Copy a study's trials into an Optuna storage, for optuna-dashboard. Existing trials are kept."""
    from study.views import OptunaMirror, open_optuna_storage

    added = OptunaMirror(*_directory(directory), open_optuna_storage(url, "URL")).update()
    out.print(f"mirror: {counted(added, 'trial')} added", highlight=False, markup=False)


@app.command()
def make_model(
    specification: Annotated[Path, typer.Argument(metavar="SPEC", help="File that describes the model.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the model.")],
) -> None:
    """Make a model from scratch: random weights, and a tokenizer trained on a data set's training texts."""
    from study.config import make_model_from_file

    spec, made = make_model_from_file(specification, output)
    wanted, vocabulary = spec.tokenizer.vocabulary, f"{made.vocabulary:,} tokens"
    if made.vocabulary < wanted:
        vocabulary += f" (the texts do not yield {wanted:,})"
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
        message = "is required with --autoscaling: the maximum number of trials at a time"
        raise fault("command line", "--workers", None, message)
    from study.launching import LaunchOptions, Progress, launch

    deadline = None if max_hours is None else began + 3600 * max_hours
    result = launch(opened, workspace, LaunchOptions(deadline=deadline, **options), Progress(out))
    for bad in result.bad_files:
        out.print(f"ignored file in the ledger: {bad}", highlight=False, markup=False, soft_wrap=True)
    where = workspace.place if workspace.shared else _shown(workspace.root)
    if result.finished:
        out.print(f"finished; write the report with: kdstudy report {where}", highlight=False, soft_wrap=True)
        return
    for name, reason in result.unfinished.items():
        out.print(f"unfinished: {name}: {reason}", highlight=False, markup=False, soft_wrap=True)
    if result.storage_full:
        out.print(f"storage is full: {result.storage_full}", highlight=False, markup=False, soft_wrap=True)
    stopped = "stopped, nothing is lost; " if result.interrupted or result.storage_full else ""
    stopped = stopped or ("time limit reached; " if result.time_is_up else "")
    out.print(f"{stopped}resume with: kdstudy resume {where}", highlight=False, soft_wrap=True)
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
