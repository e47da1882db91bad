"""What a launch listens on: nothing that another machine could reach."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import start

LISTENING = "0A"  # of /proc/net/tcp
LOOPBACK = {
    "0100007F",  # 127.0.0.1, in the processor's byte order
    "00000000000000000000000001000000",  # ::1
    "0000000000000000FFFF00000100007F",  # ::ffff:127.0.0.1
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def listening(session: int) -> dict[str, str]:
    """Address by inode of the sockets on which processes of a session listen."""
    listeners = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                listeners[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    links = {link for process in Path("/proc").glob("[0-9]*") for link in open_files(int(process.name), session)}
    return {link: listeners[link] for link in links & listeners.keys()}


def open_files(process: int, session: int) -> Iterator[str]:
    """What a process of the session has open."""
    with contextlib.suppress(OSError):  # it has ended meanwhile
        files = list(Path(f"/proc/{process}/fd").iterdir()) if os.getsid(process) == session else []
        for file in files:
            with contextlib.suppress(OSError):  # closed meanwhile
                yield os.readlink(file)


def test_listening_sees_an_open_port() -> None:
    with socket.create_server(("0.0.0.0", 0)):  # noqa: S104 - that it is found is the test
        assert "00000000" in listening(os.getsid(0)).values()


def test_launch_listens_on_the_loopback_alone(tiny_study_session, tmp_path: Path) -> None:
    process = start("launch", tiny_study_session(), "--storage", tmp_path, "--workers", 1, folder=tmp_path)
    seen: dict[str, str] = {}
    # until a trial has its record: by then driver, store, raylet, agents and workers have all started
    while not list((tmp_path / "tiny" / "ledger").glob("[!.]*.json")):
        assert process.poll() is None, process.communicate()[0]
        seen |= listening(process.pid)
        time.sleep(0.05)
    seen |= listening(process.pid)
    process.terminate()
    process.communicate(timeout=60)
    assert len(seen) >= 5  # Ray does listen
    assert set(seen.values()) <= LOOPBACK
