"""The adapter between search and Tune, without Ray's processes: what is handed out, what is blocked, and why."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest
from known_studies import small_study
from ray.tune.search import Searcher
from simulation import do_work, make_search, run_study

from analysis.report.report import export_tables
from study.config.resources import Resources
from study.launching import head_node as head
from study.launching import tune_searcher as ray_adapter
from study.launching.tune_searcher import StudySearcher, failure_reason
from study.ledger.record_files import Ledger
from study.search.study_search import load_search
from trials.specs.work import work_id
from trials.workers.trainable import WORK

KILLED = """Failure # 1 (occurred at 2026-01-01_00-00-00)
Traceback (most recent call last):
ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.
\tclass_name: ResourceTrainable
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"""
LOW = """Failure # 4 (occurred at 2026-01-01_00-00-00)
ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.
To disable worker killing, set the environment variable `RAY_memory_monitor_refresh_ms` to zero."""
AWAY = """Failure # 4 (occurred at 2026-01-01_00-00-00)
The actor 3f2a is unavailable: The actor is temporarily unavailable: RpcError: RPC Error message: failed to connect. \
The task may or may not have been executed on the actor."""
FULL = """Failure # 1 (occurred at 2026-01-01_00-00-00)
  File "trials/storage/durable_writes.py", line 56, in explain_full_storage
trials.storage.durable_writes.StorageFull: /data/runs/x: No space left on device; make room there and launch again"""
CHANGED = (
    KILLED
    + "\nFailure # 2 (occurred at 2026-01-01_00-00-00)\ntrials.datasets.tokenized_data.InputsChanged: the data changed"
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_adapter, "LOOK_SECONDS", 0.0)


def searcher(ledger: Ledger, workers: int = 2) -> StudySearcher:
    search = make_search(small_study(), ledger.refresh())
    return StudySearcher(
        search, ledger, source_of=lambda work: ("", ""), workers=workers, resources=Resources(), nodes=list
    )


def teachers_done(ledger: Ledger) -> None:
    """Write the records of the teachers, so that trials are wanted."""
    for work in make_search(small_study()).propose():
        ledger.write(do_work(work))


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (KILLED, "its workers were lost repeatedly (killed, or their node failed); if memory ran out, launch with"),
        (AWAY, "its workers were lost repeatedly (killed, or their node failed)"),
        (LOW, "its workers were killed repeatedly because the node ran low on memory; launch with fewer --workers"),
        (FULL, "trials.storage.durable_writes.StorageFull: /data/runs/x: No space left on device; make room there"),
        (CHANGED, "trials.datasets.tokenized_data.InputsChanged: the data changed"),
    ],
)
def test_reason_is_said_in_words_that_help(report: str, reason: str):
    assert failure_reason(report).startswith(reason)


def test_lost_work_is_blocked_with_its_reason_and_others_go_on(tmp_path: Path):
    ledger = Ledger(tmp_path)
    teachers_done(ledger)
    adapter = searcher(ledger)
    adapter.suggest("a")
    adapter.on_trial_complete("a", error=True)
    adapter.explain("a", KILLED)
    (reason,) = adapter.events.blocked.values()
    assert reason == failure_reason(KILLED)
    assert adapter.events.storage_full is None
    assert isinstance(adapter.suggest("b"), dict)


def test_work_that_met_lost_nodes_alone_gets_other_turns_but_not_for_ever(tmp_path: Path):
    ledger = Ledger(tmp_path)
    teachers_done(ledger)
    adapter, handed_out = searcher(ledger), []
    for trial_id in ("a", "b", "c"):
        handed_out.append(adapter.suggest(trial_id))
        assert adapter.events.started == 1
        adapter.on_trial_complete(trial_id, error=True)
        assert len(adapter.events.blocked) == 1
        adapter.explain(trial_id, AWAY)
        assert len(adapter.events.blocked) == len(adapter.events.given_up) == (trial_id == "c")
    assert handed_out == [handed_out[0]] * 3
    assert list(adapter.events.blocked.values()) == [failure_reason(AWAY)]


def test_full_storage_ends_the_launch_when_what_runs_has_ended(tmp_path: Path):
    ledger = Ledger(tmp_path)
    teachers_done(ledger)
    adapter = searcher(ledger)
    adapter.suggest("a")
    suggested = adapter.suggest("b")
    adapter.on_trial_complete("a", error=True)
    adapter.explain("a", FULL)
    # Nothing more is handed out, for it would end so, too; what runs may have its record yet
    assert adapter.events.storage_full == "/data/runs/x: No space left on device; make room there and launch again"
    assert adapter.suggest("c") is None
    ledger.write(do_work(WORK.validate_json(suggested["work"])))
    adapter.on_trial_complete("b", {"done": True})
    assert adapter.events.recorded == 1
    assert adapter.suggest("d") == Searcher.FINISHED


def test_work_that_was_asked_to_leave_is_not_given_up(tmp_path: Path):
    ledger = Ledger(tmp_path)
    teachers_done(ledger)
    adapter = searcher(ledger)
    adapter.suggest("a")
    adapter.stop()
    adapter.on_trial_complete("a", error=True)
    assert (adapter.events.blocked, adapter.events.given_up) == ({}, [])
    assert adapter.suggest("b") == Searcher.FINISHED


@pytest.mark.parametrize(
    "content", [b'{"kind": "trial", "ver', b'{"version": 99}', b"[]"], ids=["torn", "newer", "other"]
)
def test_work_in_whose_place_no_record_stands_is_never_handed_out(tmp_path: Path, content: bytes):
    ledger = Ledger(tmp_path)
    teachers_done(ledger)
    wanted = [work_id(work) for work in make_search(small_study(), ledger.refresh()).propose()]
    file = tmp_path / f"{wanted[0]}.json"
    file.write_bytes(content)
    adapter, handed_out = searcher(Ledger(tmp_path), workers=100), []
    while isinstance(suggested := adapter.suggest(str(len(handed_out))), dict):
        handed_out.append(work_id(WORK.validate_json(suggested["work"])))
    # It is named with its file, which is left alone; all other work is handed out
    assert str(file) in adapter.events.blocked[wanted[0]]
    assert sorted(handed_out) == sorted(wanted[1:])
    assert file.read_bytes() == content


def test_results_do_not_depend_on_clocks(tmp_path: Path):
    study, draw = small_study(), random.Random(13)
    records = run_study(study)

    def at(year: int) -> str:
        return f"{year}-01-01T00:00:00+00:00"

    jumped = [
        record.model_copy(
            update={"run": record.run.model_copy(update={"started_at": at(year), "finished_at": at(year)})}
        )
        for record in records
        for year in [draw.randrange(1980, 2080)]
    ]
    found = []
    for name, some in (("true", records), ("jumped", jumped)):
        assert load_search(study, some).finished
        # In mid-sweep the same is wanted next
        found.append([[work_id(work) for work in load_search(study, some[:at]).propose()] for at in (5, 20, 30)])
        export_tables(study, some, tmp_path / name)
    assert found[0] == found[1]
    for path in (tmp_path / "true").iterdir():
        assert path.read_text() == (tmp_path / "jumped" / path.name).read_text()


def test_head_that_listens_answers_and_one_that_is_gone_does_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert head.is_listening(address)
    assert not head.is_listening(address)


def test_lost_head_is_said_and_ends_the_process_once(monkeypatch: pytest.MonkeyPatch):
    said, ended, released = [], threading.Event(), threading.Event()
    monkeypatch.setattr(head, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(head, "LOST_SECONDS", 0.05)
    answered = iter([True, False, True])  # gone for a moment, and back
    monkeypatch.setattr(head, "is_listening", lambda address: next(answered, False))

    def end(code: int) -> None:
        said.append(code)
        ended.set()
        released.wait(30)  # a process that has ended says nothing more

    monkeypatch.setattr(head.os, "_exit", end)
    with head.watch_head_node("127.0.0.1:1", said.append):
        assert ended.wait(30)
    released.set()
    assert said == ["the head node of the Ray cluster, 127.0.0.1:1, has not answered for 0.05 s", 3]
