"""Memory of a piece of work: its peak, of its process and of the GPU; and what to do where there is not enough."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from trials.training.training_run import TrialFailed

PROCESS = Path("/proc/self")
NO_MEMORY = (  # how torch says it where it has no class for it
    *("can't allocate memory", "not enough memory"),
    *("CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation"),
)
T = TypeVar("T")


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


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or the one that it came of, says that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


class NoRowFits(MemoryError):
    """Memory does not hold what one row needs, so that no smaller part of a batch helps."""


def trained_in_memory(do: Callable[[int | None], T], batch_size: int) -> T:
    """Do some training; where memory runs out again with half as many rows at a time, down to one.

    Args:
        do: Trains, given how many rows' gradients are computed at a time; None means all of a batch.
        batch_size: Rows of a batch.

    Raises:
        TrialFailed: Memory does not hold one row.
    """
    micro_batch: int | None = None
    while True:
        try:
            return do(micro_batch)
        except NoRowFits as error:
            raise TrialFailed(str(error)) from None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        _free()  # here, where the error's frames hold nothing any more
        if (micro_batch or batch_size) <= 1:
            raise TrialFailed("out of memory at 1 row a step")
        micro_batch = (micro_batch or batch_size) // 2


def computed(do: Callable[[np.ndarray], T], batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, T]]:
    """What is computed of the rows of each batch; where memory does not hold a batch, of its halves by themselves.

    Raises:
        NoRowFits: Memory does not hold one row.
    """
    waiting = list(batches)[::-1]
    while waiting:
        rows = waiting.pop()
        try:
            found = do(rows)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        else:
            yield rows, found
            continue
        _free()
        if len(rows) <= 1:
            raise NoRowFits("out of memory at 1 row in evaluation")
        waiting += np.array_split(rows, 2)[::-1]


def _free() -> None:
    """Let go of what failed."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
