"""Watches the head node of a joined cluster: if it is lost, the launch says so and ends.

Ray itself would hang for a minute and then end the process. Nothing is lost, because the ledger is the only state.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 3.0
LOST_SECONDS = 45.0  # Ray gives up after 60; a head node that returns before that does no harm
UNFINISHED = 3  # as the command line ends where chains are unfinished


@contextmanager
def watch_head_node(address: str, say: Callable[[str], None]) -> Iterator[None]:
    """Watch the head node at ``host:port``; if it stops answering, say so and end this process.

    The process ends at once, because Ray's calls hang: no exception would arrive and no clean-up would finish.
    """
    over = threading.Event()

    def watch() -> None:
        answered = time.monotonic()
        while not over.wait(LOOK_SECONDS):
            if is_listening(address):
                answered = time.monotonic()
            elif time.monotonic() - answered >= LOST_SECONDS and not over.is_set():
                say(f"the head node of the Ray cluster, {address}, has not answered for {LOST_SECONDS:g} s")
                os._exit(UNFINISHED)

    threading.Thread(target=watch, name="head", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def is_listening(address: str) -> bool:
    """Whether a server listens at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()
    except OSError:
        return False
    return True
