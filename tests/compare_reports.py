"""Compares what two versions of kdstudy report on the same studies: tables, figures and pages, number by number.

Both versions report on the very same study directories. The kept ones in ``fixtures/`` have every kind of study that
docs/results shows; more can be given by path. Reports are written by the command line alone, so that
this works with any version::

    python tests/compare_reports.py write before --kdstudy OLD/.venv/bin/kdstudy
    python tests/compare_reports.py write after --kdstudy NEW/.venv/bin/kdstudy
    python tests/compare_reports.py compare before after

Each study has a folder in what `write` makes, such as ``before/local/`` with ``report.html``, ``tables/`` and
``figures/``. The comparison of searches is ``before/search/``.

`compare` finds three kinds of differences:

- ``number``: a table, column, row, figure or trace that only one side has; a value that differs in an exported table,
  in the data of a figure or in a table of the page.
- ``said``: other numbers in a text: in a sentence of the page, a label of a figure, the meaning of a column.
- ``words``: other words in such a text; other colours, sizes and places in a figure.

The exit code is 1 if a number differs. With ``--said`` and ``--words`` the other kinds count, too.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import math
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html.parser import HTMLParser
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

FIXTURES = Path(__file__).parent / "fixtures"
STUDIES = FIXTURES / "report_studies.tar.xz"
OLD_STUDY = FIXTURES / "before_rooms.tar.xz"  # one that was really launched, about half
SEARCHES = ("search_greedy", "search_random", "search_optuna", "search_grid")  # which `kdstudy compare` compares
WITH_STOPPED = ("stopped",)  # which are reported a second time, with trials that were stopped early
TOLERANCE = 1e-12

NUMBER = re.compile(r"(?<![\w.])[+\-−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[+\-]?\d+)?(?![\w])")
PLOT = re.compile(r"Plotly\.newPlot\(\s*\"[^\"]*\",\s*")
TEXTS = ("text", "hovertext", "hovertemplate", "texttemplate", "name", "label", "legendgroup", "ticktext", "title")
DATA = frozenset(("x", "y", "z", "x0", "x1", "y0", "y1", "dx", "dy", "base", "values", "customdata", "tickvals"))
DATA |= {"array", "arrayminus", "lowerfence", "upperfence", "q1", "median", "q3", "mean", "sd"}


class Kind(StrEnum):
    """What differs."""

    NUMBER = "number"
    SAID = "said"
    WORDS = "words"


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: What differs.
        where: Report, file and place in it.
        before, after: Both sides, as text; empty where a side has nothing.
    """

    kind: Kind
    where: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.kind:6} {self.where}: {self.before or '(nothing)'} -> {self.after or '(nothing)'}"


# ---- write -----------------------------------------------------------------------------------------------------------


def write_reports(out: Path, kdstudy: str, folders: Iterable[Path] = (), *, kept: bool = True) -> list[str]:
    """Write the reports of studies.

    Args:
        out: Folder of the reports; made if needed.
        kdstudy: The command line of the version that reports.
        folders: More study directories.
        kept: Whether to report on the kept studies.

    Returns:
        The reports' names: those of the studies' directories.
    """
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names = []
    with tempfile.TemporaryDirectory() as place:
        if kept:
            unpack(STUDIES, Path(place))
            unpack(OLD_STUDY, Path(place, "launched"))
        studies = {path.name: path for path in sorted(file.parent for file in Path(place).glob("**/study.yaml"))}
        studies |= {path.resolve().name: path.resolve() for path in folders}
        for name, path in studies.items():
            # a copy would be slow, and a report does not change a study
            _run([kdstudy, "report", str(path), "-o", str(out / name)], place)
            names.append(name)
            if name in WITH_STOPPED:
                _run([kdstudy, "report", str(path), "--include-stopped", "-o", str(out / f"{name}_included")], place)
                names.append(f"{name}_included")
        if kept:
            # relative paths: the tables name the directories as they are given
            _run([kdstudy, "compare", *SEARCHES, "-o", str(out / "search")], place)
            names.append("search")
    return names


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a kept archive."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _run(command: Sequence[str], folder: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


# ---- compare ---------------------------------------------------------------------------------------------------------


def compare_folders(before: Path, after: Path) -> list[Difference]:
    """The differences between two folders of reports."""
    names = [{path.name for path in side.iterdir() if path.is_dir()} for side in (before, after)]
    found = list(_names("reports", *names))
    for name in sorted(names[0] & names[1]):
        found += compare_reports(before / name, after / name, name)
    return found


def compare_reports(before: Path, after: Path, name: str) -> Iterator[Difference]:
    """The differences between two reports: folders with ``tables/``, ``figures/`` and mostly ``report.html``."""
    yield from _files(before, after, name, "tables", ".csv", _tables_as_csv)
    yield from _files(before, after, name, "tables", ".json", _tables_as_json)
    yield from _files(before, after, name, "figures", ".html", _figures)
    pages = [side / "report.html" for side in (before, after)]
    there = [page.is_file() for page in pages]
    if all(there):
        yield from _pages(read_page(pages[0]), read_page(pages[1]), f"{name}: report.html")
    elif any(there):
        yield Difference(Kind.NUMBER, f"{name}: report.html", *("there" if each else "" for each in there))


def _files(before: Path, after: Path, name: str, folder: str, ending: str, compare: Any) -> Iterator[Difference]:
    files = [{path.name: path for path in (side / folder).glob(f"*{ending}")} for side in (before, after)]
    yield from _names(f"{name}: {folder}", files[0].keys(), files[1].keys())
    for file in sorted(files[0].keys() & files[1].keys()):
        yield from compare(files[0][file], files[1][file], f"{name}: {folder}/{file}")


def _names(where: str, before: Iterable[str], after: Iterable[str]) -> Iterator[Difference]:
    """What only one side has."""
    sides = set(before), set(after)
    for name in sorted(sides[0] - sides[1]):
        yield Difference(Kind.NUMBER, where, name, "")
    for name in sorted(sides[1] - sides[0]):
        yield Difference(Kind.NUMBER, where, "", name)


# ---- tables ----------------------------------------------------------------------------------------------------------


def _tables_as_csv(before: Path, after: Path, where: str) -> Iterator[Difference]:
    sides = []
    for path in (before, after):
        with path.open(encoding="utf-8", newline="") as file:
            sides.append(list(csv.reader(file)))
    heads = [side[0] if side else [] for side in sides]
    if heads[0] != heads[1]:
        yield Difference(Kind.NUMBER, f"{where}: columns", ", ".join(heads[0]), ", ".join(heads[1]))
        return
    yield from _rows([side[1:] for side in sides], heads[0], where)


def _tables_as_json(before: Path, after: Path, where: str) -> Iterator[Difference]:
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    yield from _texts(f"{where}: description", old["description"], new["description"])
    heads = [list(side["columns"]) for side in (old, new)]
    if heads[0] != heads[1]:
        yield Difference(Kind.NUMBER, f"{where}: columns", ", ".join(heads[0]), ", ".join(heads[1]))
        return
    for column in heads[0]:
        yield from _texts(f"{where}: meaning of {column}", old["columns"][column], new["columns"][column])
    rows = [[[row[column] for column in heads[0]] for row in side["rows"]] for side in (old, new)]
    yield from _rows(rows, heads[0], where)


def _rows(sides: Sequence[Sequence[Sequence[Any]]], columns: Sequence[str], where: str) -> Iterator[Difference]:
    if len(sides[0]) != len(sides[1]):
        yield Difference(Kind.NUMBER, f"{where}: rows", str(len(sides[0])), str(len(sides[1])))
    for number, (old, new) in enumerate(zip(*sides, strict=False), start=1):
        for column, one, other in zip(columns, old, new, strict=True):
            if not _same(one, other):
                yield Difference(Kind.NUMBER, f"{where}: row {number}, {column}", _shown(one), _shown(other))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same: numbers up to rounding, also where they are written as texts."""
    if one == other:
        return True
    numbers = [_number(value) for value in (one, other)]
    if None in numbers:
        return False
    return _close(*numbers)  # type: ignore[arg-type]  # none is None


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (math.isnan(one) and math.isnan(other))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


# ---- figures ---------------------------------------------------------------------------------------------------------


def read_figure(page: str) -> dict[str, Any]:
    """Data and layout of the figure in a page."""
    found = PLOT.search(page)
    if found is None:
        raise ValueError("no figure")
    decoder = json.JSONDecoder()
    data, end = decoder.raw_decode(page, found.end())
    layout, _ = decoder.raw_decode(page, re.compile(r"[\s,]*").match(page, end).end())  # type: ignore[union-attr]
    layout.pop("template", None)
    return {"data": data, "layout": layout}


def _figures(before: Path, after: Path, where: str) -> Iterator[Difference]:
    old, new = (read_figure(path.read_text(encoding="utf-8")) for path in (before, after))
    yield from compare_figures(old, new, where)


def compare_figures(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
    """The differences between two figures: traces in their order, then the layout."""
    if len(old["data"]) != len(new["data"]):
        yield Difference(Kind.NUMBER, f"{where}: traces", str(len(old["data"])), str(len(new["data"])))
    for number, (one, other) in enumerate(zip(old["data"], new["data"], strict=False)):
        yield from _values(f"{where}: trace {number}", (), one, other)
    yield from _values(f"{where}: layout", (), old["layout"], new["layout"])


def _values(where: str, path: tuple[str, ...], old: Any, new: Any) -> Iterator[Difference]:
    """The differences between two parts of a figure; `path` has the keys that lead there."""
    old, new = _decoded(old), _decoded(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _values(where, (*path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield Difference(_kind_of(path, None), _place(where, path), f"{len(old)} values", f"{len(new)} values")
        for index, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from _values(where, (*path, str(index)), one, other)
    elif isinstance(old, str) and isinstance(new, str):
        if _is_data(path) and NUMBER.fullmatch(old) and NUMBER.fullmatch(new):
            if not _same(old, new):
                yield Difference(Kind.NUMBER, _place(where, path), old, new)
        else:
            yield from _texts(_place(where, path), old, new)
    elif not _same(old, new):
        yield Difference(_kind_of(path, (old, new)), _place(where, path), _shown(old), _shown(new))


def _kind_of(path: tuple[str, ...], values: tuple[Any, Any] | None) -> Kind:
    if _is_data(path):
        return Kind.NUMBER
    texts = [value for value in values or () if isinstance(value, str)]
    return Kind.SAID if any(map(numbers_in, texts)) and any(key in TEXTS for key in path) else Kind.WORDS


def _is_data(path: tuple[str, ...]) -> bool:
    """Whether a figure's data are there, and not its looks."""
    keys = [key for key in path if not key.isdigit()]
    if not keys or keys[0] in ("legend", "margin", "title", "font", "annotations", "colorbar"):
        return False
    if keys[0] == "marker":  # sizes and colours that are data: one for each point
        return keys[-1] in ("color", "size") and path[-1].isdigit()
    return keys[-1] in DATA and "domain" not in keys


def _decoded(value: Any) -> Any:
    """Plotly writes arrays of numbers as base64; and writes a missing one as null or leaves it out."""
    if isinstance(value, Mapping) and value.keys() >= {"dtype", "bdata"}:
        array = np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"])
        if shape := value.get("shape"):
            array = array.reshape([int(part) for part in str(shape).split(",")])
        return array.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def _place(where: str, path: Iterable[str]) -> str:
    return f"{where} {'.'.join(path)}"


# ---- the page --------------------------------------------------------------------------------------------------------


@dataclass
class Page:
    """What a page holds.

    Attributes:
        tables: Rows of cells, by section and number in it.
        sentences: All other texts, by section.
        figures: Figures, by section and number in it.
    """

    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    sentences: dict[str, list[str]] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)


def read_page(path: Path) -> Page:
    """Read ``report.html``."""
    reader = _PageReader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    return reader.page


class _PageReader(HTMLParser):
    """Sorts a page's texts: cells of tables and sentences, by the section that they stand in."""

    BLOCKS = frozenset(("p", "li", "h1", "h2", "h3", "dt", "dd", "div", "span", "b", "a", "summary", "pre", "option"))
    WITHOUT = frozenset(("style", "script", "title"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.sections = ["header"]
        self.text: list[str] = []
        self.silent = ""
        self.rows: list[list[str]] | None = None
        self.number: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.WITHOUT:
            self.silent = tag
        if tag in ("section", "footer"):
            self._end_text()
            self.sections.append(dict(attrs).get("id") or tag)
        elif tag == "table":
            self._end_text()
            self.rows = []
        elif tag == "tr" and self.rows is not None:
            self.rows.append([])
        elif tag in ("td", "th"):
            self.text = []
        elif tag in self.BLOCKS and self.rows is None:
            self._end_text()

    def handle_endtag(self, tag: str) -> None:
        if tag == self.silent:
            self.silent = ""
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append(_joined(self.text))
            self.text = []
        elif tag == "table" and self.rows is not None:
            if len(self.rows) > 1:  # a head alone says nothing
                section = self.sections[-1]
                self.number[section] += 1
                self.page.tables[f"#{section} table {self.number[section]}"] = self.rows
            self.rows = None
        elif tag in ("section", "footer"):
            self._end_text()
            self.sections.pop()
        elif tag in self.BLOCKS and self.rows is None:
            self._end_text()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.text.append(data)
        elif self.silent == "script" and PLOT.search(data) and len(data) < 4_000_000:
            self.page.figures[f"#{self.sections[-1]} figure"] = read_figure(data)

    def close(self) -> None:
        super().close()
        self._end_text()

    def _end_text(self) -> None:
        if text := _joined(self.text):
            self.page.sentences.setdefault(self.sections[-1], []).append(text)
        self.text = []


def _pages(old: Page, new: Page, where: str) -> Iterator[Difference]:
    yield from _names(f"{where}: tables", old.tables, new.tables)
    yield from _names(f"{where}: figures", old.figures, new.figures)
    for name in (name for name in old.tables if name in new.tables):
        yield from _page_tables(old.tables[name], new.tables[name], f"{where}: {name}")
    for name in (name for name in old.figures if name in new.figures):
        yield from compare_figures(old.figures[name], new.figures[name], f"{where}: {name}")
    for section in dict.fromkeys((*old.sentences, *new.sentences)):
        yield from _sentences(old.sentences.get(section, []), new.sentences.get(section, []), f"{where}: #{section}")


def _page_tables(old: list[list[str]], new: list[list[str]], where: str) -> Iterator[Difference]:
    if (sizes := [f"{len(side)} rows" for side in (old, new)])[0] != sizes[1]:
        yield Difference(Kind.NUMBER, where, *sizes)
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        if len(one) != len(other):
            yield Difference(Kind.NUMBER, f"{where} row {number}", f"{len(one)} cells", f"{len(other)} cells")
        for column, (before, after) in enumerate(zip(one, other, strict=False)):
            place = f"{where} row {number}, column {column + 1}"
            if numbers_in(before) != numbers_in(after):
                yield Difference(Kind.NUMBER, place, before, after)
            elif before != after:
                yield Difference(Kind.WORDS, place, before, after)


def _sentences(old: list[str], new: list[str], where: str) -> Iterator[Difference]:
    """Which numbers a section's sentences say, in whatever order, and which sentences are others."""
    said = [Counter(number for text in side for number in numbers_in(text)) for side in (old, new)]
    lost, added = said[0] - said[1], said[1] - said[0]
    if lost or added:
        yield Difference(Kind.SAID, f"{where} numbers", *(_listed(side.elements()) for side in (lost, added)))
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    pairs = zip_longest((text for text in old if text in gone), (text for text in new if text in come), fillvalue="")
    for before, after in pairs:
        yield Difference(Kind.WORDS, where, before, after)


# ---- texts -----------------------------------------------------------------------------------------------------------


def numbers_in(text: str) -> list[float]:
    """The numbers in a text; a minus may be any of those that are printed, and names such as 3L are none."""
    found = (match.group().replace(",", "").replace("−", "-") for match in NUMBER.finditer(text))
    return [float(number) for number in found]


def _texts(where: str, before: str, after: str) -> Iterator[Difference]:
    if before != after:
        kind = Kind.WORDS if sorted(numbers_in(before)) == sorted(numbers_in(after)) else Kind.SAID
        yield Difference(kind, where, before, after)


def _joined(parts: Iterable[str]) -> str:
    return " ".join("".join(parts).split())


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


# ---- command line ----------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 if something differs that counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="write the reports of the kept studies, and of others")
    write.add_argument("out", type=Path, help="folder of the reports")
    write.add_argument("studies", type=Path, nargs="*", help="more study directories")
    write.add_argument("--kdstudy", default=str(Path(sys.executable).with_name("kdstudy")), help="the command line")
    write.add_argument("--only", action="store_true", help="report on the given studies alone")
    compare = commands.add_parser("compare", help="compare two folders of reports")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    compare.add_argument("--said", action="store_true", help="other numbers in texts count")
    compare.add_argument("--words", action="store_true", help="other numbers in texts, words and looks count")
    compare.add_argument("--quiet", action="store_true", help="show only what counts")
    compare.add_argument("--most", type=int, default=40, help="differences shown of each kind and report (40)")
    given = parser.parse_args(arguments)
    if given.command == "write":
        kdstudy = given.kdstudy if "/" not in given.kdstudy else str(Path(given.kdstudy).absolute())
        names = write_reports(given.out, kdstudy, given.studies, kept=not given.only)
        print(f"{len(names)} reports in {given.out}: {', '.join(names)}")
        return 0
    counted = {Kind.NUMBER} | ({Kind.SAID} if given.said else set()) | (set(Kind) if given.words else set())
    found = compare_folders(given.before, given.after)
    _print(found, counted if given.quiet else set(Kind), given.most)
    return int(any(difference.kind in counted for difference in found))


def _print(found: Sequence[Difference], shown: set[Kind], most: int) -> None:
    printed: Counter[tuple[str, Kind]] = Counter()
    for difference in found:
        report = difference.where.partition(":")[0], difference.kind
        printed[report] += 1
        if difference.kind in shown and printed[report] <= most:
            print(difference)
    for (name, kind), number in printed.items():
        if kind in shown and number > most:
            print(f"{kind:6} {name}: {number - most} more")
    print("; ".join(f"{kind}: {sum(each.kind is kind for each in found)} differences" for kind in Kind))


if __name__ == "__main__":
    sys.exit(main())
