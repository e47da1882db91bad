"""A study in an object store: written once, shared by nodes without a common file system, killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch
from launching import Launched, run, start
from object_storage import needs_object_storage, object_storage
from simulation import make_study, run_study

from study.checks.study_checks import writable_faults
from study.ledger.record_files import Ledger
from trials.specs.records import Record
from trials.storage import durable_writes as persistence
from trials.storage.durable_writes import with_retries
from trials.storage.object_store import SharedFolder, StoreError
from trials.storage.workspace import NODE_FOLDER, Workspace
from trials.training.checkpoints import CheckpointFile

pytestmark = needs_object_storage
BUCKET = "bucket"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[dict[str, str]]:
    with object_storage(BUCKET) as environment:
        yield environment


@pytest.fixture
def address(request: pytest.FixtureRequest) -> str:
    """A study's directory of this test's own."""
    return f"s3://{BUCKET}/{request.node.name}/tiny"


@pytest.fixture
def nodes(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    """The study as two nodes see it, that have no file in common."""
    found = []
    for name in ("a", "b"):
        monkeypatch.setenv(NODE_FOLDER, str(tmp_path / name))
        found.append(Workspace.at(address))
    assert found[0].root != found[1].root
    return found


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return run_study(make_study(datasets=1, students=1))


# The ledger


def test_record_is_written_once_and_never_changes(nodes: list[Workspace], records: list[Record]) -> None:
    first, second = (Ledger(node.ledger) for node in nodes)
    assert first.get(records[1].record_id) is None
    assert first.write(records[1]) is True
    changed = records[1].model_copy(update={"validation_score": 0.1})
    assert changed.record_id == records[1].record_id
    assert second.write(changed) is False
    assert second.get(records[1].record_id) == records[1]


def test_writers_at_once_write_each_record_once(nodes: list[Workspace], records: list[Record]) -> None:
    ledgers = [Ledger(nodes[index % 2].ledger) for index in range(6)]
    with ThreadPoolExecutor(len(ledgers)) as pool:
        claims = list(pool.map(lambda ledger: [ledger.write(record) for record in records[:20]], ledgers))
    # of each record exactly one of them is the writer
    assert [sum(claim) for claim in zip(*claims, strict=True)] == [1] * 20


def test_records_are_written_once_where_every_third_put_works_and_answers_are_lost(
    nodes: list[Workspace], records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    create, calls = SharedFolder.create, 0

    def flaky(self: SharedFolder, name: str, content: bytes) -> bool:
        nonlocal calls
        calls += 1
        if calls % 3 == 1:
            raise StoreError("503: slow down")
        written = create(self, name, content)
        if calls % 3 == 2:
            raise StoreError("read timeout")  # it was written, and nobody knows
        return written

    monkeypatch.setattr(persistence, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(SharedFolder, "create", flaky)
    # The second try has written, so that the third finds it there
    assert [with_retries(partial(Ledger(nodes[0].ledger).write, record)) for record in records[:5]] == [False] * 5
    assert {record.record_id: record for record in Ledger(nodes[1].ledger).refresh()} == {
        record.record_id: record for record in records[:5]
    }


def test_refresh_returns_what_is_new_in_the_order_of_names(nodes: list[Workspace], records: list[Record]) -> None:
    writer, reader = (Ledger(node.ledger) for node in nodes)
    assert reader.refresh() == []
    for record in records[:5]:
        writer.write(record)
    names = [record.record_id for record in reader.refresh()]
    assert names == sorted(record.record_id for record in records[:5])
    assert reader.refresh() == []
    writer.write(records[5])
    assert reader.refresh() == [records[5]]


def test_object_that_is_no_record_is_reported_and_left_alone(nodes: list[Workspace], records: list[Record]) -> None:
    folder, ledger = nodes[0].ledger, Ledger(nodes[0].ledger)
    assert isinstance(folder, SharedFolder)
    folder.create(f"{records[1].record_id}.json", b"{")
    assert ledger.write(records[1]) is False
    assert ledger.refresh() == []
    (bad,) = ledger.bad_files
    assert str(bad).startswith(f"{folder}/{records[1].record_id}.json: is torn")
    folder.remove(f"{records[1].record_id}.json")
    assert ledger.write(records[1]) is True
    assert (ledger.refresh(), ledger.bad_files) == ([records[1]], [])


# What nodes share


def test_folder_that_one_node_built_is_fetched_once_by_the_other(
    nodes: list[Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    fetched: list[Path] = []
    download = SharedFolder.download

    def counted(self: SharedFolder, name: str, file: Path) -> bool:
        if found := download(self, name, file):
            fetched.append(file)
        return found

    monkeypatch.setattr(SharedFolder, "download", counted)

    def build(target: Path) -> None:
        built.append(target)
        (target / "inner").mkdir()
        (target / "inner" / "file").write_text("content")

    with ThreadPoolExecutor() as processes:  # some trials of each node at a time
        folders = list(processes.map(lambda node: node.build_once(node.tokens("key"), build), nodes[:1] * 3))
        folders += processes.map(lambda node: node.build_once(node.tokens("key"), build), nodes[1:] * 3)
    assert (len(built), len(fetched)) == (1, 1)
    assert {(folder / "inner" / "file").read_text() for folder in folders} == {"content"}
    # nothing half-made is left beside it
    assert sorted(path.name for path in folders[1].parent.iterdir()) == ["key", "key.lock"]


def test_folder_whose_building_failed_is_nowhere(nodes: list[Workspace]) -> None:
    def fail(target: Path) -> None:
        (target / "part").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        nodes[0].build_once(nodes[0].tokens("key"), fail)
    assert nodes[1].build_once(nodes[1].tokens("key"), lambda target: None).is_dir()
    assert not list(nodes[1].tokens("key").iterdir())


def test_checkpoint_goes_on_with_the_newest_state_of_any_node(nodes: list[Workspace]) -> None:
    here, there = (CheckpointFile.of("trial", node) for node in nodes)
    assert (here.load(), here.step) == (None, 0)
    here.save({"weight": torch.ones(2)}, {"step": 1})
    assert there.step == 1
    there.save({"weight": torch.full((2,), 2.0)}, {"step": 2})
    # the first node's own file is older
    tensors, values = here.load() or ({}, {})
    assert (values["step"], tensors["weight"].tolist()) == (2, [2.0, 2.0])
    there.remove()
    assert CheckpointFile.of("trial", nodes[1]).step == 0


def test_sweep_removes_states_of_work_that_has_its_record(nodes: list[Workspace]) -> None:
    for name in ("recorded", "running"):
        CheckpointFile.of(name, nodes[0]).save({"weight": torch.ones(1)}, {"step": 7})
    nodes[1].remove_leftovers({"recorded"})
    assert [CheckpointFile.of(name, nodes[1]).step for name in ("recorded", "running")] == [0, 7]


def test_running_is_what_any_node_started_and_did_not_end(nodes: list[Workspace]) -> None:
    for index, (event, name) in enumerate([("start", "a"), ("start", "b"), ("end", "a"), ("start", "c")]):
        nodes[index % 2].log_event(event, name)
        time.sleep(0.002)  # events are told apart by milliseconds
    assert [node.running() for node in nodes] == [{"b", "c"}] * 2


# The command line


def results(address: str) -> dict[str, dict]:
    """All that the records say but times and places."""
    drop = {"run": True, "train_seconds": True, "examples_per_second": True}
    return {
        record.record_id: record.model_dump(exclude=drop) for record in Ledger(Workspace.at(address).ledger).refresh()
    }


def test_last_sign_is_seen_from_any_node(nodes: list[Workspace]) -> None:
    here, there = nodes
    assert there.last_activity("signed") is None
    here.log_event("start", "signed")
    begun = there.last_activity("signed")
    assert begun is not None
    assert begun.text.startswith("begun at ")
    time.sleep(1.1)  # the store's clock has whole seconds
    here.checkpoint("signed").parent.mkdir(parents=True, exist_ok=True)
    here.checkpoint("signed").write_bytes(b"")
    here.share(here.checkpoint("signed"))
    saved = there.last_activity("signed")
    assert saved is not None
    assert saved.text.startswith("saved its state at ")
    assert saved.moment >= begun.moment


def test_launch_killed_and_resumed_on_another_node_ends_like_an_undisturbed_one(
    kdstudy, launched: Launched, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = address.rpartition("/")[0]
    monkeypatch.setenv(NODE_FOLDER, str(tmp_path / "killed"))
    process = start("launch", launched.file, "--storage", storage, "--workers", 2, folder=tmp_path)
    ledger = Ledger(Workspace.at(address).ledger)
    while len(ledger.records) < 5:
        assert process.poll() is None, process.communicate()[0]
        ledger.refresh()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)

    monkeypatch.setenv(NODE_FOLDER, str(tmp_path / "fresh"))
    code, output = run("resume", address, "--workers", 2, folder=tmp_path)
    assert code == 0, output
    assert f"finished; write the report with: kdstudy report {address}" in output
    # every record once, with the numbers of a study on a file system
    assert results(address) == results(str(launched.folder))
    ended = Counter(event["id"] for event in events(address) if event["event"] == "end")
    assert set(ended.values()) == {1}
    # what was ready before the kill was fetched: no teacher was prepared twice
    (teacher,) = ledger.teachers
    assert [event["event"] for event in events(address) if event["id"] == teacher.record_id] == ["start", "end"]
    reading_it_needs_no_more_than_its_address(kdstudy, launched, address, tmp_path, monkeypatch)


def reading_it_needs_no_more_than_its_address(
    kdstudy, launched: Launched, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more on a third machine; one launch serves both tests."""
    monkeypatch.setenv(NODE_FOLDER, str(tmp_path / "third"))
    code, output = kdstudy("status", address, "--json")
    assert code == 0, output
    found = json.loads(output)
    assert (found["finished"], found["unfinished_work"], found["bad_files"]) == (True, [], [])
    assert kdstudy("plan", address)[0] == 0
    assert kdstudy("doctor", address)[0] == 0
    code, output = kdstudy("report", address)
    assert (code, f"report: {address}/report/report.html" in output) == (0, True), output
    assert {"report.html"} <= (SharedFolder(address) / "report").names()
    assert kdstudy("report", address, "-o", tmp_path / "out")[0] == 0
    assert kdstudy("report", launched.folder, "-o", tmp_path / "same")[0] == 0
    # predictions were fetched too: what is told by examples is told of both studies
    tables = [{path.name for path in (tmp_path / name / "tables").iterdir()} for name in ("out", "same")]
    assert tables[0] == tables[1]


def events(address: str) -> list[dict[str, str]]:
    folder = SharedFolder(address) / "events"
    return [json.loads(content or b"") for _, content in folder.read_all(sorted(folder.names()))]


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("ftp://host/runs", "storage = 'ftp://host/runs/tiny': is not supported; give s3://bucket/folder, gs://"),
        ("s3://", "storage = 's3:///tiny': is not supported; give s3://bucket/folder"),
        ("s3://nobodys/runs", "--storage = 's3://nobodys/runs/tiny': is not writable: "),
    ],
)
def test_launch_refuses_what_is_no_storage(kdstudy, launched: Launched, storage: str, message: str) -> None:
    code, output = kdstudy("launch", launched.file, "--storage", storage)
    assert (code, message in output) == (2, True), output
    assert "Traceback" not in output


def test_address_has_no_superfluous_slashes() -> None:
    assert Workspace.at("s3://bucket//runs/tiny/") == Workspace.at("s3://bucket/runs/tiny")


@pytest.mark.parametrize("command", ["status", "report", "resume", "plan"])
def test_address_without_a_study_is_refused(kdstudy, command: str) -> None:
    code, output = kdstudy(command, f"s3://{BUCKET}/nothing/here")
    assert (code, "is not a study's directory: it holds no study.yaml" in output) == (2, True), output


def test_store_that_does_not_answer_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    code, output = run("status", f"s3://{BUCKET}/runs/tiny", folder=tmp_path)
    assert (code, "error: s3://bucket/runs/tiny/study.yaml: could not connect" in output) == (2, True), output
    assert "Traceback" not in output


def test_store_that_replaces_what_is_there_is_refused(nodes: list[Workspace], monkeypatch: pytest.MonkeyPatch) -> None:
    assert writable_faults(nodes[0]) == []
    monkeypatch.setattr(SharedFolder, "create", lambda self, name, content: True)  # as if the condition were unknown
    (fault,) = writable_faults(nodes[0])
    assert "If-None-Match" in fault.message


def test_outage_is_no_bad_record(
    nodes: list[Workspace], records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(nodes[0].ledger)
    ledger.write(records[1])

    def down(self: SharedFolder, name: str) -> bytes:
        raise StoreError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(SharedFolder, "read", down)
        with pytest.raises(StoreError):
            ledger.refresh()
    assert ledger.bad_files == []
    assert ledger.refresh() == [records[1]]
