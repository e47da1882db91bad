"""The rooms of the code: their floors, their public faces, and who imports what. Read by parsing, nothing is run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trials", "study", "analysis")  # a folder imports only what stands to its left
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
NAMES = [str(file.relative_to(ROOT)) for file in FILES]

# The rooms of each folder, ground floor first: a room imports only rooms below it. Rooms in one tuple are on one floor
# and do not know each other.
FLOORS: dict[str, list[str | tuple[str, ...]]] = {
    "search_spaces": ["search_spaces"],
    "trials": [
        "trials",
        "trials.specs",
        "trials.storage",
        "trials.losses.distances",
        "trials.losses",
        "trials.readers",
        "trials.tasks",
        "trials.datasets",
        "trials.models",
        "trials.networks",
        "trials.students",
        "trials.training",
        "trials.evaluation",
        "trials.teachers",
        "trials.objectives",
        "trials.workers",
    ],
    "study": [
        "study.config",
        "study.ledger",
        "study.search.searchers",
        "study.search",
        "study.checks",
        "study.planning",
        "study.views",
        "study.launching",
        "study",  # the command line
    ],
    "analysis": [
        "analysis.results",
        "analysis.presentation",
        "analysis.triples",
        "analysis.choices",
        "analysis.shapes",
        "analysis.examples",
        "analysis.internals",
        "analysis.transfer",
        "analysis.searches",
        "analysis.report",
        "analysis",
    ],
}
LEVELS = [(rooms,) if isinstance(rooms, str) else rooms for floors in FLOORS.values() for rooms in floors]
FLOOR = {room: floor for floor, rooms in enumerate(LEVELS) for room in rooms}
FACES = sorted(str(face.relative_to(ROOT)) for package in PACKAGES for face in (ROOT / package).rglob("__init__.pyi"))


@functools.cache
def tree_of(name: str) -> ast.Module:
    """A file, parsed."""
    return ast.parse((ROOT / name).read_text())


@functools.cache
def imports_of(name: str) -> frozenset[str]:
    """Every module that a file imports, wherever the import stands; `from a import b` is a and a.b."""
    return frozenset(imports_in(tree_of(name)))


def imports_in(tree: ast.AST) -> Iterator[str]:
    """The modules that some code imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def own_imports(name: str) -> tuple[ast.ImportFrom, ...]:
    """The imports of a file from our own folders."""
    found = (node for node in ast.walk(tree_of(name)) if isinstance(node, ast.ImportFrom))
    return tuple(node for node in found if str(node.module).split(".")[0] in PACKAGES)


@functools.cache
def names_of(face: str) -> dict[str, str]:
    """The names that a room shows, each with the file that has it; "" for a file that is shown as a whole."""
    return {
        alias.name: statement.module or ""
        for statement in tree_of(face).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


@functools.cache
def room_of(module: str) -> str:
    """The room that a module, or a name in one, lives in."""
    parts = module.split(".")
    return next((room for size in range(len(parts), 0, -1) if (room := ".".join(parts[:size])) in FLOOR), parts[0])


def module_of(name: str) -> str:
    """The module that a file is: ``study/cli.py`` is study.cli."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
