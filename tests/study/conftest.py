"""The command line in this process, the tiny study launched for real, and a Ray that launches may join."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from launching import Launched, ray_cluster, run

from study import cli

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def kdstudy(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs the command line in this process: exit code, and all that it printed with lines unwrapped."""

    def command(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["kdstudy", *map(str, arguments)])
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return code, captured.out + captured.err

    return command


@pytest.fixture(scope="session")
def hostile_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's current folder whose own packages bear our names; importing one of them fails."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("analysis", "study", "trials", "search_spaces"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise ImportError('the wrong package was imported')")
    return folder


@pytest.fixture(scope="session")
def launched(
    tiny_study_session: Callable[..., Path],
    hostile_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
) -> Launched:
    """The tiny study, launched from the hostile folder, once for all test processes that run side by side."""
    here = tmp_path_factory.getbasetemp()
    shared = here if worker_id == "master" else here.parent
    note = shared / "launched.json"
    with FileLock(shared / "launched.lock"):
        if not note.exists():
            file, storage = tiny_study_session(), shared / "undisturbed"
            code, output = run("launch", file, "--storage", storage, "--workers", 2, folder=hostile_folder)
            assert code == 0, output
            note.write_text(json.dumps([str(file), str(storage / "tiny"), output]))
    file_name, folder, output = json.loads(note.read_text())
    return Launched(Path(file_name), Path(folder), output)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a small Ray that launches of this test process join, which saves them its start and end."""
    with ray_cluster(head_cpus=4) as address:
        yield address
