"""`ray job submit` for real: a head that asks for a token runs a study as a job, and refuses who shows no token."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from launching import KDSTUDY, Launched

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
NEEDED = ("aiohttp_cors", "prometheus_client", "opencensus")  # of the dashboard, which takes jobs: ray[default]
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(MISSING), reason=f"needs ray[default]; not installed: {', '.join(MISSING)}"),
]


@dataclass(frozen=True)
class Head:
    """A running head node.

    Attributes:
        dashboard: Where it takes jobs.
        environment: What a shell needs that may submit some.
    """

    dashboard: str
    environment: dict[str, str]

    def submit(self, *command: object, **environment: str) -> tuple[int, str]:
        """`ray job submit`, to the job's end."""
        job = [*RAY, "job", "submit", "--address", self.dashboard, "--", *map(str, command)]
        done = subprocess.run(
            job, env=self.environment | environment, capture_output=True, text=True, timeout=280, check=False
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    """A head on free ports of the loopback, with a token of its own; ended by its process id."""
    token = tmp_path / "token"
    token.write_text("t" * 64)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # 127.0.0.1 is its address, and all that it listens on
    }
    gcs, dashboard = free_ports(2)
    options = ["--head", "--block", "--num-cpus=2", "--num-gpus=0", f"--port={gcs}", "--disable-usage-stats"]
    options += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--include-dashboard=true"]
    with (tmp_path / "head.log").open("w") as log:
        process = subprocess.Popen([*RAY, "start", *options], env=environment, stdout=log, stderr=log)
    try:
        wait_for(dashboard, process)
        yield Head(f"http://127.0.0.1:{dashboard}", environment)
    finally:
        process.terminate()
        process.wait(timeout=60)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the head has ended"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(port)


def test_job_runs_a_study_and_a_stranger_is_refused(head: Head, launched: Launched, tmp_path: Path) -> None:
    stranger = tmp_path / "strangers-token"
    stranger.write_text("s" * 64)
    code, output = head.submit("touch", tmp_path / "touched", RAY_AUTH_TOKEN_PATH=str(stranger))
    assert code != 0
    assert "Invalid" in output or "Unauthorized" in output or "authentication" in output.lower(), output
    assert not (tmp_path / "touched").exists()

    launch = ("launch", launched.file, "--address", "auto", "--storage", tmp_path, "--workers", 2)
    code, output = head.submit(KDSTUDY, *launch)
    assert code == 0, output
    assert "finished; write the report with: kdstudy report" in output
    assert scores(tmp_path / "tiny") == scores(launched.folder)


def scores(folder: Path) -> dict[str, float | None]:
    """Test scores by record."""
    return {path.name: json.loads(path.read_text()).get("test_score") for path in (folder / "ledger").glob("*.json")}
