"""Searches replayed over tables: figures against counts by hand, and a grid study's records against its best."""

from __future__ import annotations

from pathlib import Path
from statistics import pstdev

import pytest
from simulation import make_study, run_study

from benchmarks.search import from_ledger, searched, side_by_side, simulated
from search_spaces.space import load_space
from study.config.study_file import SearchConfig
from study.ledger.record_files import Ledger
from study.ledger.study_directory import save_study_file
from trials.storage.workspace import Workspace

SPACE = load_space("demo")


def test_a_search_of_everything_has_no_regret() -> None:
    table = simulated(SPACE, 1, 0.5)
    found = searched(SPACE, SearchConfig(strategy="grid", space=SPACE), table, "x", one_checkpoint=False)
    assert (found.trials, found.regret, found.rank, found.share) == (32, 0, 0, 0)


def test_regret_rank_and_share_of_one_guess() -> None:
    grid = SPACE.grid()
    table = {point: float(number) for number, point in enumerate(grid)}  # 0 to 31: the median is 15.5
    config = SearchConfig(strategy="random", space=SPACE, trials=1)
    found = searched(SPACE, config, table, "x", one_checkpoint=False)
    assert found.trials == 1
    assert found.rank == found.regret / 32
    assert found.share == pytest.approx(found.regret / 15.5)


def test_all_have_as_many_trials() -> None:
    found = side_by_side(SPACE, simulated(SPACE, 2, 0.0), "x", seeds=2, one_checkpoint=False)
    assert found.keys() == {"greedy", "random", "optuna"}
    assert len({result.trials for result in found.values()}) == 1
    assert all(0 <= result.rank < 1 and result.regret >= 0 for result in found.values())


def test_simulated_tables_have_a_scale() -> None:
    assert pstdev(simulated(SPACE, 3, 0.0).values()) == pytest.approx(1)
    assert simulated(SPACE, 3, 0.5) == simulated(SPACE, 3, 0.5) != simulated(SPACE, 4, 0.5)


def test_replay_of_a_grid_studys_records(tmp_path: Path) -> None:
    study = make_study(datasets=1, name="grid", search={"strategy": "grid", "space": SPACE})
    workspace, records = Workspace(tmp_path / "grid"), run_study(study)
    save_study_file(study, workspace)
    for record in records:
        Ledger(workspace.ledger).write(record)
    found = from_ledger(workspace.root, seeds=2)
    assert found.keys() == {"teacher/2L/data0", "teacher/3L/data0"}
    assert all(result.regret >= 0 for each in found.values() for result in each.values())
    greedy = make_study(datasets=1, name="other", search={"strategy": "greedy", "space": SPACE})
    save_study_file(greedy, Workspace(tmp_path / "other"))
    with pytest.raises(SystemExit, match="is no directory of a grid study"):
        from_ledger(tmp_path / "other", seeds=2)
