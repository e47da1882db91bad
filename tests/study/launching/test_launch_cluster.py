"""A launch that joins a running cluster of several Ray nodes on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from launching import Launched, ray_cluster, run


@pytest.fixture
def cluster() -> Iterator[str]:
    """A head without trial slots and two workers of one CPU each; yields its address."""
    with ray_cluster(head_cpus=0, workers=2) as address:
        yield address


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
