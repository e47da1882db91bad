"""Real launches by the command line, as a user would start them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KDSTUDY = str(Path(sys.executable).with_name("kdstudy"))


@dataclass(frozen=True)
class Launched:
    """A study that was launched to its end without disturbance.

    Attributes:
        file: Its study file.
        folder: Its directory.
        output: What the launch printed.
    """

    file: Path
    folder: Path
    output: str


def start(*arguments: object, folder: Path) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own."""
    return subprocess.Popen(
        [KDSTUDY, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(*arguments: object, folder: Path, timeout: float = 280) -> tuple[int, str]:
    """Exit code and output of the command line."""
    process = start(*arguments, folder=folder)
    output, _ = process.communicate(timeout=timeout)
    return process.returncode, output


@contextmanager
def ray_cluster(head_cpus: int, workers: int = 0) -> Iterator[str]:
    """The address of a Ray of our own: a head of some CPUs, and workers of one CPU each."""
    script = (
        "from ray.cluster_utils import Cluster\n"
        f"cluster = Cluster(initialize_head=True, head_node_args={{'num_cpus': {head_cpus}}})\n"
        f"for _ in range({workers}): cluster.add_node(num_cpus=1)\n"
        "cluster.wait_for_nodes()\n"
        "print(cluster.address, flush=True)\n"
        "input()\n"
        "cluster.shutdown()\n"
    )
    sockets = "/tmp/kdstudy-ray"  # noqa: S108 - sockets need a short path
    os.makedirs(sockets, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=sockets,
        env={**os.environ, "RAY_TMPDIR": sockets},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate("\n", timeout=60)
