"""The searcher as Tune would ask it, without Ray: time limits, kinds of nodes, work that is taken back."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.search import Searcher
from simulation import do_work, make_search, make_study

from study.config.resources import Resources
from study.launching import tune_searcher as ray_adapter
from study.launching.placement import Node
from study.launching.tune_callbacks import StartAwareScheduler
from study.launching.tune_searcher import StudySearcher
from study.ledger.record_files import Ledger
from trials.specs.trial import TeacherTask

MIXED = Resources.model_validate({"accelerators": {"A100": {"cpu": 2, "gpu": 0.5}, "T4": {"gpu": 1}}})
A100 = Node("a", {"CPU": 4.0, "GPU": 1.0, "accelerator_type:A100": 1.0})
T4 = Node("t", {"CPU": 4.0, "GPU": 1.0, "accelerator_type:T4": 1.0})


class Launch:
    """A searcher over a simulated study of six data sets; workers are this test."""

    def __init__(self, folder: Path, nodes: list[Node], **options: Any):
        self.nodes = nodes
        self.ledger = Ledger(folder / "ledger")
        self.study = make_study(datasets=6, students=1)
        self.returned: list[Any] = []
        values: dict[str, Any] = {"workers": 9, "resources": MIXED, **options}
        self.searcher = StudySearcher(
            make_search(self.study),
            self.ledger,
            source_of=lambda work: ("", ""),
            nodes=lambda: self.nodes,
            on_return=self.returned.append,
            **values,
        )

    def fill(self) -> dict[str, str]:
        """Ask until nothing more is handed out; kinds of nodes by Tune's trial id."""
        handed: dict[str, str] = {}
        while isinstance(given := self.searcher.suggest(name := f"trial{len(handed)}"), dict):
            handed[name] = given["kind"]
        return handed

    def end(self, name: str) -> None:
        """Do the work of a Tune trial."""
        handed_out = self.searcher.handed_out(name)
        assert handed_out is not None
        self.ledger.write(do_work(handed_out.work))
        self.searcher.on_trial_complete(name, {"done": True})


def test_each_kind_gets_as_much_as_it_holds(tmp_path: Path) -> None:
    launch = Launch(tmp_path, [A100, T4, Node("c", {"CPU": 1.0})])
    handed = launch.fill()
    assert Counter(handed.values()) == {"A100": 2, "T4": 1, "": 1}
    assert next(iter(handed.values())) == "A100"
    # the next one goes where one ended
    launch.end("trial2")
    given = launch.searcher.suggest("next")
    assert isinstance(given, dict)
    assert (given["kind"], given["cpu"], given["gpu"]) == ("T4", 1, 1)


def test_work_that_waits_for_nodes_that_are_gone_is_handed_out_elsewhere(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(ray_adapter, "NODES_SECONDS", 0)
    launch = Launch(tmp_path, [A100])
    assert Counter(launch.fill().values()) == {"A100": 2}
    assert not launch.searcher.takes_back("trial0")
    launch.nodes = []
    assert not launch.searcher.takes_back("trial0")  # there is no better place
    launch.nodes = [T4]
    assert launch.searcher.takes_back("trial0")
    launch.searcher.on_trial_complete("trial0")
    (work,) = launch.returned
    given = launch.searcher.suggest("again")
    assert isinstance(given, dict)
    handed_out = launch.searcher.handed_out("again")
    assert handed_out is not None
    assert (handed_out.work, handed_out.kind) == (work, "T4")
    assert launch.searcher.events.started == 2
    assert launch.searcher.events.blocked == {}


def test_growing_cluster_is_asked_for_all_kinds(tmp_path: Path) -> None:
    launch = Launch(tmp_path, [], growing=True, workers=6)
    assert Counter(launch.fill().values()) == {"A100": 2, "T4": 2, "": 2}


def test_without_named_types_workers_are_the_only_bound(tmp_path: Path) -> None:
    launch = Launch(tmp_path, [], resources=Resources(), workers=3)
    assert list(launch.fill().values()) == [""] * 3


def test_when_time_is_up_what_runs_ends_and_what_waits_is_taken_back(tmp_path: Path) -> None:
    launch = Launch(tmp_path, [], resources=Resources(), workers=3, deadline=time.monotonic() + 3600)
    launch.fill()
    assert not launch.searcher.takes_back("trial0")
    launch.searcher._deadline = time.monotonic()
    assert launch.searcher.suggest("late") is None
    assert launch.searcher.events.time_is_up
    assert launch.searcher.takes_back("trial0")
    launch.searcher.on_trial_complete("trial0")
    launch.end("trial1")
    assert launch.searcher.suggest("later") is None  # one still runs
    launch.end("trial2")
    assert launch.searcher.suggest("latest") == Searcher.FINISHED
    assert (launch.searcher.events.recorded, launch.searcher.events.blocked) == (2, {})
    assert len(launch.returned) == 1
    # the ledger alone says what is left: the teachers that were not recorded
    left = make_search(launch.study, list(Ledger(tmp_path / "ledger").refresh())).propose()
    assert sum(isinstance(work, TeacherTask) for work in left) == 4


class Controller:
    """Tune's: trials by status, and whose workers have their place."""

    def __init__(self, **statuses: str):
        self.folders: list[str] = []
        self.trials = {
            name: SimpleNamespace(
                trial_id=name,
                status=status,
                temporary_state=SimpleNamespace(ray_actor=None),
                init_local_path=partial(self.folders.append, name),
            )
            for name, status in statuses.items()
        }
        self.starting: set[str] = set()
        self.stopped: list[str] = []
        self._tune_controller = SimpleNamespace(
            _trial_to_actor=SimpleNamespace(get=lambda trial: trial.trial_id),
            _actor_manager=SimpleNamespace(is_actor_started=lambda actor: actor in self.starting),
        )

    def get_live_trials(self) -> list[SimpleNamespace]:
        return list(self.trials.values())[::-1]

    def stop_trial(self, trial: SimpleNamespace) -> None:
        self.stopped.append(trial.trial_id)


def test_free_worker_goes_to_the_oldest_trial_for_which_none_comes_up(tmp_path: Path) -> None:
    launch = Launch(tmp_path, [], resources=Resources(), workers=4)
    launch.fill()
    controller = Controller(trial0="RUNNING", trial1="PENDING", trial2="PENDING", trial3="PENDING")

    def chosen() -> str | None:
        trial = StartAwareScheduler(launch.searcher).choose_trial_to_run(controller)
        return trial and trial.trial_id

    assert chosen() == "trial1"
    controller.starting = {"trial1"}
    assert chosen() == "trial2"
    # where one comes up for each of them, it is the oldest after all
    controller.starting = {"trial1", "trial2", "trial3"}
    assert chosen() == "trial1"
    controller.trials["trial1"].temporary_state.ray_actor = "about to run"
    assert chosen() == "trial2"
    assert controller.stopped == []
    launch.searcher.stop()
    assert chosen() is None
    assert sorted(controller.stopped) == ["trial2", "trial3"]
    # Tune stops no trial that has no folder yet
    assert controller.folders == controller.stopped
