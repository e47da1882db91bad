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


def _answer(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except Exception:  # the head is away; if for good, this process ends with its cluster
        return False


def listen(ask: Callable[[], bool]) -> None:
    """Ask now and then, in a thread, until the answer is yes; where none can be had, again later."""

    def wait() -> None:
        pause = threading.Event()
        while not _answer(ask):
            pause.wait(ASK_SECONDS)
        _asked.set()

    threading.Thread(target=wait, daemon=True).start()
