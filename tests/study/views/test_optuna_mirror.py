"""Ledgers in Optuna storages, against Optuna's own reading of them; and that no storage disturbs a launch."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from launching import run
from rich.console import Console
from simulation import hashed_score, make_study, run_study

from search_spaces.faults import InputError
from search_spaces.space import load_space
from study.config.study_file import Study
from study.launching.launcher import launch
from study.launching.options import LaunchOptions
from study.launching.progress import Progress
from study.ledger.record_files import Ledger
from study.views import optuna_mirror as mirror
from study.views.optuna_mirror import OptunaMirror, mirror_while_running, open_optuna_storage
from trials.specs.records import Record, Status, TrialRecord
from trials.specs.trial import TrainingRecipe, TrialSpec
from trials.storage.workspace import Workspace

COMPLETE, FAIL = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL
PRUNED = optuna.trial.TrialState.PRUNED


@pytest.fixture
def study() -> Study:
    return make_study(datasets=1, students=1, space=load_space("demo"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "runs" / "simulated")
    found.root.mkdir(parents=True)
    return found


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'mirror.db'}"


def some_fail(trial: TrialSpec) -> tuple[float, float] | None:
    return None if int(trial.trial_id, 16) % 5 == 0 else hashed_score(trial)


def write(workspace: Workspace, records: list[Record]) -> list[TrialRecord]:
    ledger = Ledger(workspace.ledger)
    for record in records:
        ledger.write(record)
    return [record for record in records if isinstance(record, TrialRecord)]


def read(url: str) -> dict[str, list[optuna.trial.FrozenTrial]]:
    """Trials by triple; the digits after a triple's name say which data and recipe."""
    names = optuna.get_all_study_names(url)
    return {name.split(" ")[0]: optuna.load_study(study_name=name, storage=url).trials for name in names}


def test_optuna_reads_every_trial(workspace: Workspace, url: str) -> None:
    study = make_study(datasets=1, students=2, space=load_space("demo"), seeds=(1, 2))
    trials = write(workspace, run_study(study, some_fail))
    assert OptunaMirror(study, workspace, open_optuna_storage(url)).update() == len(trials)
    found = read(url)
    assert found.keys() == {f"simulated/{triple.triple_id}" for triple in study.triples}
    for triple_id, copies in found.items():
        own = {r.record_id: r for r in trials if f"simulated/{r.triple_id}" == triple_id}
        assert {copy.user_attrs["trial_id"] for copy in copies} == own.keys()
        for copy in copies:
            record = own[copy.user_attrs["trial_id"]]
            assert copy.state == (COMPLETE if record.status.has_scores else FAIL)
            assert copy.value == record.validation_score
            assert copy.user_attrs.get("test_score") == record.test_score
            assert copy.user_attrs["seed"] == record.spec.seed
            assert copy.params["distance"] == record.configuration.distance
            assert copy.params["temperature"] == record.configuration.temperature
            assert copy.params["learning_rate"] == record.configuration.learning_rate
            assert copy.intermediate_values == {p.step: p.validation_score for p in record.curve}
            assert copy.duration is not None
        # Optuna's own best is the best of the ledger
        assert max(copy.value for copy in copies if copy.value) == max(r.validation_score or 0 for r in own.values())
    assert any(copy.state is FAIL and "NaN" in copy.user_attrs["reason"] for all_ in found.values() for copy in all_)


def test_stopped_trials_are_pruned_ones(workspace: Workspace, url: str) -> None:
    search = {"strategy": "grid", "space": load_space("demo"), "stopping": {"rule": "asha"}}
    study = make_study(datasets=1, students=1, search=search)
    trials = {r.record_id: r for r in write(workspace, run_study(study, stops=lambda trial: True))}
    assert OptunaMirror(study, workspace, open_optuna_storage(url)).update() == len(trials)
    (copies,) = read(url).values()
    pruned = [copy for copy in copies if copy.state is PRUNED]
    assert {copy.user_attrs["trial_id"] for copy in pruned} == {
        record_id for record_id, record in trials.items() if record.status is Status.STOPPED
    }
    assert 0 < len(pruned) < len(trials)
    for copy in pruned:
        record = trials[copy.user_attrs["trial_id"]]
        assert copy.intermediate_values == {p.step: p.validation_score for p in record.curve} != {}
        assert (copy.value, copy.user_attrs["reason"]) == (record.validation_score, record.reason)


def test_optuna_can_weigh_parameters(study: Study, workspace: Workspace, url: str) -> None:
    write(workspace, run_study(study))
    OptunaMirror(study, workspace, open_optuna_storage(url)).update()
    loaded = optuna.load_study(study_name=optuna.get_all_study_names(url)[0], storage=url)
    weights = optuna.importance.get_param_importances(loaded)
    # all parameters with several values are in all trials, with one distribution each
    assert {"distance", "temperature", "soft_label_weight"} <= weights.keys()


def test_mirror_adds_only_what_is_new(study: Study, workspace: Workspace, url: str) -> None:
    records = run_study(study)
    first = write(workspace, records[:4])
    kept = OptunaMirror(study, workspace, open_optuna_storage(url))
    assert kept.update() == len(first)
    assert kept.update() == 0
    rest = write(workspace, records[4:])
    # another process, later: the same
    assert OptunaMirror(study, workspace, open_optuna_storage(url)).update() == len(rest)
    assert kept.update() == 0
    assert sum(map(len, read(url).values())) == len(first) + len(rest)


def test_a_mirror_made_anew_is_the_same(study: Study, workspace: Workspace, url: str, tmp_path: Path) -> None:
    records = run_study(study)
    for part in (records[::2], records[1::2]):
        write(workspace, part)
        OptunaMirror(study, workspace, open_optuna_storage(url)).update()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    OptunaMirror(study, workspace, open_optuna_storage(other)).update()

    def content(where: str) -> dict[str, list[tuple[object, ...]]]:
        return {
            name: sorted((t.user_attrs["trial_id"], t.value, sorted(t.params.items())) for t in trials)
            for name, trials in read(where).items()
        }

    assert content(url) == content(other)


def test_scores_of_another_recipe_are_another_study(study: Study, workspace: Workspace, url: str) -> None:
    write(workspace, run_study(study))
    changed = Study(study.config.model_copy(update={"training": TrainingRecipe(epochs=7)}), study.path)
    write(workspace, run_study(changed))
    OptunaMirror(study, workspace, open_optuna_storage(url)).update()
    names = optuna.get_all_study_names(url)
    assert len(names) == len(set(names)) == 2 * len(study.triples)


def test_extended_space_goes_on_in_the_same_study(workspace: Workspace, url: str) -> None:
    space = load_space("demo")
    for rates in ((5e-4,), (5e-4, 2e-3)):
        study = make_study(datasets=1, students=1, space=space.model_copy(update={"learning_rates": rates}))
        write(workspace, run_study(study))
        OptunaMirror(study, workspace, open_optuna_storage(url)).update()
    (trials,) = read(url).values()
    assert {trial.params["learning_rate"] for trial in trials} == {5e-4, 2e-3}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "--optuna-storage = 'nonsense': is not a database URL"),
        ("sqlite://", "nobody else can read a database in memory"),
        ("sqlite:////nowhere/x.db", "cannot be opened: .*unable to open database file"),
        ("postgresql://me:secret@nowhere/x", r"'postgresql://me:\*\*\*@nowhere/x': cannot be opened"),
    ],
)
def test_bad_storage_is_a_fault_without_its_password_before_anything_is_read(workspace, url, message) -> None:
    study = make_study()  # of data that are nowhere
    with pytest.raises(InputError, match=message) as caught:
        launch(study, workspace, LaunchOptions(optuna_storage=url), Progress(Console(quiet=True)))
    assert "secret" not in str(caught.value)


def test_launch_is_followed(study: Study, workspace: Workspace, url: str, monkeypatch) -> None:
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.05)
    records, said = run_study(study), []
    with mirror_while_running(study, workspace, open_optuna_storage(url), said.append):
        first = write(workspace, records[:4])
        limit = time.monotonic() + 60
        while sum(map(len, read(url).values())) < len(first):
            assert time.monotonic() < limit, "it does not follow"
            time.sleep(0.05)
        rest = write(workspace, records[4:])
    # what came last is there when the launch has ended
    assert sum(map(len, read(url).values())) == len(first) + len(rest)
    assert said == []


def test_storage_that_fails_is_named_and_stops_nothing(study, workspace, url, monkeypatch) -> None:
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.01)
    updates, real, said = [], OptunaMirror.update, []

    def broken(self: OptunaMirror) -> int:
        updates.append(1)
        raise OSError("database or disk is full")

    monkeypatch.setattr(OptunaMirror, "update", broken)
    with mirror_while_running(study, workspace, open_optuna_storage(url), said.append):
        write(workspace, run_study(study))
        while len(updates) < 5:
            time.sleep(0.01)
    # once when it begins, once at the end
    assert said == 2 * ["the Optuna storage is out of date (database or disk is full); update it with: kdstudy mirror"]
    monkeypatch.setattr(OptunaMirror, "update", real)
    assert OptunaMirror(study, workspace, open_optuna_storage(url)).update() > 0


def test_storage_that_hangs_ends_with_the_launch(study, workspace, url, monkeypatch) -> None:
    monkeypatch.setattr(mirror, "LAST_SECONDS", 0.2)
    monkeypatch.setattr(mirror, "EVERY_SECONDS", 0.01)
    free, said = threading.Event(), []
    monkeypatch.setattr(OptunaMirror, "update", lambda self: free.wait(60) and 0)
    with mirror_while_running(study, workspace, open_optuna_storage(url), said.append):
        time.sleep(0.05)
    free.set()
    assert said == ["the Optuna storage is out of date (it takes too long); update it with: kdstudy mirror"]


def test_without_a_storage_nothing_is_made(study: Study, workspace: Workspace) -> None:
    with mirror_while_running(study, workspace, None, print):
        assert threading.active_count() == len(threading.enumerate())
        assert "mirror" not in {thread.name for thread in threading.enumerate()}
    assert list(workspace.root.iterdir()) == []


@pytest.mark.slow
def test_launch_with_a_storage(tiny_study, tmp_path: Path) -> None:
    options = ("--optuna-storage", "sqlite:///mirror.db", "--workers", 2)
    code, output = run("launch", tiny_study(), *options, folder=tmp_path)
    assert code == 0, output
    ledger = Ledger(tmp_path / "runs" / "tiny" / "ledger")
    ledger.refresh()
    # the file lies where the command was given, though a launch works in another folder
    found = read(f"sqlite:///{tmp_path / 'mirror.db'}")
    copied = {trial.user_attrs["trial_id"]: trial.value for trials in found.values() for trial in trials}
    assert copied == {record.record_id: record.validation_score for record in ledger.trials}
    code, output = run("mirror", tmp_path / "runs" / "tiny", "sqlite:///mirror.db", folder=tmp_path)
    assert (code, output.strip()) == (0, "mirror: 0 trials added")
    code, output = run("mirror", tmp_path / "runs" / "tiny", "nonsense", folder=tmp_path)
    assert code == 2
    assert "URL = 'nonsense': is not a database URL" in output


@pytest.mark.skipif(find_spec("optuna_dashboard") is None, reason="needs optuna-dashboard (the extra dashboard)")
def test_optuna_dashboard_shows_the_study(study: Study, workspace: Workspace, url: str) -> None:
    trials = write(workspace, run_study(study))
    OptunaMirror(study, workspace, open_optuna_storage(url)).update()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = "from optuna_dashboard._cli import main; main()"
    dashboard = subprocess.Popen(
        [sys.executable, "-c", script, url, "--host", "127.0.0.1", "--port", str(port), "--server", "wsgiref"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        page = fetch(f"http://127.0.0.1:{port}/dashboard/")
        assert "<title>Optuna Dashboard</title>" in page
        listed = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies"))["study_summaries"]
        assert {each["study_name"].split(" ")[0] for each in listed} == read(url).keys()
        counts = []
        for each in listed:
            detail = json.loads(fetch(f"http://127.0.0.1:{port}/api/studies/{each['study_id']}?after=0"))
            counts.append(len(detail["trials"]))
            assert {trial["state"] for trial in detail["trials"]} == {"Complete"}
        assert sum(counts) == len(trials)
    finally:
        dashboard.terminate()
        dashboard.wait(30)


def fetch(address: str) -> str:
    """A page, once its server is up."""
    limit = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own server
                return str(answer.read().decode())
        except OSError:
            assert time.monotonic() < limit, "no answer"
            time.sleep(0.2)
