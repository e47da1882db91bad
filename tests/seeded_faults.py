"""Seeded faults (mutation testing): does the test suite still find them?

Each fault in ``seeded_faults.yaml`` changes one place of the code. For each one this program copies the checkout to a
temporary folder, applies the fault there, and runs tests until one fails: first the tests that are known to find the
fault, then the whole default suite. A test that fails after others must fail alone, too, and any must pass without the
fault, or it has found nothing.

Usage: python tests/seeded_faults.py [--list] [--only NAME ...] [--tests PATH ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".yaml")
MARK = "KDSTUDY_SEEDED_FAULT"  # variable that all processes of a copy's tests have
WHOLE_SUITE = ("-n", "2", "--dist", "loadfile")
WITH_SLOW = ("-m", "not gpu and not cluster")
ERROR = re.compile(r"^E +(\S.*)$", re.MULTILINE)
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.*?)(?: - .*)?$", re.MULTILINE)  # a file that fails to load has no ::


@dataclass(frozen=True)
class Fault:
    """A deliberate fault.

    Attributes:
        name: Its name.
        fault: What goes wrong, in a sentence.
        file: Where its place was when the list was written; a hint.
        around: The function or class that the place is in; a hint.
        text: What is replaced; it stands exactly once in all packages.
        instead: What replaces it.
        tests: Names of the test functions that are known to find it.
        launch: Only a test that starts Ray finds it.
        slow: The known tests are marked as slow.
    """

    name: str
    fault: str
    file: str
    around: str
    text: str
    instead: str
    tests: tuple[str, ...] = ()
    launch: bool = False
    slow: bool = False


@dataclass(frozen=True)
class Result:
    """What came of a fault.

    Attributes:
        name, fault, around: As of `Fault`.
        place: File and line of the change.
        caught_by: The first test that failed; None if none did.
        seconds: How long it took until then.
        message: The first line of the test's error.
        launch, slow: As of `Fault`; a test of the whole suite is not slow.
        remark: Why a failure does not count, if there was one.
    """

    name: str
    fault: str
    around: str
    place: str
    caught_by: str | None
    seconds: float
    message: str = ""
    launch: bool = False
    slow: bool = False
    remark: str = ""


class Change(NamedTuple):
    """A file from the root, the line of the change, and the file's new content."""

    file: str
    line: int
    content: str


class NoSuchPlace(Exception):
    """The list no longer fits the code."""


def read_faults(file: Path = LIST) -> list[Fault]:
    """The list."""
    return [Fault(**{**entry, "tests": tuple(entry.get("tests", ()))}) for entry in yaml.safe_load(file.read_text())]


def sources(root: Path) -> dict[str, str]:
    """The packages' source files: path from the root -> content."""
    packages = [
        entry.parent for entry in root.glob("*/__init__.py") if entry.parent.name not in ("benchmarks", "tests")
    ]
    files = sorted(file for package in packages for file in package.rglob("*.py"))
    return {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in files}


def changed(fault: Fault, code: Mapping[str, str]) -> Change:
    """What a fault changes.

    Args:
        fault: The fault.
        code: As of `sources`.

    Raises:
        NoSuchPlace: Its text stands nowhere, or more than once, or the new content is no Python.
    """
    found = {file: content.count(fault.text) for file, content in code.items() if fault.text in content}
    if sum(found.values()) != 1:
        where = ", ".join(f"{file} ({count} times)" for file, count in found.items()) or "no file"
        raise NoSuchPlace(
            f"{fault.name}: the text {fault.text!r} must stand exactly once in the code, and stands in {where}; "
            f"it was in {fault.around} of {fault.file}: find the place and mend the entry in {LIST.name}"
        )
    (file,) = found
    line = code[file][: code[file].index(fault.text)].count("\n") + 1
    content = code[file].replace(fault.text, fault.instead)
    try:
        compile(content, file, "exec")
    except SyntaxError as error:
        raise NoSuchPlace(f"{fault.name}: the changed file is no Python: {error}") from None
    return Change(file, line, content)


def places_of(faults: Sequence[Fault], root: Path = ROOT) -> tuple[dict[str, Change], list[NoSuchPlace]]:
    """What each fault changes, and all entries of the list that do not fit."""
    places, misplaced, code = {}, [], sources(root)
    for fault in faults:
        try:
            places[fault.name] = changed(fault, code)
        except NoSuchPlace as error:
            misplaced.append(error)
    return places, misplaced


def known_tests(fault: Fault, root: Path) -> list[str]:
    """Arguments of pytest for the tests that are known to find a fault, wherever they stand now."""
    names = re.compile(rf"^\s*def ({'|'.join(fault.tests)})\(", re.MULTILINE)
    files = [file for file in sorted((root / "tests").rglob("test_*.py")) if names.search(file.read_text("utf-8"))]
    if not fault.tests or not files:
        return []
    return [*(str(file.relative_to(root)) for file in files), "-k", " or ".join(fault.tests)]


@dataclass
class Copy:
    """A copy of the checkout, in which tests run.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    def failing(self, *arguments: str) -> tuple[str | None, str]:
        """Run tests until one fails; its name, if one did, and what pytest printed."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-rfE", "-p", "no:cacheprovider"]
        temporary = self.folder.with_name(f"{self.folder.name}-tmp")
        try:
            run = subprocess.run(
                [*command, f"--basetemp={temporary}", *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        finally:
            self._end_processes()
            shutil.rmtree(temporary, ignore_errors=True)
        found = FAILED.search(run.stdout)
        return (found[1] if found else None), run.stdout

    def check_imports(self) -> None:
        """Ask a process of another folder whose packages it sees.

        Raises:
            NoSuchPlace: Not those of the copy: faults would have no effect in the processes that tests start.
        """
        code = "import importlib, sys; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]))"
        names = sorted({file.partition("/")[0] for file in sources(self.folder)})
        command = [sys.executable, "-c", code, *names]
        with tempfile.TemporaryDirectory() as elsewhere:
            run = subprocess.run(
                command, cwd=elsewhere, env=self._environment(), capture_output=True, text=True, check=True
            )
        strangers = [file for file in run.stdout.split() if not Path(file).is_relative_to(self.folder)]
        if strangers:
            raise NoSuchPlace(f"processes import these files and not the copy's: {', '.join(strangers)}")

    def _environment(self) -> dict[str, str]:
        path = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(path), MARK: str(self.folder)}

    def _end_processes(self) -> None:
        """End what tests have left: a launch that hangs would take time from the next ones. Linux alone tells."""
        marked = f"{MARK}={self.folder}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if marked in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:  # it has ended meanwhile, or is another user's
                continue


@contextmanager
def copy_of(root: Path) -> Iterator[Copy]:
    """A copy of all files of the checkout that git knows or would add."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    with tempfile.TemporaryDirectory(prefix="seeded-") as temporary:
        folder = Path(temporary).resolve() / root.name
        for name in filter(None, names):
            if (root / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, folder / name)
        yield Copy(folder)


@dataclass
class Trial:
    """Seeds faults into copies of one checkout.

    Attributes:
        root: The checkout.
        tests: Paths of tests, instead of the known ones and the whole suite.
        sound: Tests that have passed without any fault.
        unsound: Tests that have failed without any.
    """

    root: Path
    tests: Sequence[str] = ()
    sound: set[str] = field(default_factory=set)
    unsound: set[str] = field(default_factory=set)

    def run(self, fault: Fault) -> Result:
        """Seed one fault, and run tests until one finds it."""
        change, began = changed(fault, sources(self.root)), time.monotonic()
        caught, slow, message, remark = None, False, "", ""
        with copy_of(self.root) as copy:
            copy.check_imports()
            (copy.folder / change.file).write_text(change.content, encoding="utf-8")
            for arguments in self._stages(fault):
                slow = arguments[-2:] == WITH_SLOW
                caught, message, remark = self._found(copy, arguments)
                seconds = time.monotonic() - began
                if caught is not None:
                    break
        how = {"message": message, "launch": fault.launch, "slow": slow and caught is not None, "remark": remark}
        place = f"{change.file}:{change.line}"
        return Result(fault.name, fault.fault, fault.around, place, caught, round(seconds, 1), **how)

    def _found(self, copy: Copy, arguments: Sequence[str]) -> tuple[str | None, str, str]:
        """The test that finds the fault, its message; or why no failure counts. What fails anyway is left out."""
        remark, aside = "", set[str]()
        while True:
            left_out = sorted(self.unsound | aside)
            caught, printed = copy.failing(*arguments, *(f"--deselect={test}" for test in left_out))
            if caught is None:
                failed_to_load = re.search(r"^ERROR ", printed, re.MULTILINE)
                return None, "", "a test file does not load with it, which does not count" if failed_to_load else remark
            if " passed" in printed and copy.failing(caught, *WITH_SLOW)[0] is None:
                remark = f"{caught} fails after other tests, and not alone"
            elif self._passes_without(caught):
                return caught, _message(printed), ""
            else:
                remark = f"{caught} fails without it, too"
            aside.add(caught)

    def _stages(self, fault: Fault) -> Iterator[tuple[str, ...]]:
        marks = WITH_SLOW if fault.slow else ()
        if self.tests:
            yield *self.tests, *marks
            return
        if known := known_tests(fault, self.root):
            yield *known, *marks
        yield WHOLE_SUITE

    def _passes_without(self, test: str) -> bool:
        if test not in self.sound | self.unsound:
            with copy_of(self.root) as copy:
                failed, _ = copy.failing(test, *WITH_SLOW)
            (self.sound if failed is None else self.unsound).add(test)
        return test in self.sound


def _message(printed: str) -> str:
    found = ERROR.search(printed)
    return found[1][:200] if found else ""


def table(results: Sequence[dict[str, Any]]) -> str:
    """Results as a Markdown table."""
    lines = ["| fault | what goes wrong | caught by | seconds |", "|---|---|---|---|"]
    for result in results:
        by = result["caught_by"] and f"`{result['caught_by'].removeprefix('tests/')}`"
        marks = [word for word in ("launch", "slow") if result[word]]
        caught = by or f"**nothing**{': ' * bool(result['remark'])}{result['remark']}"
        shown = f"{caught} ({', '.join(marks)})" if by and marks else caught
        lines.append(f"| {result['name']} | {result['fault']} | {shown} | {result['seconds']:.0f} |")
    return "\n".join(lines)


def main() -> int:
    """Seed the faults that are asked for; 1 if one of them was not found."""
    parser = argparse.ArgumentParser(description="Seed faults into copies of the checkout; the tests should find them.")
    parser.add_argument("--list", action="store_true", help="list the faults and their places, and end")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these faults")
    parser.add_argument("--tests", nargs="+", metavar="PATH", default=[], help="run these tests and no others")
    parser.add_argument("--out", type=Path, help="JSON file of results; those of other faults in it are kept")
    asked = parser.parse_args()
    faults = {fault.name: fault for fault in read_faults()}
    if unknown := sorted(set(asked.only or ()) - faults.keys()):
        parser.error(f"no such fault: {', '.join(unknown)}")
    chosen = [fault for fault in faults.values() if asked.only is None or fault.name in asked.only]
    places, misplaced = places_of(chosen)
    if misplaced:
        parser.exit(2, "".join(f"{error}\n" for error in misplaced))
    if asked.list:
        for fault in chosen:
            place = places[fault.name]
            print(f"{fault.name}: {fault.fault} ({place.file}:{place.line}, {fault.around})")  # noqa: T201
        return 0
    trial, kept, found = Trial(ROOT, asked.tests), _kept(asked.out), dict[str, dict[str, Any]]()
    for fault in chosen:
        result = trial.run(fault)
        found[fault.name] = asdict(result)
        caught = result.caught_by or f"NOT CAUGHT {result.remark}"
        print(f"{fault.name}: {caught} ({result.seconds:.0f} s)", flush=True)  # noqa: T201
        if asked.out is not None:
            merged = kept | found
            ordered = [merged[name] for name in faults if name in merged]
            asked.out.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    print(table(list(found.values())))  # noqa: T201
    return int(any(result["caught_by"] is None for result in found.values()))


def _kept(out: Path | None) -> dict[str, dict[str, Any]]:
    known = json.loads(out.read_text(encoding="utf-8")) if out is not None and out.is_file() else []
    return {result["name"]: result for result in known}


if __name__ == "__main__":
    sys.exit(main())
