"""Real launches by the command line, as a user would start them."""

from __future__ import annotations

import os
import subprocess
import sys
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
