"""A launch that joins a running cluster of several Ray nodes on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from launching import Launched, run


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A head without trial slots and two workers of one CPU each; yields its address."""
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/kdstudy-ray")  # noqa: S108 - sockets need a short path
    script = (
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 0})\n"
        "for _ in range(2): cluster.add_node(num_cpus=1)\n"
        "cluster.wait_for_nodes()\n"
        "print(cluster.address, flush=True)\n"
        "input()\n"
        "cluster.shutdown()\n"
    )
    os.makedirs("/tmp/kdstudy-ray", exist_ok=True)  # noqa: S108
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield process.stdout.readline().strip()
    process.communicate("\n", timeout=60)


@pytest.mark.cluster
def test_launch_joins_a_cluster_and_ends_like_a_local_one(cluster: str, launched: Launched, tmp_path: Path):
    code, output = run("launch", launched.file, "--storage", tmp_path, "--address", cluster, folder=tmp_path)
    assert code == 0, output
    assert "2 at a time" in output
    ours, theirs = (scores(folder) for folder in (tmp_path / "tiny", launched.folder))
    assert ours == theirs


def scores(folder: Path) -> dict[str, float]:
    """Test scores by trial."""
    records = [json.loads(path.read_text()) for path in (folder / "ledger").glob("*.json")]
    return {
        str(record["spec"]["configuration"]) + record["spec"]["triple"]["student"]["name"]: record["test_score"]
        for record in records
        if record["kind"] == "trial"
    }
