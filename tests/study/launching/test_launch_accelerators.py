"""A launch on a cluster of several kinds of nodes: each trial on its kind, with its share, all kinds at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]  # four nodes on one machine take long to start

TESTS = Path(__file__).parents[2]
RESOURCES = {"cpu": 1, "gpu": 1, "accelerators": {"A100": {"gpu": 0.25}, "T4": {"cpu": 2}}}
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
def add(kind, cpus, gpus, label=None):
    resources = {f"accelerator_type:{kind}": 1} if kind else {}
    labels = {"ray.io/accelerator-type": label} if label else {}
    return cluster.add_node(num_cpus=cpus, num_gpus=gpus, resources=resources, labels=labels)
nodes = {"A100": add("A100", 4, 1, "A100"), "T4": add("T4", 4, 2), "": add("", 4, 1)}
cluster.wait_for_nodes()
print(cluster.address, *(f"{kind}={node.node_id}" for kind, node in nodes.items()), flush=True)
for line in sys.stdin:
    if not line.strip():
        break
    if line.startswith("+"):
        add(line[1:].strip(), 4, 1, line[1:].strip())
    else:
        cluster.remove_node(nodes[line[1:].strip()], allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""


class Nodes:
    """A running cluster.

    Attributes:
        address: To join it.
        kinds: Kind of each node by Ray's id.
    """

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process
        assert process.stdout is not None
        self.address, *named = process.stdout.readline().split()
        self.kinds = {name.partition("=")[2]: name.partition("=")[0] for name in named}

    def remove(self, kind: str) -> None:
        """Lose a node as if its machine were gone."""
        self._do(f"-{kind}")

    def add(self, kind: str) -> None:
        """Add a node of a type."""
        self._do(f"+{kind}")

    def _do(self, what: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """One node with an A100, one with two T4 that bears no label, and one with a GPU of no name; all made up."""
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/kdstudy-ray")  # noqa: S108 - sockets need a short path
    os.makedirs("/tmp/kdstudy-ray", exist_ok=True)  # noqa: S108
    process = subprocess.Popen(
        [sys.executable, "-c", NODES],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    yield Nodes(process)
    process.communicate("\n", timeout=60)


def start(nodes: Nodes, folder: Path, seconds: float, **options: Any) -> subprocess.Popen[str]:
    """A launch whose trials only sleep."""
    settings = json.dumps({"resources": RESOURCES, **options})
    return subprocess.Popen(
        [sys.executable, str(TESTS / "idle_launch.py"), nodes.address, str(folder), str(seconds), settings],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def notes(folder: Path) -> list[dict[str, Any]]:
    """What trials noted of where they were."""
    return [json.loads(path.read_text()) for path in folder.glob("note-*.json")]


def most_at_once(found: list[dict[str, Any]]) -> Counter[str]:
    """By kind."""
    moments = sorted(
        [(note["begun"], 1, note["kind"]) for note in found] + [(n["ended"], -1, n["kind"]) for n in found]
    )
    now: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for _, change, kind in moments:
        now[kind] += change
        most |= now
    return most


def test_trials_of_each_kind_are_on_its_nodes_with_its_share_and_none_starves(nodes: Nodes, tmp_path: Path):
    output, _ = start(nodes, tmp_path / "study", 0.2, max_trials=24, workers=9, together=7).communicate(timeout=500)
    assert "--workers 9, but only 7 trials fit at a time" in output
    found = notes(tmp_path / "study")
    assert len(found) == 24, output
    assert {(nodes.kinds[note["node"]], note["cpu"], note["gpu"]) for note in found} == {
        ("A100", 1, 0.25),
        ("T4", 2, 1),
        ("", 1, 1),
    }
    assert all(nodes.kinds[note["node"]] == note["kind"] for note in found)
    # all kinds were full at some moment
    assert most_at_once(found) == {"A100": 4, "T4": 2, "": 1}


def test_work_of_nodes_that_are_lost_goes_on_elsewhere(nodes: Nodes, tmp_path: Path):
    process = start(nodes, tmp_path / "study", 4, max_trials=16)
    while not any(note["kind"] == "A100" for note in notes(tmp_path / "study")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    nodes.remove("A100")
    output, _ = process.communicate(timeout=500)
    ended = json.loads(output.splitlines()[-1])
    assert (ended["started"], ended["recorded"], ended["blocked"]) == (16, 16, {})


def test_launch_whose_time_is_up_in_mid_sweep_lets_what_runs_end(nodes: Nodes, tmp_path: Path):
    deadline = time.monotonic() + 40  # of a clock that all processes share
    output, _ = start(nodes, tmp_path / "study", 2, deadline=deadline).communicate(timeout=500)
    assert "time limit reached: no new trial starts" in output
    assert "Traceback" not in output, output
    ended = json.loads(output.splitlines()[-1])
    assert (ended["up"], ended["blocked"]) == (True, {})
    assert ended["started"] == ended["recorded"] == len(notes(tmp_path / "study")) > 0


def test_launch_whose_nodes_are_all_gone_says_so_and_goes_on_when_one_is_back(nodes: Nodes, tmp_path: Path):
    process = start(nodes, tmp_path / "study", 1, max_trials=12)
    assert process.stdout is not None
    for line in process.stdout:
        if "at a time" in line:
            break
    for kind in ("A100", "T4", ""):
        nodes.remove(kind)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "no live node" in line and not any("no live node" in before for before in lines[:-1]):
            nodes.add("T4")
    process.communicate(timeout=60)
    assert process.returncode == 0, lines
    said = [line for line in lines if "no live node" in line]
    assert said, lines
    assert "there is no such node" in said[0] or "the largest has 0 CPUs" in said[0]
    ended = json.loads(lines[-1])
    assert (ended["started"], ended["recorded"], ended["blocked"]) == (12, 12, {})
