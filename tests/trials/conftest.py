"""One prepared tiny teacher for all tests of trials."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny import Tiny, prepare

from trials.specs.dataset import DatasetSpec


@pytest.fixture(scope="session")
def tiny(tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A prepared teacher; tests share its workspace and must not write to it by hand."""
    return prepare(tiny_model, tiny_data, tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def tiny_transfer(tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A prepared teacher of 24 labelled rows, and a transfer set of 72."""
    labelled = {"per_class": 12}
    dataset = DatasetSpec(
        name="few", task="classification", path=str(tiny_data), labels=("bad", "good"), labelled=labelled
    )
    return prepare(tiny_model, tiny_data, tmp_path_factory.mktemp("transfer"), dataset=dataset)
