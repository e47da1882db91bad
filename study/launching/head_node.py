"""The head of a joined cluster, watched: a launch that has lost it ends with a word to its user.

Ray itself hangs for a minute, and then ends the driver's process. Nothing is lost: the ledger is the only state.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_SECONDS = 3.0
LOST_SECONDS = 45.0  # Ray gives up after 60; a head that comes back before is as one that was not gone
UNFINISHED = 3  # as the command line ends where chains are unfinished


@contextmanager
def watch_head_node(address: str, say: Callable[[str], None]) -> Iterator[None]:
    """Watch the head at ``host:port``; where it does not answer any more say so, and end this process.

    At once, since Ray's calls hang: no exception would come through, and no clean-up would end.
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
    """Whether anybody listens at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()
    except OSError:
        return False
    return True
