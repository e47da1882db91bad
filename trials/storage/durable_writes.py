"""Writes that must not be lost: failed writes are tried again, and full storage is said in words."""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np

WAITS = (0.2, 1.0, 3.0)  # seconds before a write that failed is tried again
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}  # trying again does not help
SAID_FULL = re.compile(r"No space left on device|Disk quota exceeded|File too large|\d+ requested and \d+ written")
T = TypeVar("T")


class StorageFull(OSError):
    """Storage is full: the whole launch stops; it can be resumed when there is room."""


def with_retries(write: Callable[[], T]) -> T:
    """Do a write that can be repeated; after an error, try again a few times.

    Raises:
        Exception: The error of the last try, or the first one that says that storage is full.
    """
    for wait in WAITS:
        try:
            return write()
        except Exception as error:
            if is_storage_full(error):
                raise
        time.sleep(wait)
    return write()


def write_atomically(file: Path, write: Callable[[Path], object]) -> None:
    """Make a file by `write(temporary file)`: it appears complete or not at all; an older one is kept if that fails.

    Raises:
        Exception: As of `with_retries`.
    """

    def attempt() -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
        try:
            write(temporary)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)

    with_retries(attempt)


@contextmanager
def explain_full_storage(place: Path | str) -> Iterator[None]:
    """Turn each error that says that storage is full into a `StorageFull` that says where, and what to do."""
    try:
        yield
    except StorageFull:
        raise
    except Exception as error:
        if not is_storage_full(error):
            raise
        reason = os.strerror(getattr(error, "errno", None) or errno.ENOSPC)
        where = getattr(error, "filename", None) or place
        raise StorageFull(f"{where}: {reason}; make room there and launch again") from error


def is_storage_full(error: BaseException) -> bool:
    """Whether an error says that storage is full; some libraries say it in words alone."""
    return getattr(error, "errno", None) in FULL or SAID_FULL.search(str(error)) is not None


def allocate_array(file: Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Create a memory-mapped .npy file and reserve its room; without it, a full disk would later kill the process.

    Raises:
        OSError: There is no room.
    """
    import numpy as np

    array: np.memmap = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, max(1, file.stat().st_size))
    return array
