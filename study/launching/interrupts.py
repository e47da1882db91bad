"""Ctrl-C and SIGTERM during a launch: the first one stops it cleanly, the second one kills it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STOPS = (signal.SIGINT, signal.SIGTERM)
ASK_SECONDS = 10  # time limit for asking workers: the call hangs if Ray's head node is lost


@contextmanager
def handle_interrupts(stop: Callable[[], None], request_stop: Callable[[], None]) -> Iterator[list[int]]:
    """Handle SIGINT and SIGTERM: the first ends Tune's loop cleanly, the second kills the process.

    Tune then waits about ten seconds for its workers to save their states and exit.

    Args:
        stop: Called in the handler; from then on no work is handed out.
        request_stop: Called in a thread, for it asks Ray: workers are asked to leave.

    Yields:
        A list with the signal that arrived; empty if there was none.
    """
    seen: list[int] = []
    over = threading.Event()

    def ask() -> None:
        over.wait()
        if seen:
            with suppress(Exception):  # the head is gone, and the workers with it
                request_stop()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()

    def interrupt(number: int, frame: object) -> None:
        for each in STOPS:
            signal.signal(each, signal.SIG_DFL)
        if seen:  # Tune has put this handler back
            os.kill(os.getpid(), number)
            return
        seen.append(number)
        stop()
        over.set()
        os.kill(os.getpid(), signal.SIGUSR1)  # Tune's own signal for a clean end

    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    before = {number: signal.getsignal(number) for number in (*STOPS, signal.SIGUSR1)}
    signal.signal(signal.SIGUSR1, lambda number, frame: None)  # until Tune listens
    for each in STOPS:
        signal.signal(each, interrupt)
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        over.set()
        asking.join(ASK_SECONDS)
