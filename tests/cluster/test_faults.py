"""Launches that lose their cluster, their storage, their memory: what the user reads, and that nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launching import run, start

from benchmarks import chaos
from study.ledger.record_files import Ledger
from trials.specs.records import Status, TrialRecord

CLUSTER = """
import json, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
for _ in range(2):
    cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
head = [info.process.pid for infos in cluster.head_node.all_processes.values() for info in infos]
gcs = [info.process.pid for info in cluster.head_node.all_processes["gcs_server"]]
print(json.dumps({"address": cluster.address, "head": head, "gcs": gcs}), flush=True)
input()
cluster.shutdown()
"""


@pytest.fixture
def new_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict]]:
    """Starts a head without trial slots and two workers of one CPU each; says its address and the head's processes."""
    monkeypatch.setenv("RAY_TMPDIR", os.environ.get("RAY_TMPDIR", "/tmp/kdstudy-ray"))  # noqa: S108 - short, for sockets
    os.makedirs(os.environ["RAY_TMPDIR"], exist_ok=True)
    processes = []

    def begin() -> dict:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        processes.append(subprocess.Popen([sys.executable, "-c", CLUSTER], cwd=tmp_path, text=True, **pipes))
        return json.loads(processes[-1].stdout.readline())

    yield begin
    for process in processes:
        process.communicate("\n", timeout=120)


def wait_for_records(process: subprocess.Popen, study: Path, count: int) -> None:
    while len(list((study / "ledger").glob("[!.]*.json"))) < count:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("lost", ["gcs", "head"])
def test_launch_that_lost_its_head_says_so_and_goes_on_with_another(
    lost: str, new_cluster: Callable[[], dict], tiny_study: Callable[..., Path], tmp_path: Path
):
    file, study = tiny_study(), tmp_path / "tiny"
    cluster = new_cluster()
    launch = ["launch", file, "--storage", tmp_path, "--address"]
    process = start(*launch, cluster["address"], folder=tmp_path)
    wait_for_records(process, study, 3)
    for pid in cluster[lost]:
        os.kill(pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=600)
    before = {path.name: path.read_bytes() for path in (study / "ledger").glob("[!.]*.json")}
    assert (process.returncode, "resume with: kdstudy resume" in output) == (3, True), output
    assert "Traceback" not in output

    code, output = run(*launch, new_cluster()["address"], folder=tmp_path, timeout=900)
    assert code == 0, output
    assert {path.name: path.read_bytes() for path in (study / "ledger").iterdir() if path.name in before} == before
    assert chaos.repeated(study) == []


@pytest.mark.cluster
@pytest.mark.timeout(3000)
def test_study_that_is_killed_at_random_ends_like_an_undisturbed_one(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", os.environ.get("RAY_TMPDIR", "/tmp/kdstudy-ray"))  # noqa: S108 - short, for sockets
    os.makedirs(os.environ["RAY_TMPDIR"], exist_ok=True)
    seed = random.SystemRandom().randrange(10_000)
    with (tmp_path / "log").open("w") as log:
        found = chaos.chaos(tmp_path, seed, 1, (2, 5), log)
    assert found["faults"] == [], (tmp_path / "log").read_text()
    assert (found["finished_trials_run_again"], found["kills"].keys()) == (0, chaos.TARGETS.keys())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no room."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            return file


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_launch_on_a_disk_that_fills_says_so_and_goes_on_when_there_is_room(
    small_disk: Path, tiny_study: Callable[..., Path], tmp_path: Path
):
    file, study = tiny_study(checkpoint_seconds=0), small_disk / "tiny"
    process = start("launch", file, "--storage", small_disk, "--workers", 1, folder=tmp_path)
    wait_for_records(process, study, 3)
    filler = fill(small_disk)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 3, output
    assert f"storage is full: {study}" in output
    assert "No space left on device; make room there and launch again" in output
    assert "Traceback" not in output
    # Begun without room: one message, nothing is started
    code, output = run("resume", study, folder=tmp_path)
    assert code == 2, output
    assert "No space left on device" in output
    assert "Traceback" not in output
    # It is infrastructure: no trial has failed
    assert {record.status for record in Ledger(study / "ledger").refresh()} == {Status.COMPLETED}

    filler.unlink()
    code, output = run("resume", study, "--workers", 1, folder=tmp_path, timeout=900)
    assert code == 0, output
    assert chaos.repeated(study) == []
    assert {path.suffix for path in (study / "ledger").iterdir()} == {".json"}


PATCH = """
import importlib.abc, importlib.machinery, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "trials.networks.packed_network":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            forward = module.PackedNetwork.forward
            def limited(self, batch):
                if not self.training:
                    return forward(self, batch)
                {statement}
            module.PackedNetwork.forward = limited
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""
NO_MEMORY = """
                most = {1: 0, 2: 5}.get(self.num_layers, 100)
                if len(batch.rows) > most:
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")
                return forward(self, batch)
"""


# Every third record, and every third of all other files that are moved to their place
FAILING_WRITES = """
import errno, itertools, os

def failing(write):
    calls = itertools.count(1)
    def attempt(source, target, **options):
        if "/failing/" in str(target) and next(calls) % 3 == 0:
            with open(os.environ["FAILED_WRITES"], "a") as file:
                print(target, file=file)
            raise OSError(errno.EIO, "Input/output error", str(target))
        return write(source, target, **options)
    return attempt

os.link, os.replace = failing(os.link), failing(os.replace)
"""


# Of records and events: up to 25 years off either way, at each look
JUMPING_CLOCK = """
import datetime, importlib.abc, importlib.machinery, random, sys

class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + datetime.timedelta(days=random.randrange(-9000, 9000))

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in ("trials.workers.run_work", "trials.storage.workspace"):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            assert module.datetime is datetime.datetime
            module.datetime = Jumping
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def patch_workers(monkeypatch: pytest.MonkeyPatch, folder: Path, statement: str) -> None:
    """Let every process compute forwards in training so: students have 1 or 2 layers, the teacher 4."""
    patch_processes(monkeypatch, folder, PATCH.replace("{statement}", statement.strip()))


def patch_processes(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Let every process run this first."""
    (folder / "patched").mkdir()
    (folder / "patched" / "sitecustomize.py").write_text(code)
    paths = [str(folder / "patched"), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_trials_without_memory_go_on_in_parts_or_are_recorded_as_failed_and_the_others_go_on(
    tiny_study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    patch_workers(monkeypatch, tmp_path, NO_MEMORY)
    code, output = run("launch", tiny_study(), "--storage", tmp_path, "--workers", 2, folder=tmp_path, timeout=900)
    assert code == 3, output
    assert "Traceback" not in output
    trials = [r for r in Ledger(tmp_path / "tiny" / "ledger").refresh() if isinstance(r, TrialRecord)]
    found = Counter((r.spec.triple.student.name, r.status.value, r.micro_batch, r.reason) for r in trials)
    assert {key[:3] for key in found if key[0] == "2L"} == {("2L", "completed", 4)}
    assert {(key[1], key[3]) for key in found if key[0] == "1L"} == {("failed", "out of memory at 1 row a step")}
    # One student's chain has failed and is named; the other's has ended
    assert "unfinished: tiny/1L/words" in output
    assert "unfinished: tiny/2L/words" not in output


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_losses_that_are_no_numbers_are_recorded_and_reported_and_other_chains_go_on(
    tiny_study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    patch_workers(monkeypatch, tmp_path, "return forward(self, batch) * (float('nan') if self.num_layers == 1 else 1)")
    code, output = run("launch", tiny_study(), "--storage", tmp_path, "--workers", 2, folder=tmp_path, timeout=900)
    assert code == 3, output
    trials = [r for r in Ledger(tmp_path / "tiny" / "ledger").refresh() if isinstance(r, TrialRecord)]
    failed = [r for r in trials if r.status is Status.FAILED]
    assert {r.spec.triple.student.name for r in failed} == {"1L"}
    assert {r.spec.triple.student.name for r in trials if r.status is Status.COMPLETED} == {"2L"}
    reason = str(failed[0].reason)
    assert reason.startswith("the training loss is nan at step")
    assert f"failed, {reason}" in output
    assert "unfinished: tiny/1L/words" in output
    assert "unfinished: tiny/2L/words" not in output
    assert run("report", tmp_path / "tiny", folder=tmp_path)[0] == 0
    assert reason in (tmp_path / "tiny" / "report" / "report.html").read_text()


@pytest.fixture
def calm(tiny_study: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """A study file, and the directory of its undisturbed launch."""
    file = tiny_study(checkpoint_seconds=0)
    code, output = run("launch", file, "--storage", tmp_path / "calm", "--workers", 2, folder=tmp_path)
    assert code == 0, output
    return file, tmp_path / "calm" / "tiny"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_study_whose_writes_fail_ends_like_an_undisturbed_one_and_leaves_what_is_no_record(
    calm: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, undisturbed = calm
    study = tmp_path / "failing" / "tiny"
    (study / "ledger").mkdir(parents=True)
    others = {"foreign.json": b"[1, 2]", "newer.json": b'{"kind": "trial", "version": 99}', "torn.json": b'{"kind'}
    for name, content in others.items():
        (study / "ledger" / name).write_bytes(content)
    monkeypatch.setenv("FAILED_WRITES", str(tmp_path / "failed"))
    patch_processes(monkeypatch, tmp_path, FAILING_WRITES)

    code, output = run("launch", file, "--storage", study.parent, "--workers", 2, folder=tmp_path, timeout=900)
    assert code == 0, output
    failed = (tmp_path / "failed").read_text().splitlines()
    assert {"/ledger/" in line for line in failed} == {True, False}
    assert chaos.repeated(study) == []
    # Each is named, and left alone
    for name, content in others.items():
        assert name in output
        assert (study / "ledger" / name).read_bytes() == content
        (study / "ledger" / name).unlink()
    assert chaos.differences(file, undisturbed, study, tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_study_whose_clocks_jump_ends_like_an_undisturbed_one(
    calm: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file, undisturbed = calm
    study = tmp_path / "jumping" / "tiny"
    patch_processes(monkeypatch, tmp_path, JUMPING_CLOCK)
    launch = ["launch", file, "--storage", study.parent, "--workers", 2]
    code, output = run(*launch, "--max-trials", 9, folder=tmp_path, timeout=900)
    assert code == 3, output
    code, output = run(*launch, folder=tmp_path, timeout=900)
    assert code == 0, output
    years = {record.run.finished_at[:4] for record in Ledger(study / "ledger").refresh()}
    assert len(years) > 5
    events = [json.loads(line) for line in (study / "events.jsonl").read_text().splitlines()]
    assert set(Counter(event["id"] for event in events if event["event"] == "end").values()) == {1}
    assert chaos.differences(file, undisturbed, study, tmp_path) == []
    assert run("status", study, folder=tmp_path)[0] == run("report", study, folder=tmp_path)[0] == 0
