"""Scheduler, reporter and callback that a launch gives to Ray Tune."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

from ray import tune
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler

from search_spaces import counted
from study.launching import cluster_nodes as cluster
from study.launching.progress import Progress
from study.launching.stall_causes import (
    QUIET_SECONDS,
    STALL_SECONDS,
    LaunchState,
    LostWork,
    StallReporter,
    StartingWorker,
    WorkInProgress,
    WorkState,
)
from study.launching.tune_searcher import StudySearcher
from study.search import StudySearch, work_name
from trials.specs import TeacherTask, TrialSpec, Work, work_id
from trials.storage import Workspace

LOOK_SECONDS = 10  # between two looks at the cluster


class StartAwareScheduler(FIFOScheduler):
    """A FIFO scheduler that takes back pending work and spares workers that are starting.

    Tune gives a free worker to the trial chosen here, and ends the worker that was starting for that trial. If the
    oldest trial were always chosen, trials shorter than a worker's start would all run in the first worker.
    """

    def __init__(self, searcher: StudySearcher):
        super().__init__()
        self._searcher = searcher

    def choose_trial_to_run(self, tune_controller: Any) -> tune.experiment.Trial | None:
        """Tune's hook, called in each of its steps."""
        waiting = {}
        for trial in list(tune_controller.get_live_trials()):
            if trial.status != "PENDING" or trial.temporary_state.ray_actor is not None:  # or is about to run
                continue
            if self._searcher.takes_back(trial.trial_id):
                trial.init_local_path()  # which Tune wants to note its end in
                tune_controller.stop_trial(trial)
            else:
                waiting[trial.trial_id] = trial
        in_order = [waiting[name] for name in self._searcher.in_flight if name in waiting]
        controller = tune_controller._tune_controller
        return next((trial for trial in in_order if not _starts(trial, controller)), next(iter(in_order), None))


def _starts(trial: tune.experiment.Trial, controller: Any) -> bool:
    """Whether a worker is starting for this trial."""
    actor = controller._trial_to_actor.get(trial)
    return actor is not None and controller._actor_manager.is_actor_started(actor)


class SilentReporter(TrialProgressCallback):
    """Replaces Tune's own reporter, which would print the trials that were taken back."""

    def _print(self, msg: str) -> None:
        """Print nothing."""


class LaunchMonitor(tune.Callback):
    """Tells the searcher which trials Tune still has, updates the progress display, and reports stalls.

    Args:
        searcher: The searcher that hands out the work.
        progress: The progress display.
        search: The study's search.
        workspace: Its directory.
        known: The fields of `LaunchState` that stay the same during a launch.
    """

    def __init__(
        self, searcher: StudySearcher, progress: Progress, search: StudySearch, workspace: Workspace, **known: Any
    ):
        self._searcher = searcher
        self._progress = progress
        self._search = search
        self._workspace = workspace
        self._known = known
        self._stalls = StallReporter()
        self._since: dict[str, tuple[str, float]] = {}  # by Tune's trial id: its status, and since when
        self._starts: dict[str, float] = {}  # when a worker that has not come up was first seen, by Ray's id
        self._looked = time.monotonic()
        self._told: set[str] = set()

    def __getstate__(self) -> dict[str, object]:
        return {}  # as the searcher's

    def on_trial_error(
        self, iteration: int, trials: list[tune.experiment.Trial], trial: tune.experiment.Trial, **info: object
    ) -> None:
        """Tune's hook: a trial's worker was lost too often."""
        if report := _report(trial):
            self._searcher.explain(trial.trial_id, report)

    def on_trial_recover(
        self, iteration: int, trials: list[tune.experiment.Trial], trial: tune.experiment.Trial, **info: object
    ) -> None:
        """Tune's hook: a trial's worker was lost, and the trial will be retried."""
        handed_out, error = self._searcher.handed_out(trial.trial_id), _report(trial).rpartition("\n")[2]
        if handed_out and error not in self._told:
            self._told.add(error)
            name, key = work_name(handed_out.work), work_id(handed_out.work)
            self._progress.say(f"{name}: {key} lost its worker and is retried: {error or 'unknown reason'}")

    def on_step_end(self, iteration: int, trials: list[tune.experiment.Trial], **info: object) -> None:
        """Tune's hook, called after each event and every few tenths of a second."""
        live = [trial for trial in trials if not trial.is_finished()]
        self._searcher.reconcile({trial.trial_id for trial in live})
        now = time.monotonic()
        if self._searcher.events.time_is_up and "time" not in self._told:
            self._told.add("time")
            running = sum(trial.status == "RUNNING" for trial in live)
            waits = f"waiting for {counted(running, 'running trial')} to finish"
            self._progress.say(f"time limit reached: no new trial starts; {waits}")
        self._since = {trial.trial_id: self._status(trial, now) for trial in live}
        try:
            if now - self._looked > LOOK_SECONDS:
                self._looked = now
                for line in self._stalls.new_causes(self._facts(now)):
                    self._progress.say(line)
            self._progress.tick()
        except Exception as error:  # a faulty display must not end a launch
            if (line := f"cannot show the progress: {error}") not in self._told:
                self._told.add(line)
                self._progress.say(line)

    def _status(self, trial: tune.experiment.Trial, now: float) -> tuple[str, float]:
        before = self._since.get(trial.trial_id)
        return before if before is not None and before[0] == trial.status else (trial.status, now)

    def _facts(self, now: float) -> LaunchState:
        pieces = [piece for name, known in self._since.items() if (piece := self._piece(name, *known, now))]
        waits = any(piece.state is WorkState.WAITING and piece.seconds > STALL_SECONDS for piece in pieces)
        found = cluster.starting_workers() if waits else {}
        self._starts = {name: self._starts.get(name, now) for name in found}
        events = self._searcher.events
        return LaunchState(
            nodes=cluster.alive_nodes(),
            pieces=pieces,
            starts=[StartingWorker(where, now - self._starts[name]) for name, where in found.items()],
            losses=[
                LostWork(work_id(work), work_name(work), events.blocked[work_id(work)], self._teaches(work))
                for work in events.given_up
            ],
            **self._known,
        )

    def _piece(self, trial_id: str, status: str, since: float, now: float) -> WorkInProgress | None:
        if (handed_out := self._searcher.handed_out(trial_id)) is None:
            return None
        work, seconds = handed_out.work, now - since
        state = WorkState.RUNNING if status == "RUNNING" else WorkState.WAITING
        more: dict[str, Any] = {}
        if state is WorkState.RUNNING and seconds > QUIET_SECONDS:
            more = {"usual_seconds": self._usual(work)} | self._sign(work, seconds)
        return WorkInProgress(
            work_id(work), work_name(work), state, seconds, handed_out.kind, self._teaches(work), **more
        )

    def _usual(self, work: Work) -> float | None:
        """Median seconds of the trials of its triple."""
        of = work.triple.triple_id if isinstance(work, TrialSpec) else None
        seconds = [record.run.seconds for record in self._search.trials if record.triple_id == of]
        return median(seconds) if seconds else None

    def _sign(self, work: Work, seconds: float) -> dict[str, Any]:
        """The last sign of progress of running work."""
        try:
            sign = self._workspace.last_activity(work_id(work))
        except OSError as error:
            return {"sign": f"the storage does not answer: {error}", "quiet_seconds": seconds}
        if sign is None:
            return {"quiet_seconds": seconds}
        return {"sign": sign.text, "quiet_seconds": min(seconds, time.time() - sign.moment)}

    def _teaches(self, work: Work) -> tuple[str, ...]:
        if not isinstance(work, TeacherTask):
            return ()
        pair = work.teacher.name, work.dataset.name
        return tuple(t.triple_id for t in self._search.study.triples if (t.teacher.name, t.dataset.name) == pair)


def _report(trial: tune.experiment.Trial) -> str:
    """Tune's report of a trial's errors."""
    written = Path(trial.error_file) if trial.error_file else None
    return written.read_text(encoding="utf-8").strip() if written and written.is_file() else ""
