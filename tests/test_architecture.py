"""The house: rooms on floors, faces, no circles, what loads without torch and ray, and the size of files."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rooms import (
    FACES,
    FLOOR,
    NAMES,
    PACKAGES,
    ROOT,
    imports_in,
    imports_of,
    module_of,
    names_of,
    own_imports,
    room_of,
    tree_of,
)

MOST_ENTRIES = 15
MOST_LINES = 450

COMMAND_LINE = "study/cli.py"
RAY_ROOMS = ("trials/workers/", "study/launching/")
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}

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


def packages_of(name: str) -> set[str]:
    return {module.split(".")[0] for module in imports_of(name)}


def offenders(broken: Callable[[str], object]) -> list[str]:
    """The files that break a rule, each with what is wrong."""
    return [f"{name}: {found}" for name in NAMES if (found := broken(name))]


def test_files_are_found() -> None:
    assert {name.split("/")[0] for name in NAMES} == set(PACKAGES)
    assert "study/search/searchers/greedy.py" in NAMES
    assert "search_spaces.load_space" in imports_of("study/config/study_file.py")
    assert names_of("trials/tasks/__init__.pyi")["task_of"] == "registry"


def test_rooms_are_the_folders() -> None:
    folders = {".".join(Path(name).parts[:-1]) for name in NAMES}
    assert folders - set(PACKAGES) == FLOOR.keys() - set(PACKAGES)


def test_files_import_only_rooms_below_their_own() -> None:
    def upward(name: str) -> list[str]:
        own, found = room_of(module_of(name)), [room_of(str(node.module)) for node in own_imports(name)]
        if name == COMMAND_LINE:  # puts all together, and nobody imports it
            return []
        return [room for room in found if room != own and FLOOR[room] >= FLOOR[own]]

    assert offenders(upward) == []


def test_files_import_other_rooms_by_their_public_faces() -> None:
    def past_the_face(name: str) -> list[str]:
        found = []
        for node in own_imports(name):
            room = room_of(str(node.module))
            if room == room_of(module_of(name)):
                continue
            shown = names_of(f"{room.replace('.', '/')}/__init__.pyi")
            names = {alias.name for alias in node.names}
            if node.module != room or not names <= shown.keys():
                found.append(f"line {node.lineno}: {room} does not show {names - shown.keys() or node.module}")
        return found

    assert offenders(past_the_face) == []


def test_tests_and_benchmarks_alone_are_outside() -> None:
    assert offenders(lambda name: packages_of(name) & {"tests", "benchmarks", "simulation"}) == []


def test_faces_show_what_other_rooms_use_and_no_more() -> None:
    for face in FACES:
        room = module_of(face.removesuffix("i"))
        others = [name for name in NAMES if room_of(module_of(name)) != room]
        used = {a.name for name in others for node in own_imports(name) if node.module == room for a in node.names}
        assert names_of(face).keys() == used, face


def test_names_of_faces_are_defined_in_their_files() -> None:
    for face in FACES:
        folder = Path(face).parent
        assert all(isinstance(statement, ast.ImportFrom) for statement in tree_of(face).body), face
        for name, file in names_of(face).items():
            if not file:  # shown as a whole
                assert (ROOT / folder / f"{name}.py").exists(), f"{name} of {face} is no file"
                continue
            assert name in set(_defined(tree_of(f"{folder}/{file}.py").body)), f"{folder}/{file}.py has no {name}"
            # a name that is a file's, too, would be the file once that is imported
            clash = (ROOT / folder / f"{name}.py").exists() or (ROOT / folder / name).exists()
            assert not clash, f"{name} of {face} is a file, too"


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
        for node in own_imports(name):
            base = str(node.module)
            face = f"{base.replace('.', '/')}/__init__.pyi"
            shown = names_of(face) if face in FACES else {}
            for alias in node.names:
                target = f"{base}.{shown.get(alias.name) or alias.name}"
                graph[module].add(target if target in modules else base)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_rooms_say_their_purpose_in_one_line_and_are_small() -> None:
    for room in FLOOR:
        folder = room.replace(".", "/")
        purpose = ast.get_docstring(tree_of(f"{folder}/__init__.py"))
        assert purpose, room
        assert len(purpose.splitlines()) == 1, room
        entries = [each for each in (ROOT / folder).iterdir() if not each.name.startswith(("_", "."))]
        assert len(entries) <= MOST_ENTRIES, room


def test_nobody_imports_the_command_line() -> None:
    assert offenders(lambda name: "study.cli" in imports_of(name)) == []


def test_command_line_imports_the_analysis_lazily() -> None:
    imports = [node for node in tree_of(COMMAND_LINE).body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {module.split(".")[0] for module in imports_in(ast.Module(imports, []))}
    assert "analysis" in packages_of(COMMAND_LINE)
    assert "analysis" not in imported


def test_search_spaces_and_analysis_import_neither_torch_nor_ray() -> None:
    pure = ("search_spaces/", "analysis/")
    assert offenders(lambda name: name.startswith(pure) and packages_of(name) & {"torch", "ray", "transformers"}) == []


def test_ray_is_in_two_rooms() -> None:
    assert offenders(lambda name: "ray" in packages_of(name) and not name.startswith(RAY_ROOMS)) == []


def test_torch_is_in_trials_only() -> None:
    assert offenders(lambda name: "torch" in packages_of(name) and not name.startswith("trials/")) == []


def test_no_import_is_relative() -> None:
    def relative(name: str) -> bool:
        return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree_of(name)))

    assert offenders(relative) == []


def test_nothing_is_pickled() -> None:
    def unsafe(name: str) -> list[object]:
        return [*(packages_of(name) & PICKLES), *filter(None, map(_unsafe, ast.walk(tree_of(name))))]

    assert offenders(unsafe) == []


def _unsafe(node: ast.AST) -> str | None:
    """Weights read by torch.load, remote code trusted, or code evaluated."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "torch":
        return f"torch.{node.attr}" if node.attr in {"load", "save"} else None
    if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
        return None if isinstance(node.value, ast.Constant) and node.value.value is False else "trust_remote_code"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id if node.func.id in {"eval", "exec"} else None
    return None


def test_unsafe_code_is_seen() -> None:
    found = [_unsafe(node) for node in ast.walk(ast.parse("torch.load(f); m(trust_remote_code=x); eval(s)"))]
    assert set(filter(None, found)) == {"torch.load", "trust_remote_code", "eval"}


def test_files_are_of_readable_length() -> None:
    assert offenders(lambda name: len((ROOT / name).read_text().splitlines()) > MOST_LINES) == []


def test_files_open_with_a_docstring() -> None:
    assert offenders(lambda name: not ast.get_docstring(tree_of(name))) == []


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
    assert loaded_by("study.launching.tune_run") == {"ray"}


def test_analysis_loads_neither_torch_nor_ray() -> None:
    modules = [name.removesuffix(".py").replace("/", ".") for name in NAMES if name.startswith("analysis/")]
    assert "analysis.__init__" in modules
    assert not loaded_by("analysis", *(module for module in modules if not module.endswith("__init__")))
