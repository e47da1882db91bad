"""The list of seeded faults fits the code, and the program that seeds them tells what was found from what was not."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import seeded_faults
from seeded_faults import ROOT, Fault, NoSuchPlace, Trial, changed, known_tests, places_of, read_faults, sources

FAULTS = read_faults()


def test_names_are_unique() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 26


def test_every_fault_has_its_place() -> None:
    places, misplaced = places_of(FAULTS)
    assert misplaced == []
    assert places.keys() == {fault.name for fault in FAULTS}
    assert all((ROOT / place.file).read_text(encoding="utf-8") != place.content for place in places.values())


def test_fault_that_only_a_slow_test_finds_names_one_that_is_there() -> None:
    slow = [fault for fault in FAULTS if fault.slow]
    assert slow
    assert all(known_tests(fault, ROOT) for fault in slow)  # the whole suite would leave it out


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of one package and its tests, one of which fails anyway."""
    root = tmp_path / "checkout"
    files = {
        "sums/__init__.py": "",
        "sums/adding.py": "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return 2 * a\n",
        "tests/test_adding.py": "from sums.adding import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n",
        "tests/test_a_broken.py": "def test_broken():\n    assert False\n",
        "tests/test_order.py": "a = []\n\n\ndef test_a():\n    a.append(1)\n\n\ndef test_b():\n    assert not a\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    return root


def seeded(text: str, instead: str) -> Fault:
    return Fault("sum", "The sum is wrong.", "sums/adding.py", "add", text, instead, ("test_add",))


@pytest.mark.parametrize("text", ["return", "a * b"])
def test_text_that_is_not_there_once_is_refused(checkout: Path, text: str) -> None:
    with pytest.raises(NoSuchPlace, match=rf"sum: the text {re.escape(repr(text))} must stand exactly once"):
        changed(seeded(text, "pass"), sources(checkout))


def test_fault_that_is_no_python_is_refused(checkout: Path) -> None:
    with pytest.raises(NoSuchPlace, match="sum: the changed file is no Python"):
        changed(seeded("a + b", "a +"), sources(checkout))


@pytest.mark.slow  # pytest starts some times
def test_only_a_test_that_passes_without_the_fault_finds_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeded_faults, "WITH_SLOW", ())
    before = (checkout / "sums" / "adding.py").read_text()
    found = Trial(checkout).run(seeded("a + b", "a - b"))
    assert (found.caught_by, found.place) == ("tests/test_adding.py::test_add", "sums/adding.py:2")
    assert found.message == "assert -1 == 5"
    assert (checkout / "sums" / "adding.py").read_text() == before
    found = Trial(checkout, tests=("tests/test_a_broken.py", "tests/test_adding.py")).run(seeded("a + b", "a - b"))
    assert found.caught_by == "tests/test_adding.py::test_add"
    missed = Trial(checkout, tests=("tests/test_a_broken.py",)).run(seeded("a + b", "a - b"))
    assert (missed.caught_by, missed.remark) == (None, "tests/test_a_broken.py::test_broken fails without it, too")


@pytest.mark.slow  # pytest starts some times
def test_test_that_fails_only_after_others_finds_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeded_faults, "WITH_SLOW", ())
    missed = Trial(checkout, tests=("tests/test_order.py",)).run(seeded("a + b", "a - b"))
    remark = "tests/test_order.py::test_b fails after other tests, and not alone"
    assert (missed.caught_by, missed.remark) == (None, remark)


@pytest.mark.slow  # pytest starts some times
def test_file_that_does_not_load_finds_nothing(checkout: Path) -> None:
    found = Trial(checkout, tests=("tests/test_adding.py",)).run(seeded("def add", "def sum_of"))
    assert (found.caught_by, found.remark) == (None, "a test file does not load with it, which does not count")
