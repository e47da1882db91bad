"""Folders that are built once, by whoever comes first, and the log of what started and ended."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from pathlib import Path

import pytest

from trials.storage.workspace import Workspace, build_once


def slow_build(target: Path, count: Path) -> None:
    with count.open("a") as file:
        file.write("built\n")
    (target / "part").write_text("one")
    time.sleep(0.3)
    (target / "other").write_text("two")


def build_in_a_process(folder: Path, count: Path) -> None:
    built = build_once(folder, lambda target: slow_build(target, count))
    assert {path.name for path in built.iterdir()} == {"part", "other"}


def test_build_once_among_many_processes_builds_once_and_shows_whole_folders_only(tmp_path):
    folder, count = tmp_path / "cache" / "key", tmp_path / "count"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=build_in_a_process, args=(folder, count)) for _ in range(4)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        # A reader never sees a part of the folder
        assert not folder.exists() or (folder / "other").exists()
        time.sleep(0.01)
    assert [process.exitcode for process in processes] == [0] * 4
    assert count.read_text() == "built\n"


def test_build_once_that_fails_leaves_nothing_and_can_be_tried_again(tmp_path):
    def fail(target: Path) -> None:
        (target / "part").write_text("one")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_once(tmp_path / "key", fail)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert build_once(tmp_path / "key", lambda target: None).is_dir()


def test_running_is_what_started_and_did_not_end(tmp_path):
    workspace = Workspace(tmp_path)
    assert workspace.running() == set()
    for event, name in [("start", "a"), ("start", "b"), ("end", "a"), ("start", "c")]:
        workspace.log_event(event, name)
    with workspace.events.open("a") as file:
        file.write('{"event": "sta')  # torn by a kill
    assert workspace.running() == {"b", "c"}


def test_last_sign_is_the_last_start_or_the_state_saved_after_it(tmp_path):
    workspace = Workspace(tmp_path)
    assert workspace.last_activity("a") is None
    for work in ("a", "b", "a"):
        workspace.log_event("start", work)
    begun = workspace.last_activity("a")
    assert begun.text.startswith("begun at ")
    assert begun.text.endswith(f" on {socket.gethostname()}, process {os.getpid()}")
    assert abs(begun.moment - time.time()) < 60

    state = workspace.checkpoint("a")
    state.parent.mkdir()
    state.write_bytes(b"")
    os.utime(state, (begun.moment - 9, begun.moment - 9))  # of an earlier worker
    assert workspace.last_activity("a") == begun
    os.utime(state, (begun.moment + 9, begun.moment + 9))
    saved = workspace.last_activity("a")
    assert saved.moment == pytest.approx(begun.moment + 9)
    assert saved.text.startswith("saved its state at ")
    assert workspace.last_activity("b").text.startswith("begun at ")
