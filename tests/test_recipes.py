"""The recipes of CONTRIBUTING on toys: what each adds to the code, what that costs, and that it is used for real."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rooms import PACKAGES, ROOT

from search_spaces.configuration import Distance
from study.config.study_file import Strategy
from trials.specs.dataset import TaskName
from trials.specs.student import Architecture

TOYS = ROOT / "tests" / "recipes"


@dataclass(frozen=True)
class Recipe:
    """One new file, and one entry in one registry."""

    adds: str  # the new file
    registry: str  # the file that has the registry
    entry: str  # its new line
    above: str  # the line below which that stands
    imports: str = ""  # the line that imports what the entry names, where it names any
    replaces: bool = False  # whether the entry replaces that line, with more in it

    def changed(self, code: str) -> str:
        """The registry's file with the entry."""
        assert code.count(self.above) == 1, f"{self.above!r} must stand once in {self.registry}"
        code = code.replace(self.above, self.entry if self.replaces else f"{self.above}{self.entry}")
        # formatters put it where it belongs; a reader finds it anywhere among the imports
        start = code.index("\nfrom ", code.index("from __future__") + 1) + 1
        return f"{code[:start]}{self.imports}{code[start:]}"

    @property
    def cost(self) -> tuple[int, int]:
        """Lines of the registry's file that are new or changed, and how many of those are imports."""
        code = (ROOT / self.registry).read_text()
        lines = difflib.ndiff(code.splitlines(), self.changed(code).splitlines())
        new = [line for line in lines if line.startswith("+ ")]
        return len(new), sum(line.startswith("+ from ") for line in new)


RECIPES = {
    "task": Recipe(
        adds="trials/tasks/rating.py",
        registry="trials/specs/dataset.py",
        entry='    RATING = "rating", "text", "stars", "within_one"\n',
        above='    TRANSLATION = "translation", "translation", "translation", "bleu"\n',
    ),
    "loss": Recipe(
        adds="trials/losses/distances/mae.py",
        registry="search_spaces/configuration.py",
        entry='    MAE = "mae"\n',
        above='    CE = "ce"  # cross-entropy between softened distributions\n',
    ),
    "student": Recipe(
        adds="trials/networks/bag_of_words.py",
        registry="trials/specs/student.py",
        entry='    BAG_OF_WORDS = "bag_of_words", "bag_of_words"\n',
        above='    TRANSFORMER = "transformer"  # like its source\n',
    ),
    "searcher": Recipe(
        adds="study/search/searchers/every_other.py",
        registry="study/config/study_file.py",
        entry='    EVERY_OTHER = "every_other", "stopping"\n',
        above='    GRID = "grid", "stopping"  # every configuration that greedy search could visit\n',
    ),
    "teacher's output": Recipe(
        adds="trials/teachers/margins.py",
        registry="trials/teachers/outputs.py",
        entry='    "margins": write_margins,\n',
        above='    "states": write_hidden_states,\n',
        imports="from trials.teachers.margins import write_margins\n",
    ),
    "question": Recipe(
        adds="analysis/triples/student_trials.py",
        registry="analysis/triples/sections.py",
        entry="SECTIONS: tuple[Section[Any], ...] = (SCORES, TRAINING, TEACHERS, TRIALS, FAILURES)\n",
        above="SECTIONS: tuple[Section[Any], ...] = (SCORES, TRAINING, TEACHERS, FAILURES)\n",
        imports="from analysis.triples.student_trials import TRIALS\n",
        replaces=True,
    ),
}
COSTS = {  # lines of the registry, imports among them
    "task": (1, 0),
    "loss": (1, 0),
    "student": (1, 0),
    "searcher": (1, 0),
    "teacher's output": (2, 1),
    "question": (2, 1),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code in which all recipes were carried out."""
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, recipe in RECIPES.items():
        shutil.copy(TOYS / f"{name.split()[-1]}.py", folder / recipe.adds)
        registry = folder / recipe.registry
        registry.write_text(recipe.changed(registry.read_text()))
    return folder


@pytest.fixture(scope="module")
def found(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of all toys, used in one fresh process; and its report's folder."""
    folder = tmp_path_factory.mktemp("used")
    command = [sys.executable, str(TOYS / "use_them.py"), str(folder)]
    paths = os.pathsep.join([str(copy), str(ROOT / "tests")])
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert values["code"] == str(copy)  # not the code that is installed
    return values | {"report": folder / "report"}


@pytest.mark.parametrize("name", RECIPES)
def test_costs_are_those_that_contributing_states(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.cost == COSTS[name]
    assert not (ROOT / recipe.adds).exists()
    table = (ROOT / "CONTRIBUTING.md").read_text().splitlines()
    assert f"| {name} | `{recipe.adds.rpartition('/')[0]}/` | `{recipe.registry}` | {recipe.cost[0]} |" in table


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if not recipe.imports])
def test_each_name_of_an_enum_has_its_file(name: str) -> None:
    files = {
        "task": set(TaskName),
        "loss": {distance for distance in Distance if not distance.by_regression},
        "student": {architecture.network for architecture in Architecture if architecture.network},
        "searcher": set(Strategy),
    }
    folder = (ROOT / RECIPES[name].adds).parent
    assert [file for file in files[name] if not (folder / f"{file}.py").is_file()] == []


def test_task_is_read_trained_and_scored(found: dict[str, Any]) -> None:
    (name, score), *others = found["task_scores"].items()
    assert (name, others) == ("within_one", [])
    assert 0 < score <= 1


def test_loss_trains(found: dict[str, Any]) -> None:
    assert found["distance"] == 2.0  # the docstring's example
    default, toy = found["losses"]
    assert toy > 0
    assert toy != default


def test_student_trains(found: dict[str, Any]) -> None:
    words = 8 + 8 + 14  # good, bad and other ones
    special = (found["student_parameters"] - (8 * 4 + 4)) / 8 - words  # 4 outputs with biases; embeddings of 8 numbers
    assert 3 <= special <= 6  # padding, unknown and the like: no recurrent layer


def test_searcher_finishes_and_is_planned(found: dict[str, Any]) -> None:
    half = -(-found["grid"] // 2)
    assert found["trials"] == found["planned"] == half
    assert found["finished"]
    assert found["progress"] == f"2 of {half} configurations"


def test_teacher_output_is_kept(found: dict[str, Any]) -> None:
    assert found["margins_differ_by"] < 1e-6


def test_section_is_on_the_page_and_its_table_in_files(found: dict[str, Any]) -> None:
    page = (found["report"] / "report.html").read_text()
    assert '<a href="#student_trials">How many trials had each student</a>' in page
    assert 'id="student_trials"' in page
    assert f"2L had {found['trials']} trials." in page
    assert f"{found['trials']} trials were counted." in page
    table = (found["report"] / "tables" / "student_trials.csv").read_text()
    assert table == f"student,trials\n2L,{found['trials']}\n"


def test_unknown_names_are_answered_with_the_toys(found: dict[str, Any]) -> None:
    for said, nearest in zip(found["faults"], ("rating", "every_other", "bag_of_words", "mae"), strict=True):
        assert "wrong.yaml" in said
        assert nearest in said
