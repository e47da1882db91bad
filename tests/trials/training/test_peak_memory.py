"""Memory of reused workers: what one piece of work freed is not the next one's."""

import re
import sys
from pathlib import Path

import pytest

from trials.training.memory import return_freed_memory


def resident() -> int:
    """Megabytes."""
    found = re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, needs glibc")
def test_freed_memory_is_returned():
    before = resident()
    blocks = [bytes(50_000) for _ in range(6000)]
    assert resident() > before + 200
    blocks[:-1] = []  # the last one keeps the heap from shrinking by itself
    return_freed_memory()
    assert resident() < before + 100
