"""The import rule, what loads without torch and ray, and the size of files: by parsing, and in fresh processes."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trials", "study", "analysis")  # a folder imports only what stands to its left
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
NAMES = [str(file.relative_to(ROOT)) for file in FILES]
every_file = pytest.mark.parametrize("name", NAMES)

# The rooms of each folder, ground floor first: a room imports only rooms below it. Rooms in one tuple are on one floor
# and do not know each other.
FLOORS: dict[str, list[str | tuple[str, ...]]] = {
    "search_spaces": ["search_spaces"],
    "trials": [
        "trials",
        "trials.specs",
        "trials.storage",
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
        "analysis.report",
        "analysis",
    ],
}
LEVELS = [(rooms,) if isinstance(rooms, str) else rooms for floors in FLOORS.values() for rooms in floors]
FLOOR = {room: floor for floor, rooms in enumerate(LEVELS) for room in rooms}
FACES = sorted(str(face.relative_to(ROOT)) for package in PACKAGES for face in (ROOT / package).rglob("__init__.pyi"))
every_face = pytest.mark.parametrize("face", FACES)
MOST_ENTRIES = 15

MOVING = "analysis"  # its rooms are being built

COMMAND_LINE = "study/cli.py"
RAY_ROOMS = ("trials/workers/", "study/launching/")
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
MOST_LINES = 450

# What loads neither torch nor ray, by room or file
TORCH_FREE = [
    "search_spaces",
    "trials.specs",
    "trials.storage.workspace",
    "trials.storage.object_store",
    "trials.storage.durable_writes",
    "trials.tasks.metrics",
    "trials.tasks",
    "trials.datasets.label_matching",
    "trials.datasets.loading",
    "trials.readers.encoding",
    "trials.readers.tables",
    "trials.readers.packaged",
    "study.config.study_file",
    "study.config.presets",
    "study.config.resources",
    "study.ledger",
    "study.search",
    "study.search.searchers",
    "study.checks",
    "study.planning",
    "study.views",
    "study.launching.launcher",
    "study.launching.options",
    "study.launching.placement",
    "study.launching.progress",
    "study.launching.stall_causes",
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
    assert "study/search/searchers/greedy.py" in NAMES
    assert "search_spaces.load_space" in imports_of("study/config/study_file.py")


@every_file
def test_file_imports_only_what_stands_to_its_left(name: str) -> None:
    own = PACKAGES.index(name.split("/")[0])
    to_the_right = set(PACKAGES[own + 1 :])
    if name == COMMAND_LINE:  # puts all together, and nobody imports it; it imports inside its commands
        to_the_right = set()
    assert not packages_of(name) & to_the_right
    assert not packages_of(name) & {"tests", "benchmarks", "simulation"}


@functools.cache
def names_of(face: str) -> dict[str, str]:
    """The names that a room shows, each with the file that has it."""
    statements = ast.parse((ROOT / face).read_text()).body
    assert all(isinstance(statement, ast.ImportFrom) for statement in statements)
    return {
        alias.name: str(statement.module)
        for statement in statements
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }


def room_of(module: str) -> str:
    """The room that a module, or a name in one, lives in."""
    parts = module.split(".")
    return next((room for size in range(len(parts), 0, -1) if (room := ".".join(parts[:size])) in FLOOR), parts[0])


def module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def of_ours(name: str) -> tuple[ast.ImportFrom, ...]:
    """The imports of a file from our own folders."""
    found = (node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, ast.ImportFrom))
    return tuple(node for node in found if str(node.module).split(".")[0] in PACKAGES)


def test_rooms_are_the_folders() -> None:
    folders = {".".join(Path(name).parts[:-1]) for name in NAMES}
    assert folders - set(PACKAGES) == FLOOR.keys() - set(PACKAGES)


@every_file
def test_file_imports_only_rooms_below_its_own(name: str) -> None:
    own = room_of(module_of(name))
    for node in of_ours(name):
        room = room_of(str(node.module))
        if name.startswith(MOVING) and room.startswith(MOVING):
            continue
        assert room == own or FLOOR[room] < FLOOR[own] or name == COMMAND_LINE, f"{name}:{node.lineno}: {room}"


@every_file
def test_file_imports_other_rooms_by_their_public_faces(name: str) -> None:
    own = room_of(module_of(name))
    for node in of_ours(name):
        room = room_of(str(node.module))
        if room == own or room == "analysis" or name.startswith(MOVING):
            continue
        where = f"{name}:{node.lineno}"
        assert node.module == room, f"{where}: import from {room}, not from its files"
        shown = names_of(f"{room.replace('.', '/')}/__init__.pyi")
        assert {alias.name for alias in node.names} <= shown.keys(), f"{where}: add the name to the face of {room}"


@every_face
def test_face_shows_what_other_rooms_use_and_no_more(face: str) -> None:
    room = module_of(face.removesuffix("i"))
    if room.startswith(MOVING):
        return
    others = [name for name in NAMES if room_of(module_of(name)) != room]
    used = {a.name for name in others for node in of_ours(name) if node.module == room for a in node.names}
    assert names_of(face).keys() == used


@every_face
def test_names_of_a_face_are_defined_in_their_files(face: str) -> None:
    folder = (ROOT / face).parent
    for name, file in names_of(face).items():
        top = ast.parse((folder / f"{file}.py").read_text()).body
        assert name in set(_defined(top)), f"{file} does not define {name}"
        # a name that is a file's, too, would be the file once that is imported
        assert not (folder / f"{name}.py").exists() or face.startswith(MOVING), f"{name} is a file, too"
        assert not (folder / name).exists(), f"{name} is a folder, too"


def _defined(top: list[ast.stmt]) -> Iterator[str]:
    for node in top:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_imports_have_no_circle() -> None:
    modules = {module_of(name): name for name in NAMES}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for module, name in modules.items():
        for node in of_ours(name):
            base = str(node.module)
            for alias in node.names:
                face = f"{base.replace('.', '/')}/__init__.pyi"
                shown = names_of(face) if face in FACES else {}
                target = f"{base}.{shown[alias.name]}" if alias.name in shown else f"{base}.{alias.name}"
                graph[module].add(target if target in modules else base)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_room_says_its_purpose_in_one_line_and_is_small() -> None:
    for room in FLOOR:
        folder = ROOT / room.replace(".", "/")
        purpose = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert purpose, room
        assert len(purpose.splitlines()) == 1 or room == "analysis", room
        entries = [each for each in folder.iterdir() if not each.name.startswith(("_", "."))]
        assert len(entries) <= MOST_ENTRIES or room == "analysis" or room == "study.files", room


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
def test_ray_is_in_two_rooms(name: str) -> None:
    if "ray" in packages_of(name):
        assert name.startswith(RAY_ROOMS)


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
        "for name in sys.argv[1:]:\n"
        "    module = importlib.import_module(name)\n"
        "    [getattr(module, shown) for shown in getattr(module, '__all__', ())]\n"
        "print(*({'torch', 'ray', 'transformers'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", script, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_loaded_by_sees_torch() -> None:
    assert "torch" in loaded_by("trials.losses.distillation")


def test_torch_free_files_load_neither_torch_nor_ray() -> None:
    guilty = loaded_by(*TORCH_FREE)
    if guilty:  # one by one, to name it
        guilty = {f"{module}: {found}" for module in TORCH_FREE if (found := loaded_by(module))}
    assert not guilty


def test_command_line_starts_without_torch_and_ray() -> None:
    assert not loaded_by("study.cli")


def test_what_drives_ray_loads_no_torch() -> None:
    # the driver trains nothing, and torch would take a second of each launch
    assert loaded_by("study.launching.experiment") == {"ray"}


def test_analysis_loads_neither_torch_nor_ray() -> None:
    modules = [name.removesuffix(".py").replace("/", ".") for name in NAMES if name.startswith("analysis/")]
    assert "analysis.__init__" in modules
    assert not loaded_by("analysis", *(module for module in modules if not module.endswith("__init__")))
