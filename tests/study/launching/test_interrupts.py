"""Ctrl-C and SIGTERM while a launch runs: the first asks it to end, the second ends it as usual."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

LAUNCH = """
import os, signal, sys, time
from study.launching.interrupts import handle_interrupts


def stop():
    print("nothing more is handed out", flush=True)


def ask_to_stop():
    print("workers are asked to leave", flush=True)
    if sys.argv[3] == "fails":
        raise ConnectionError("the head is gone")


number, times, restored = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "restored"
before = signal.getsignal(signal.SIGINT)
with handle_interrupts(stop, ask_to_stop) as signals:
    ours = signal.getsignal(number)
    for _ in range(times):
        os.kill(os.getpid(), number)
        time.sleep(0.5)
        if restored:  # as Tune does at its end
            signal.signal(number, ours)
print(signals, signal.getsignal(signal.SIGINT) is before)
"""
FIRST = ["nothing more is handed out", "workers are asked to leave"]


def interrupted(number: int, times: int, how: str = "") -> tuple[int, list[str]]:
    """Exit code and output of a process that sends itself signals while it launches."""
    command = [sys.executable, "-c", LAUNCH, str(int(number)), str(times), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_asks_workers_to_leave(number: int) -> None:
    assert interrupted(number, 1) == (0, [*FIRST, f"[{int(number)}] True"])


def test_workers_that_cannot_be_asked_change_nothing() -> None:
    assert interrupted(signal.SIGINT, 1, "fails") == (0, [*FIRST, f"[{int(signal.SIGINT)}] True"])


def test_without_a_signal_nobody_is_asked() -> None:
    assert interrupted(signal.SIGINT, 0) == (0, ["[] True"])


@pytest.mark.parametrize("restored", ["", "restored"])
def test_second_signal_ends_the_process_as_usual(restored: str) -> None:
    assert interrupted(signal.SIGINT, 2, restored) == (-signal.SIGINT, FIRST)
