"""Launches that run ahead what the search will likely ask for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from launching import Launched, run
from rich.console import Console
from simulation import make_study

from search_spaces.faults import InputError
from search_spaces.space import load_space
from study.launching.launcher import launch
from study.launching.options import LaunchOptions
from study.launching.progress import Progress
from study.ledger.record_files import Ledger
from study.ledger.study_directory import open_study
from study.search.study_search import StudySearch, load_search
from trials.storage.workspace import Workspace

STOPPING = {"strategy": "grid", "space": load_space("demo"), "stopping": {"rule": "asha"}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"resources": {"group": 4}}, "resources.group"), ({"search": STOPPING}, "search.stopping")],
)
def test_groups_and_early_stopping_are_refused(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    study = make_study(**changes)
    with pytest.raises(InputError, match=f"command line: --speculate: cannot be combined with {why}"):
        launch(study, Workspace(tmp_path / "study"), LaunchOptions(speculate=True), Progress(Console()))
    assert not (tmp_path / "study").exists()


def loaded(folder: Path) -> StudySearch:
    study, workspace = open_study(folder)
    assert workspace is not None
    return load_search(study, Ledger(workspace.ledger).refresh())


@pytest.mark.slow  # a launch
def test_launch_finds_what_it_finds_without_guesses(launched: Launched, tmp_path: Path) -> None:
    options = ("--storage", tmp_path, "--workers", 4, "--speculate")
    code, output = run("launch", launched.file, *options, "--max-trials", 5, folder=tmp_path)
    assert code == 3, output
    code, output = run("launch", launched.file, *options, folder=tmp_path)
    assert code == 0, output
    counts = re.search(r"speculation: (\d+) trials? run ahead; the search requested (\d+) of them", output)
    assert counts, output
    ahead, asked = map(int, counts.groups())
    assert 0 < asked <= ahead
    plain, found = loaded(launched.folder), loaded(tmp_path / "tiny")
    assert found.finished
    # the same trials were asked for and decided the same: on one machine their numbers are the same, too
    assert list(found.steps) == list(plain.steps)
    assert found.stable_choice == plain.stable_choice
    assert found.num_trials == plain.num_trials
    assert len(found.extra_trials) >= ahead - asked
    code, output = run("status", tmp_path / "tiny", "--json", folder=tmp_path)
    assert (code, json.loads(output)["extra_trials"]) == (0, len(found.extra_trials))
