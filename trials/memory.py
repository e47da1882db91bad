"""Peak memory of a piece of work: of its process, and of the GPU."""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


def reset_peak_memory(device: torch.device) -> None:
    """Count from now on."""
    with contextlib.suppress(OSError):  # not Linux, or not allowed: the peak is then that of the process
        (PROCESS / "clear_refs").write_text("5")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int | None:
    """Most memory since the reset: of the GPU if the work ran there, else resident of the process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def return_freed_memory() -> None:
    """Give what was freed back to the system, so that a reused worker's next piece of work begins small."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
