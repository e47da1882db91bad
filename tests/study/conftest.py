"""The tiny study, launched for real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from launching import Launched, run


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
    tiny_study_session: Callable[..., Path], hostile_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Launched:
    """The tiny study, launched from the hostile folder."""
    file = tiny_study_session()
    storage = tmp_path_factory.mktemp("undisturbed")
    code, output = run("launch", file, "--storage", storage, "--workers", 2, folder=hostile_folder)
    assert code == 0, output
    return Launched(file, storage / "tiny", output)
