"""The import rule, what loads without torch and ray, and the size of files: by parsing, and in fresh processes."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trials", "study", "analysis")  # a folder imports only what stands to its left
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
NAMES = [str(file.relative_to(ROOT)) for file in FILES]
every_file = pytest.mark.parametrize("name", NAMES)

COMMAND_LINE = "study/cli.py"
RAY_FILES = {
    "trials/trainable.py",
    "trials/arbiter.py",
    "trials/group_host.py",
    "study/cluster.py",
    "study/experiment.py",
    "study/searchers/ray_adapter.py",
    "study/watch.py",
}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
MOST_LINES = 450

TORCH_FREE = [
    "search_spaces.configuration",
    "search_spaces.space",
    "trials.spec",
    "trials.stopping",
    "trials.record",
    "trials.workspace",
    "trials.metrics",
    "trials.labels",
    "trials.datasets",
    "trials.tasks",
    "trials.encoding",
    "trials.tables",
    "trials.embedded",
    "study.config",
    "study.ledger",
    "study.search",
    "study.searchers.chain",
    "study.searchers.exhaustive",
    "study.searchers.greedy",
    "study.searchers.stable",
    "study.searchers.tpe",
    "study.searchers.tuning",
    "study.status",
    "study.plan",
    "study.progress",
    "study.continuation",
    "study.memory",
    "study.mirror",
    "study.preflight",
    "study.resources",
    "study.watchdog",
    "study.launch",
]


@functools.cache
def imports_of(name: str) -> frozenset[str]:
    """Every module that a file imports, wherever the import stands; `from a import b` is a and a.b."""
    return frozenset(_imports(ast.parse((ROOT / name).read_text()), name))


def _imports(tree: ast.AST, name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_of(name: str) -> set[str]:
    return {module.split(".")[0] for module in imports_of(name)}


def test_files_are_found() -> None:
    assert {name.split("/")[0] for name in NAMES} == set(PACKAGES)
    assert "study/searchers/greedy.py" in NAMES
    assert "search_spaces.space" in imports_of("study/config.py")


@every_file
def test_file_imports_only_what_stands_to_its_left(name: str) -> None:
    own = PACKAGES.index(name.split("/")[0])
    to_the_right = set(PACKAGES[own + 1 :])
    if name == COMMAND_LINE:  # puts all together, and nobody imports it; it imports inside its commands
        to_the_right = set()
    assert not packages_of(name) & to_the_right
    assert not packages_of(name) & {"tests", "benchmarks", "simulation"}


@every_file
def test_nobody_imports_the_command_line(name: str) -> None:
    assert "study.cli" not in imports_of(name)


def test_command_line_imports_the_analysis_lazily() -> None:
    top = ast.parse((ROOT / COMMAND_LINE).read_text()).body
    imported = {
        module.split(".")[0]
        for node in top
        for module in _imports(ast.Module([node], []), COMMAND_LINE)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert "analysis" in packages_of(COMMAND_LINE)
    assert "analysis" not in imported


@every_file
def test_search_spaces_and_analysis_import_neither_torch_nor_ray(name: str) -> None:
    if name.startswith(("search_spaces/", "analysis/")):
        assert not packages_of(name) & {"torch", "ray", "transformers"}


@every_file
def test_ray_is_in_few_files(name: str) -> None:
    assert ("ray" in packages_of(name)) == (name in RAY_FILES)


@every_file
def test_torch_is_in_trials_only(name: str) -> None:
    if "torch" in packages_of(name):
        assert name.startswith("trials/")


@every_file
def test_nothing_is_pickled(name: str) -> None:
    assert not packages_of(name) & PICKLES
    for node in ast.walk(ast.parse((ROOT / name).read_text())):
        # nor are weights read by torch.load, or remote code trusted, or code evaluated
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
            assert node.attr not in {"load", "save"}, f"{name}:{node.lineno}"
        if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
            assert isinstance(node.value, ast.Constant), f"{name}:{node.value.lineno}"
            assert node.value.value is False, f"{name}:{node.value.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"{name}:{node.lineno}"


@every_file
def test_file_is_of_readable_length(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= MOST_LINES


@every_file
def test_file_opens_with_a_docstring(name: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / name).read_text()))


def loaded_by(*modules: str) -> set[str]:
    """Of torch, ray and transformers, what a fresh process loads that imports some modules."""
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(*({'torch', 'ray', 'transformers'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_loaded_by_sees_torch() -> None:
    assert "torch" in loaded_by("trials.losses")


def test_torch_free_files_load_neither_torch_nor_ray() -> None:
    guilty = loaded_by(*TORCH_FREE)
    if guilty:  # one by one, to name it
        guilty = {f"{module}: {found}" for module in TORCH_FREE if (found := loaded_by(module))}
    assert not guilty


def test_command_line_starts_without_torch_and_ray() -> None:
    assert not loaded_by("study.cli")


def test_what_drives_ray_loads_no_torch() -> None:
    # the driver trains nothing, and torch would take a second of each launch
    assert loaded_by("study.experiment") == {"ray"}


def test_analysis_loads_neither_torch_nor_ray() -> None:
    modules = [name.removesuffix(".py").replace("/", ".") for name in NAMES if name.startswith("analysis/")]
    assert "analysis.__init__" in modules
    assert not loaded_by("analysis", *(module for module in modules if not module.endswith("__init__")))


def test_every_folder_of_code_is_installed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted({".".join(file.relative_to(ROOT).parts[:-1]) for file in FILES})
