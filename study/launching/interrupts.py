"""Ctrl-C and SIGTERM while a launch runs: the first asks it to end, the second ends it as usual."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

STOPS = (signal.SIGINT, signal.SIGTERM)
ASK_SECONDS = 10  # that asking workers may take: where Ray's head is gone it hangs


@contextmanager
def handle_interrupts(stop: Callable[[], None], request_stop: Callable[[], None]) -> Iterator[list[int]]:
    """Notes SIGINT and SIGTERM: the first ends Tune's loop between two events, a second one kills as usual.

    Tune then waits some ten seconds for its workers, in which they save their states and leave.

    Args:
        stop: Called in the handler: nothing more is handed out.
        request_stop: Called in a thread, for it asks Ray: workers are asked to leave.

    Yields:
        The signal that came, or none.
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
