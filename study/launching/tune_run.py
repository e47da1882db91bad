"""One Ray Tune run that holds all trials of a study, and the Ray session that it runs in."""

from __future__ import annotations

import logging
import math
import os
import shutil
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

# Before Ray is imported: its own reporters and snapshots off, one placement group per worker kept pending
TUNE_SETTINGS = {
    "RAY_AIR_NEW_OUTPUT": "0",  # we report progress ourselves
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the announced future default; silences its warning
    "RAY_raylet_client_connect_timeout_milliseconds": "100",  # Ray starts a second sooner: its first try comes early
    "RAY_raylet_client_num_connect_attempts": "100",
    "RAY_worker_niceness": "0",  # Ray would run workers at nice 15
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # else thousands of files are copied at each snapshot
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # results name a record, not a metric
    "TUNE_GLOBAL_CHECKPOINT_S": "300",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "31536000",  # the preflight has spoken
}
os.environ.update({name: os.environ.get(name, value) for name, value in TUNE_SETTINGS.items()})

import ray
from ray import tune
from ray._private import ray_constants

from search_spaces import InputError, fault
from study.config import Study
from study.launching import cluster_nodes as cluster
from study.launching.head_node import watch_head_node
from study.launching.interrupts import handle_interrupts
from study.launching.options import LaunchOptions
from study.launching.placement import placement_faults, trial_slots
from study.launching.progress import Progress
from study.launching.tune_callbacks import LaunchMonitor, SilentReporter, StartAwareScheduler
from study.launching.tune_searcher import LaunchEvents, StudySearcher
from study.ledger import Ledger
from study.search import StudySearch
from trials.specs import (
    TrialSpec,
    Work,
)
from trials.storage import Workspace
from trials.workers import (
    KDTrainable,
    WorkerContext,
    announce_work,
    request_stop,
    start_coordinator,
    start_early_stopper,
    withdraw_work,
)

MAX_WORKER_LOSSES = 3  # work whose worker is lost more often is blocked for this launch


def run_on_tune(
    study: Study,
    search: StudySearch,
    ledger: Ledger,
    workspace: Workspace,
    options: LaunchOptions,
    workers: int,
    progress: Progress,
) -> tuple[LaunchEvents, bool]:
    """Run one Tune experiment that holds all trials and teachers of a study.

    Returns:
        The events of the launch, and whether it was interrupted.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(workers)
    resources = study.config.resources
    context = _worker_context(study, workspace)
    coordinator = start_coordinator(context) if context.group > 1 else None

    def started(work: Work) -> None:
        progress.started(work)
        if coordinator is not None:
            announce_work(coordinator, work)

    def returned(work: Work) -> None:
        progress.returned(work)
        if coordinator is not None:
            withdraw_work(coordinator, work)

    searcher = StudySearcher(
        search,
        ledger,
        source_of=lambda work: study.student_source(work.triple.student) if isinstance(work, TrialSpec) else ("", ""),
        workers=workers,
        resources=resources,
        nodes=cluster.alive_nodes,
        growing=options.autoscaling,
        max_trials=options.max_trials,
        deadline=options.deadline,
        speculate=options.speculate,
        on_start=started,
        on_record=progress.recorded,
        on_return=returned,
    )
    watch = LaunchMonitor(
        searcher,
        progress,
        search,
        workspace,
        resources=resources,
        workers=workers,
        autoscaling=options.autoscaling,
        checkpoint_seconds=study.config.checkpoint_seconds,
    )
    trainable = tune.with_parameters(KDTrainable, context=context, coordinator=coordinator)
    tuner = _tuner(tune.with_resources(trainable, cluster.resource_request(resources)), searcher, watch, workspace.root)
    with _watching_head_node(options, workspace, progress), handle_interrupts(searcher.stop, request_stop) as signals:
        try:
            tuner.fit()
        except Exception:
            if searcher.events.storage_full is None:
                raise  # else Tune failed to read its own torn report from the full disk, which is already known
    return searcher.events, bool(signals)


def _worker_context(study: Study, workspace: Workspace) -> WorkerContext:
    """The objects that a worker needs for the study's work."""
    config = study.config
    return WorkerContext(
        workspace=workspace,
        ledger=Ledger(workspace.ledger),
        threads=max(1, int(config.resources.cpu)),
        gpu=config.resources.gpu > 0,
        checkpoint_seconds=config.checkpoint_seconds,
        group=config.resources.group,
        show_attention=study.keeps_attention,
        stop_check=start_early_stopper(Ledger(workspace.ledger)) if config.search.stopping else None,
    )


def _tuner(trainable: Any, searcher: StudySearcher, watch: LaunchMonitor, root: Path) -> tune.Tuner:
    """A tuner that asks the searcher for all its trials; Tune's own files are never read again."""
    folder = root / ".tune"
    shutil.rmtree(folder, ignore_errors=True)
    return tune.Tuner(
        trainable,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=StartAwareScheduler(searcher),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
            trial_name_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="experiment",
            storage_path=str(folder),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_WORKER_LOSSES),
            callbacks=[watch, SilentReporter()],
        ),
    )


def _watching_head_node(
    options: LaunchOptions, workspace: Workspace, progress: Progress
) -> AbstractContextManager[None]:
    """Watch the head node if a cluster was joined; a local Ray ends with its driver."""
    if options.address is None:
        return nullcontext()
    go_on = f"nothing is lost; start a cluster and resume with: kdstudy resume {workspace.place} --address ..."
    return watch_head_node(ray.get_runtime_context().gcs_address, lambda what: progress.say(f"{what}; {go_on}"))


@contextmanager
def ray_session(
    study: Study, workspace: Workspace, options: LaunchOptions, say: Callable[[str], None] = lambda text: None
) -> Iterator[int]:
    """A Ray session, started here or joined; yields the number of trials at a time.

    Raises:
        InputError: No cluster answers, or a trial fits on none of its nodes.
    """
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # the launch itself reports errors at its end
    warnings.filterwarnings("ignore", module=r"ray(\.|$)")
    here = Path.cwd()
    os.chdir(workspace.root)  # Ray adds the current folder to its workers' path: a user's files must not shadow ours
    try:
        _connect(study, options)
        yield _workers(study, options, say)
    finally:
        ray.shutdown()
        os.chdir(here)


def _connect(study: Study, options: LaunchOptions) -> None:
    """Start Ray on this machine, or join a cluster.

    Raises:
        InputError: No cluster answers.
    """
    if options.address is None:
        resources = study.config.resources
        cpus = options.workers and math.ceil(options.workers * resources.cpu / resources.group)
        ray_constants.ENABLE_RAY_CLUSTER = False  # listen on 127.0.0.1 alone, as Ray does by default off Linux
        ray.init("local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.CRITICAL)
        return
    try:
        _check_reachable(options.address)
        ray.init(options.address, log_to_driver=False, logging_level=logging.CRITICAL)
    except ConnectionError as error:
        raise fault("command line", "--address", options.address, f"no Ray cluster answers: {error}") from None


def _check_reachable(address: str) -> None:
    """Try a connection to ``host:port`` first, because Ray itself would try for many minutes.

    Raises:
        ConnectionError: Nothing answers there.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise ConnectionError(error) from None


def _workers(study: Study, options: LaunchOptions, say: Callable[[str], None]) -> int:
    """The number of trials that fit on the cluster now, or `--workers`.

    Raises:
        InputError: A trial fits on no node, or on no node of a type that the cluster has.
    """
    resources, nodes = study.config.resources, cluster.alive_nodes()
    room = sum(trial_slots(resources, nodes).values())
    if not options.autoscaling:
        faults, notes = placement_faults(resources, nodes, study.path, cluster.KNOWN_ACCELERATORS)
        if faults:
            raise InputError(faults)
        for note in notes:
            say(f"note: {note}")
        if options.workers and options.workers > room:
            say(f"note: --workers {options.workers}, but only {room} trials fit at a time")
    return options.workers or max(room, resources.group)
