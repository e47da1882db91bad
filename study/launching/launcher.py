"""Launches or resumes a study on Ray Tune. The ledger is the only state, so resuming is launching again.

Ray is imported only when there is work to run, so that faults in the input are reported at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from filelock import FileLock, Timeout

from search_spaces import InputError, counted, fault
from study.checks import CheckCache, check_study
from study.config import Study
from study.launching.options import LaunchOptions, LaunchResult
from study.launching.progress import Progress
from study.ledger import Ledger, save_study_file
from study.search import StudySearch, work_name
from study.views import mirror_while_running, open_optuna_storage
from trials.specs import work_id
from trials.storage import Workspace, explain_full_storage


def launch(study: Study, workspace: Workspace, options: LaunchOptions, progress: Progress) -> LaunchResult:
    """Run all work that the study still lacks.

    Raises:
        InputError: The study has faults; nothing was started.
        StorageFull: The storage has no room to start.
    """
    if options.speculate and study.config.resources.group > 1:
        message = (
            "cannot be combined with resources.group above 1: they would keep the GPU from trials that the search needs"
        )
        raise fault("command line", "--speculate", None, message)
    if options.speculate and study.config.search.stopping is not None:
        message = (
            "cannot be combined with search.stopping: speculative trials would decide which other trials are stopped"
        )
        raise fault("command line", "--speculate", None, message)
    with explain_full_storage(workspace.place):
        return _launch(study, workspace, options, progress)


def _launch(study: Study, workspace: Workspace, options: LaunchOptions, progress: Progress) -> LaunchResult:
    storage = None if options.optuna_storage is None else open_optuna_storage(options.optuna_storage)
    progress.say(f"study {study.config.name}: reading data and models")
    cache = CheckCache(workspace.root / "cache" / "preflight.json")
    checked = check_study(study, workspace, cache)
    if checked.faults:
        raise InputError(checked.faults)
    with _alone(workspace), mirror_while_running(study, workspace, storage, progress.say):
        save_study_file(study, workspace)
        cache.save()
        ledger = Ledger(workspace.ledger)
        search = StudySearch(study, checked.fingerprints, ledger.refresh())
        workspace.remove_leftovers(search.settled_ids)
        if search.finished:
            return _result(search, ledger)
        from study.launching.tune_run import ray_session, run_on_tune

        with ray_session(study, workspace, options, progress.say) as workers:
            progress.begin(search, workers)
            events, interrupted = run_on_tune(study, search, ledger, workspace, options, workers, progress)
            progress.end()
        if options.speculate:
            progress.say(_speculated(search, events.ahead))
    if events.crash is not None:
        raise events.crash
    found = _result(search, ledger, events.blocked)
    return replace(found, interrupted=interrupted, time_is_up=events.time_is_up, storage_full=events.storage_full)


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """Allow only one launch of a study at a time; the lock is released when its process ends.

    For a study in an object store, the lock covers the launches of one machine only. Two launches on two
    machines do some work twice, and the second record is dropped; nothing is lost and no record changes.

    Raises:
        InputError: Another process is launching the study.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workspace.root / ".launch.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise fault(
            workspace.root, "(folder)", None, "another process is launching this study; wait until it ends"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _speculated(search: StudySearch, ahead: set[str]) -> str:
    """How many trials were run before the search requested them, and how many it then requested."""
    done = [record for record in search.trials if record.spec.trial_id in ahead]
    asked = sum(map(search.has_requested, done))
    return f"speculation: {counted(len(done), 'trial')} run ahead; the search requested {asked} of them"


def _result(search: StudySearch, ledger: Ledger, blocked: Mapping[str, str] = MappingProxyType({})) -> LaunchResult:
    unfinished = dict(search.failures)
    for work in search.propose():
        name, key = work_name(work), work_id(work)
        if key in blocked:
            unfinished[name] = f"blocked: {blocked[key]} ({key})"
        else:
            unfinished.setdefault(name, "not finished yet")
    return LaunchResult(finished=not unfinished, interrupted=False, unfinished=unfinished, bad_files=ledger.bad_files)
