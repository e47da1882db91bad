"""Interruption of running work: a flag of the process, checked at each training step."""

from __future__ import annotations

import threading
from collections.abc import Callable

ASK_SECONDS = 1.0
_asked = threading.Event()


class Interrupted(Exception):
    """The work was interrupted. Its state is saved; it has no record yet."""


def interrupt_requested() -> bool:
    """Whether this process was asked to stop its work."""
    return _asked.is_set()


def _is_asked(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except Exception:  # the head node does not answer; if it is gone for good, this process ends with its cluster
        return False


def watch_for_interrupt(ask: Callable[[], bool]) -> None:
    """Call `ask` every second, in a thread, until it returns true; then set the flag. Errors of `ask` count as no."""

    def wait() -> None:
        pause = threading.Event()
        while not _is_asked(ask):
            pause.wait(ASK_SECONDS)
        _asked.set()

    threading.Thread(target=wait, daemon=True).start()
