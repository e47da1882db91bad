"""Memory: its peak, in the process and on the GPU; and smaller batches where it runs out."""

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
NO_MEMORY = (  # torch's messages where it raises a plain RuntimeError
    *("can't allocate memory", "not enough memory"),
    *("CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation"),
)
T = TypeVar("T")


def reset_peak_memory(device: torch.device) -> None:
    """Start a new peak."""
    with contextlib.suppress(
        OSError
    ):  # not Linux, or not permitted: the peak then covers the whole life of the process
        (PROCESS / "clear_refs").write_text("5")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory_bytes(device: torch.device) -> int | None:
    """Peak since the reset: GPU memory on a GPU, else the resident memory of the process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def return_freed_memory() -> None:
    """Return freed memory to the operating system, because workers are reused."""
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, means that memory ran out."""
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


class OneRowTooLarge(MemoryError):
    """Memory does not hold a single row, so that a smaller batch does not help."""


def retry_with_smaller_batches(do: Callable[[int | None], T], batch_size: int) -> T:
    """Train; when memory runs out, try again with micro-batches of half as many rows, down to one.

    Args:
        do: Trains with micro-batches of the given size; None means whole batches.
        batch_size: Rows of a batch.

    Raises:
        TrialFailed: Memory does not hold one row.
    """
    micro_batch: int | None = None
    while True:
        try:
            return do(micro_batch)
        except OneRowTooLarge as error:
            raise TrialFailed(str(error)) from None
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        _free()  # outside the except block: the error's frames would keep tensors alive
        if (micro_batch or batch_size) <= 1:
            raise TrialFailed("out of memory at 1 row a step")
        micro_batch = (micro_batch or batch_size) // 2


def map_batches(do: Callable[[np.ndarray], T], batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, T]]:
    """Apply `do` to each batch; a batch that memory does not hold is split in halves.

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
            raise OneRowTooLarge("out of memory at 1 row in evaluation")
        waiting += np.array_split(rows, 2)[::-1]


def _free() -> None:
    """Free the memory of the failed attempt."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
