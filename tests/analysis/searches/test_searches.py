"""Searches that share triples, side by side: against the scores themselves, and what cannot be compared."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from simulation import hashed_score, make_study, run_study
from typer.testing import CliRunner

from analysis.presentation.tables import exported
from analysis.searches.comparison import open_studies, write_comparison
from analysis.searches.figures import best_so_far
from analysis.searches.findings import ComparedStudy, ComparedTriple, compare
from analysis.searches.tables import TABLES
from search_spaces.faults import InputError
from search_spaces.space import load_space
from study.cli import app, main
from study.config.study_file import Study
from study.ledger.record_files import Ledger
from study.ledger.study_directory import save_study_file
from trials.specs.records import Record, TeacherRecord, TrialRecord
from trials.specs.trial import TeacherSpec, TeacherTask, TrainingRecipe, TrialSpec
from trials.storage.workspace import Workspace

SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {"strategy": "greedy"},
    "random": {"strategy": "random", "trials": 9},
    "optuna": {"strategy": "optuna", "trials": 12},
    "grid": {"strategy": "grid"},
}


def tables_of(found):
    return exported((table, found) for table in TABLES)


def study_of(name: str, **changes: Any) -> Study:
    search = {**SEARCHES[name], "space": load_space("demo")}
    return make_study(**{"name": name, "datasets": 1, "search": search, **changes})


def opened(name: str, share: float = 1, scores: Any = hashed_score, **changes: Any) -> ComparedStudy:
    study = study_of(name, **changes)
    records = run_study(study, scores)
    return ComparedStudy(f"runs/{name}", study, tuple(records[: round(share * len(records))]))


def trials_of(records: tuple[Record, ...], triple_id: str) -> list[TrialRecord]:
    return [r for r in records if isinstance(r, TrialRecord) and r.triple_id == triple_id]


def some_fail(trial: TrialSpec) -> tuple[float, float] | None:
    return None if int(trial.trial_id, 16) % 5 == 0 else hashed_score(trial)


@pytest.fixture(scope="module")
def everything() -> tuple[list[ComparedStudy], tuple[ComparedTriple, ...]]:
    studies = [opened(name) for name in SEARCHES]
    return studies, compare(studies)


def test_regret_is_the_distance_to_the_grids_best(everything) -> None:
    studies, found = everything
    assert [each.triple.triple_id for each in found] == ["teacher/2L/data0", "teacher/3L/data0"]
    for triple in found:
        grid = trials_of(studies[-1].records, triple.triple.triple_id)
        assert triple.optimum == max(record.validation_score or 0 for record in grid)
        for run in triple.runs:
            assert run.best is not None
            regret = triple.regret(run.best.validation)
            assert regret is not None
            assert regret >= 0  # every search is within the grid
            assert (regret == 0) == (run.best.validation == triple.optimum)
        assert triple.regret(triple.runs[-1].best.validation) == 0
        assert triple.same_teachers


def test_best_so_far_counts_what_the_search_asked_for(everything) -> None:
    studies, found = everything
    for triple in found:
        for each, run in zip(studies, triple.runs, strict=True):
            own = {r.configuration: r for r in trials_of(each.records, triple.triple.triple_id)}
            scores = [own[attempt.configuration].validation_score for attempt in run.attempts]
            assert [attempt.validation for attempt in run.attempts] == scores
            assert run.best_so_far == tuple(max(scores[: n + 1]) for n in range(len(scores)))
            best = max(run.attempts, key=lambda attempt: attempt.validation or 0)
            assert run.best == best
            assert best.test == own[best.configuration].test_score
            assert run.trials == len(run.attempts)
            assert run.hours == pytest.approx(run.trials * 10 / 3600)  # a simulated record says 10 s
    # the budgets; greedy's lazy and stable configurations are no part of its search
    assert [len(run.attempts) for run in found[0].runs][1:] == [9, 12, 32]
    assert found[0].same_number == min(9, len(found[0].runs[0].attempts))


def test_records_of_other_searches_in_the_same_ledger_do_not_count() -> None:
    grid = opened("grid")
    alone, shared = opened("random"), opened("random")
    shared = ComparedStudy(shared.place, shared.study, grid.records)  # a directory to which a grid's ledger was copied
    for one, other in zip(compare([alone, grid]), compare([shared, grid]), strict=True):
        assert one.runs == other.runs


def test_seeds_are_averaged_and_each_is_a_trial() -> None:
    first, _ = compare([opened("random", seeds=(1, 2)), opened("grid", seeds=(1, 2))])
    run = first.runs[0]
    assert (len(run.attempts), run.trials) == (9, 18)


def test_failed_trials_are_never_the_best() -> None:
    studies = [opened("random", scores=some_fail), opened("grid", scores=some_fail)]
    for triple in compare(studies):
        failed = [attempt for attempt in triple.runs[0].attempts if attempt.validation is None]
        assert failed
        assert all(attempt.test is None for attempt in failed)
        assert triple.runs[0].best not in failed
        assert len(triple.runs[0].best_so_far) == 9


def test_without_a_finished_grid_there_is_no_regret() -> None:
    for other in (opened("optuna"), opened("grid", share=0.5), opened("grid", share=0)):
        for triple in compare([opened("greedy"), other]):
            assert triple.optimum is None or triple.runs[1].finished
            if triple.optimum is None:
                assert triple.regret(0.5) is None
                assert set(tables_of([triple])["searches"].frame["regret"]) == {None}


def test_tables_say_what_was_compared(everything) -> None:
    _, found = everything
    tables = tables_of(found)
    rows = tables["searches"].frame.to_dict("records")
    assert len(rows) == 2 * len(SEARCHES)
    for row in rows:
        whole = [r["regret"] for r in rows if r["triple"] == row["triple"] and r["study"] == row["study"]]
        early = row["regret_at_same_number"]
        # with fewer configurations nothing is better; a grid has no first ones
        assert early != early if row["strategy"] == "grid" else early >= whole[0] >= 0
    best = tables["best_so_far"].frame
    assert len(best) == sum(len(run.attempts) for triple in found for run in triple.runs)


def test_figure_has_a_line_for_each_search_but_the_grid(everything) -> None:
    _, found = everything
    drawn = best_so_far(found)
    assert sorted({trace.name for trace in drawn.data}) == ["greedy", "optuna", "random"]
    assert [trace.name for trace in drawn.data if trace.showlegend] == ["greedy", "random", "optuna"]
    assert sorted(line.y0 for line in drawn.layout.shapes) == sorted(triple.optimum for triple in found)
    for trace, run in zip(drawn.data[:3], found[0].runs[:3], strict=True):
        assert trace.y == run.best_so_far


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teachers": [TeacherSpec(name="another", model="model")]}, "share no triple .* has another/2L/data0"),
        ({"training": TrainingRecipe(epochs=7)}, "training.epochs = 7.0: is 3.0 in runs/greedy: scores of teacher/2L"),
        ({"seeds": (1, 2)}, r"seeds = \(1, 2\): is \(13,\) in runs/greedy"),
    ],
)
def test_what_does_not_compare_is_refused(changes: dict[str, Any], message: str) -> None:
    other = ComparedStudy("runs/random", study_of("random", **changes), ())
    with pytest.raises(InputError, match=message) as caught:
        compare([opened("greedy", share=0), other])
    # both triples differ in it
    assert len(caught.value.faults) == 1


def with_data(task: TeacherTask, fingerprint: str) -> TeacherTask:
    """Built anew: a copy by pydantic would keep its cached id."""
    fields = {name: getattr(task, name) for name in TeacherTask.model_fields}
    return TeacherTask(**{**fields, "data_fingerprint": fingerprint})


def test_other_data_under_the_same_name_are_refused() -> None:
    first, second = opened("greedy"), opened("random")
    foreign = [
        record.model_copy(update={"task": with_data(record.task, "other rows")})
        for record in second.records
        if isinstance(record, TeacherRecord)
    ]
    with pytest.raises(InputError, match=r"datasets\.data0: has other rows than in runs/greedy"):
        compare([first, ComparedStudy(second.place, second.study, tuple(foreign))])


def test_one_study_is_no_comparison() -> None:
    with pytest.raises(InputError, match="give two studies' directories at least"):
        compare([opened("greedy", share=0)])


def keep(folder: Path, each: ComparedStudy) -> Path:
    workspace = Workspace(folder / each.study.config.name)
    save_study_file(each.study, workspace)
    for record in each.records:
        Ledger(workspace.ledger).write(record)
    return workspace.root


def test_comparison_is_written(everything, tmp_path: Path) -> None:
    folders = [keep(tmp_path / "runs", each) for each in everything[0]]
    rows, _ = write_comparison(open_studies(map(str, folders)), tmp_path / "out", formats=("html",))
    written = json.loads((tmp_path / "out/tables/searches.json").read_text())
    assert written["rows"] == rows
    assert written["columns"].keys() == rows[0].keys()
    with (tmp_path / "out/tables/searches.csv").open() as file:
        assert [row["study"] for row in csv.DictReader(file)] == [row["study"] for row in rows]
    assert (tmp_path / "out/figures/best_so_far.html").is_file()


def test_command_compares(everything, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("study.cli.out.width", 200)
    monkeypatch.setattr("analysis.presentation.images._write_pictures", lambda *_: "No pictures here")
    folders = [str(keep(tmp_path / "runs", each)) for each in everything[0]]
    done = CliRunner().invoke(app, ["compare", *folders, "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "teacher/3L/data0" in done.output
    assert "No pictures here" in done.output
    printed = CliRunner().invoke(app, ["compare", *folders, "-o", str(tmp_path / "out"), "--json"])
    assert [row["study"] for row in json.loads(printed.output)][:4] == list(SEARCHES)


def test_command_says_what_is_wrong(tmp_path: Path, monkeypatch, capsys) -> None:
    folder = keep(tmp_path / "runs", opened("greedy", share=0))
    for words, message in (
        ([folder, tmp_path], "holds no study.yaml"),
        ([folder, folder], "is given twice"),
        ([folder], "give two studies' directories at least"),
    ):
        monkeypatch.setattr("sys.argv", ["kdstudy", "compare", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2
        assert message in " ".join(capsys.readouterr().err.split())
