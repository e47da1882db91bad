"""Whether running work is asked to leave: it then saves its state at its next step. One flag for all of a process."""

from __future__ import annotations

import threading
from collections.abc import Callable

ASK_SECONDS = 1.0
_asked = threading.Event()


class Left(Exception):
    """The work was asked to leave and has saved its state; it has no record."""


def leave_asked() -> bool:
    """Whether it is; costs nothing."""
    return _asked.is_set()


def listen(ask: Callable[[], bool]) -> None:
    """Ask now and then, in a thread, until the answer is yes or cannot be had."""

    def wait() -> None:
        pause = threading.Event()
        try:
            while not ask():
                pause.wait(ASK_SECONDS)
        except Exception:  # the cluster is gone, and this process with it
            return
        _asked.set()

    threading.Thread(target=wait, daemon=True).start()
