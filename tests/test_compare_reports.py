"""The comparison of two versions' reports finds each thing that differs, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from compare_reports import STUDIES, Kind, compare_folders, main, numbers_in, unpack, write_reports
from launching import KDSTUDY

STUDY = "search_greedy"  # small, and with tables, figures and sentences of most kinds


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report of one kept study."""
    folder = tmp_path_factory.mktemp("reports")
    unpack(STUDIES, folder / "studies")
    assert write_reports(folder / "before", KDSTUDY, [folder / "studies" / STUDY], kept=False) == [STUDY]
    return folder / "before"


@pytest.fixture
def other(reports: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(reports, tmp_path / "after")


def change(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


def test_equal_reports_have_no_differences(reports: Path, other: Path) -> None:
    assert compare_folders(reports, other) == []
    assert main(["compare", str(reports), str(other), "--words"]) == 0


@pytest.mark.parametrize(
    ("file", "before", "after", "kind"),
    [
        ("tables/outcomes.csv", "searched,0.89,", "searched,0.8900000001,", Kind.NUMBER),
        ("tables/outcomes.csv", "best_test", "best_test_score", Kind.NUMBER),
        ("tables/outcomes.json", '"teacher_test": 0.89,', '"teacher_test": 0.891,', Kind.NUMBER),
        ("tables/outcomes.json", '"progress": "searched"', '"progress": "unfinished"', Kind.NUMBER),
        ("tables/rewards.json", "sign test", "test of signs", Kind.WORDS),
        ("figures/scores.html", '"x":[0.89,0.89]', '"x":[0.89,0.8901]', Kind.NUMBER),
        ("figures/scores.html", "Test scores of every triple", "Scores of all triples reached", Kind.WORDS),
        ("report.html", '<td class="number">0.8900</td>', '<td class="number">0.8910</td>', Kind.NUMBER),
        ("report.html", '<h2>What did every triple reach?</h2>', "<h2>What triples reached</h2>", Kind.WORDS),
        ("report.html", "2 triples, 18 trials", "2 triples, 19 trials", Kind.SAID),
    ],
)  # fmt: skip
def test_each_change_is_found(reports: Path, other: Path, file: str, before: str, after: str, kind: Kind) -> None:
    change(other / STUDY / file, before, after)
    found = compare_folders(reports, other)
    assert kind in {difference.kind for difference in found}
    # a number that is said elsewhere shows as other words, too
    assert {difference.kind for difference in found} <= {kind, Kind.WORDS}
    assert {difference.where.partition(": ")[2].split(":")[0] for difference in found} == {file}
    for flag, counted in (("", (Kind.NUMBER,)), ("--said", (Kind.NUMBER, Kind.SAID)), ("--words", tuple(Kind))):
        code = main(["compare", str(reports), str(other), *([flag] if flag else [])])
        assert code == (kind in counted)


@pytest.mark.parametrize("file", ["tables/steps.csv", "figures/scores.html", "report.html"])
def test_a_missing_file_is_found(reports: Path, other: Path, file: str) -> None:
    (other / STUDY / file).unlink()
    for sides in ((reports, other), (other, reports)):
        assert [difference.kind for difference in compare_folders(*sides)] == [Kind.NUMBER]


def test_how_numbers_are_written_does_not_matter(reports: Path, other: Path) -> None:
    change(other / STUDY / "tables" / "outcomes.csv", "searched,0.89,", "searched,8.90e-1,")
    assert compare_folders(reports, other) == []
    assert numbers_in("−1,234.5 % of 3L, [+.2, 3.1], p = .03, data1") == [-1234.5, 0.2, 3.1, 0.03]
