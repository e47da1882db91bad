from __future__ import annotations

import json

import pandas as pd
import pytest
from analysed import analyse, tables
from known_studies import failing, finished, mixed_study, plain_score, small_study
from simulation import hashed_score, make_study

from analysis.presentation.tables import write_tables
from analysis.results.outcomes import Role

NAMES = {  # tables of a study of parameter choices on one task
    "gains",
    "deciles",
    "rewards",
    "steps",
    "temperatures",
    "outcomes",
    "candidates",
    "teachers",
    "failures",
}


def test_every_column_is_documented_and_filled():
    study = make_study()
    found = tables(analyse(study, finished(study, failing(lambda t: t.configuration.distance == "mse", hashed_score))))
    assert set(found) >= NAMES
    for table in (found[name] for name in NAMES):
        assert table.description
        assert all(table.columns.values())
        assert list(table.frame.columns) == list(table.columns)
        assert len(table.frame) > 0
        empty = [name for name in table.frame if table.frame[name].isna().all()]
        assert empty in ([], ["failure"]), (table.name, empty)


def test_outcomes_table_has_a_column_per_role():
    columns = set(tables(analyse(small_study(), []))["outcomes"].columns)
    assert {f"{role}_test" for role in Role} <= columns


def test_csv_and_json_hold_the_same_rows(tmp_path):
    study = mixed_study()
    found = tables(analyse(study, finished(study, hashed_score)))
    write_tables(found, tmp_path)
    assert set(found) >= {*NAMES, "task_deciles", "task_rewards"}
    for name, table in found.items():
        content = json.loads((tmp_path / f"{name}.json").read_text())
        frame = pd.read_csv(tmp_path / f"{name}.csv")
        assert content["columns"] == table.columns
        assert len(content["rows"]) == len(frame)
        for column in frame.select_dtypes("float"):
            values = [float("nan") if row[column] is None else row[column] for row in content["rows"]]
            assert values == pytest.approx(list(frame[column]), nan_ok=True)
    readme = (tmp_path / "README.md").read_text()
    assert all(f"`{column}`" in readme for table in found.values() for column in table.columns)


def test_missing_scores_stay_missing(tmp_path):
    study = small_study()
    write_tables(tables(analyse(study, finished(study, plain_score)[:9])), tmp_path)
    rows = json.loads((tmp_path / "outcomes.json").read_text())["rows"]
    assert len(rows) == 4
    assert all(row["stable_test"] is None for row in rows)
    # rule: a comparison against something missing is missing, not zero
    gains = json.loads((tmp_path / "gains.json").read_text())["rows"]
    assert all(row["relative_gain"] is None for row in gains if row["comparison"] == "stable over best")


def test_tables_of_an_empty_ledger_have_headers(tmp_path):
    study = small_study()
    write_tables(tables(analyse(study, [])), tmp_path)
    assert (tmp_path / "steps.csv").read_text().strip() == ",".join(tables(analyse(study, []))["steps"].columns)
    assert len(pd.read_csv(tmp_path / "outcomes.csv")) == 4
