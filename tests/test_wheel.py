"""A wheel, built and installed into a fresh environment: it plans and launches a study without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: object, folder: Path) -> str:
    """The output of a command that must succeed, in a folder that holds nothing of ours."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_wheel_plans_and_launches_from_an_empty_folder(tiny_study: Callable[..., Path], tmp_path: Path) -> None:
    file, empty = tiny_study(), tmp_path / "empty"
    empty.mkdir()
    pip = ("-m", "pip", "--disable-pip-version-check")
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "wheels", ROOT, folder=empty)
    (wheel,) = (tmp_path / "wheels").glob("kdstudy-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "fresh", folder=empty)
    python, kdstudy = (tmp_path / "fresh" / "bin" / name for name in ("python", "kdstudy"))
    run(python, *pip, "install", "--constraint", ROOT / "constraints.txt", wheel, folder=empty)

    where = "import analysis, search_spaces, study, trials; print(*(m.__file__ for m in (analysis, study)))"
    assert all(str(tmp_path / "fresh") in place for place in run(python, "-c", where, folder=empty).split())
    assert "2 triples" in run(kdstudy, "plan", file, folder=empty)
    # files that are no code are in it, too: search spaces, presets, the report's page
    assert "trials in all" in run(kdstudy, "plan", _shipped(python, empty), folder=empty)
    run(kdstudy, "launch", file, "--workers", 2, folder=empty)
    run(kdstudy, "report", empty / "runs" / "tiny", folder=empty)
    assert "Which parameter matters?" in (empty / "runs" / "tiny" / "report" / "report.html").read_text()


def _shipped(python: Path, folder: Path) -> str:
    """A study file that ships in the installed package, with presets of data sets and a preset search space."""
    code = "from importlib.resources import files; print(files('study') / 'files' / 'paper_a.yaml')"
    return run(python, "-c", code, folder=folder).strip()
