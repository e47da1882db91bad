"""The command line: a user's mistake is one clear error, exit code 2, no traceback, nothing lost."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from launching import Launched, run

from study import cli


def refused(outcome: tuple[int, str], *parts: str) -> None:
    """Exit code 2, every part in the message, and no traceback."""
    code, output = outcome
    assert code == 2, output
    assert "Traceback" not in output
    for part in parts:
        assert part in output, output


def data_with(folder: Path, source: Path, **changed: str | None) -> Path:
    """A copy of a data folder with some splits' content replaced, or removed by None."""
    shutil.copytree(source, folder)
    for split, content in changed.items():
        path = folder / f"{split}.jsonl"
        path.unlink() if content is None else path.write_text(content)
    return folder


def model_with(folder: Path, source: Path, **changed: str) -> Path:
    """A copy of a model folder with some values of its config.json replaced."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changed}))
    return folder


def entry(folder: Path, **changes: object) -> dict[str, object]:
    return {"name": "words", "task": "classification", "path": str(folder), "labels": ["bad", "good"], **changes}


ROW = json.dumps({"text": "the good film", "label": 1})


class TestStudyFile:
    def test_all_faults_come_at_once_with_key_value_and_nearest_match(self, kdstudy, tiny_study):
        file = tiny_study(seeds="many", trainning={}, triples=[["tiny", "3L", "words"]])
        refused(
            kdstudy("plan", file),
            "tiny.yaml: trainning",
            "did you mean 'training'?",
            "tiny.yaml: seeds = 'many'",
            "no student '3L'",
            "known: 1L, 2L",
        )

    def test_missing_file(self, kdstudy, tmp_path):
        refused(kdstudy("launch", tmp_path / "none.yaml"), "none.yaml", "no such file")

    def test_no_yaml(self, kdstudy, tmp_path):
        (tmp_path / "bad.yaml").write_text("name: [unclosed")
        refused(kdstudy("plan", tmp_path / "bad.yaml"), "bad.yaml", "is not valid YAML")

    def test_unknown_search_space_and_preset(self, kdstudy, tiny_study):
        file = tiny_study(search={"space": "paper_aa"}, datasets=["sst22"])
        refused(kdstudy("plan", file), "search.space = 'paper_aa'", "did you mean 'paper_a'?", "did you mean 'sst2'?")


class TestData:
    @pytest.mark.parametrize(
        ("changed", "entry_changes", "parts"),
        [
            ({"test": None}, {}, ["test", "train"]),
            ({"validation": ""}, {}, ["validation", "empty"]),
            ({}, {"text": "texts"}, ["texts", "did you mean 'text'?"]),
            ({"test": ROW.replace("1", "7")}, {}, ["test", "7"]),
            ({"train": "\n".join([ROW] * 4)}, {}, ["train", "one class"]),
            ({"train": json.dumps({"text": "a", "label": None})}, {"labels": None}, ["train", "labels are missing"]),
            ({}, {"metric": "acuracy"}, ["metric = 'acuracy'", "did you mean 'accuracy'?"]),
            ({}, {"task": "translations"}, ["translations", "token_classification"]),
            ({}, {"path": "nowhere"}, ["nowhere", "no such"]),
        ],
        ids=["split", "empty", "column", "label", "one-class", "no-labels", "metric", "task", "path"],
    )
    def test_bad_data_are_refused_before_anything_starts(
        self, kdstudy, tiny_study, tiny_data, tmp_path, changed, entry_changes, parts
    ):
        folder = data_with(tmp_path / "copy", tiny_data, **changed)
        file = tiny_study(datasets=[entry(folder, **entry_changes)])
        refused(kdstudy("launch", file, "--storage", tmp_path / "runs"), *parts)
        refused(kdstudy("doctor", file, "--storage", tmp_path / "runs"), *parts)
        assert not (tmp_path / "runs" / "tiny" / "ledger").exists()


class TestModels:
    def test_student_deeper_than_its_source(self, kdstudy, tiny_study, tmp_path):
        file = tiny_study(students=[{"name": "9L", "from": "tiny", "layers": 9}])
        refused(kdstudy("launch", file, "--storage", tmp_path), "students.9L.layers = 9", "only 4 layers")

    def test_window_shorter_than_max_length(self, kdstudy, tiny_study, tmp_path):
        file = tiny_study(training={"max_length": 64})
        refused(kdstudy("launch", file, "--storage", tmp_path), "max_length = 64", "reads 32 tokens at most")

    def test_weights_that_are_pickled_are_not_loaded(self, kdstudy, tiny_study, tiny_model, tmp_path):
        pickled = tmp_path / "pickled"
        shutil.copytree(tiny_model, pickled)
        (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
        file = tiny_study(teachers=[{"name": "tiny", "model": str(pickled)}])
        refused(kdstudy("launch", file, "--storage", tmp_path), "no .safetensors weights")


class TestStorage:
    def test_not_writable(self, kdstudy, tiny_study, tmp_path):
        (tmp_path / "file").write_text("")
        refused(kdstudy("launch", tiny_study(), "--storage", tmp_path / "file"), "--storage", "is not writable")

    def test_other_object_store(self, kdstudy, tiny_study):
        refused(kdstudy("launch", tiny_study(), "--storage", "ftp://host/runs"), "is not supported; give s3://bucket/")

    def test_directory_of_another_study_file(self, kdstudy, tiny_study, launched: Launched, tmp_path):
        file = tiny_study(training={"epochs": 1, "batch_size": 16, "max_length": 16})
        before = {path: path.read_bytes() for path in launched.folder.glob("ledger/*.json")}
        outcome = kdstudy("launch", file, "--storage", launched.folder.parent)
        refused(outcome, "training.epochs = 1", "was 2.0 when the ledger in")
        assert {path: path.read_bytes() for path in launched.folder.glob("ledger/*.json")} == before

    def test_folder_of_no_study(self, kdstudy, tmp_path):
        for command in ("status", "resume", "report"):
            refused(kdstudy(command, tmp_path), "holds no study.yaml")

    def test_study_that_another_process_launches(self, kdstudy, tiny_study, tmp_path):
        from filelock import FileLock

        (tmp_path / "tiny").mkdir()
        with FileLock(tmp_path / "tiny" / ".launch.lock"):
            refused(kdstudy("launch", tiny_study(), "--storage", tmp_path), "another process is launching")


def test_resources_that_no_node_has_are_refused_before_anything_starts(ray_address, tiny_study, tmp_path):
    file = tiny_study(resources={"cpu": 1, "gpu": 64})
    code, output = run("launch", file, "--storage", tmp_path, "--address", ray_address, folder=tmp_path)
    refused((code, output), "resources", "one trial fits on no node")
    assert not (tmp_path / "tiny" / "events.jsonl").exists()


@pytest.mark.parametrize("hours", ["0", "-1", "nan"])
def test_hours_that_are_none_are_refused(kdstudy, tiny_study, tmp_path, hours):
    refused(kdstudy("launch", tiny_study(), "--max-hours", hours), "--max-hours", "must be above 0")
    assert not (tmp_path / "runs").exists()


def test_doctor_remarks_what_this_machine_lacks(kdstudy, tiny_study):
    code, output = kdstudy("doctor", tiny_study(resources={"cpu": 4096, "accelerators": {"A100": {"cpu": 1}}}))
    assert code == 0
    assert "resources: one trial needs 4096 CPUs and 0 GPUs, but this machine has" in output
    assert "A100" not in output
    assert "no faults found" in output


def test_cluster_that_nobody_runs_is_refused(tiny_study, tmp_path):
    outcome = run("launch", tiny_study(), "--storage", tmp_path, "--address", "127.0.0.1:1", folder=tmp_path)
    refused(outcome, "--address", "no Ray cluster answers", "refused")


def test_plan_prints_counts_and_starts_nothing(kdstudy, tiny_study, tmp_path):
    code, output = kdstudy("plan", tiny_study())
    assert code == 0
    assert "2 triples, 1 teacher to prepare" in output
    assert "4 of 8" in output
    code, output = kdstudy("plan", tiny_study(), "--json")
    assert json.loads(output)["choices_in_space"] == 8
    assert not (tmp_path / "runs").exists()


def test_plan_of_paper_a_counts_as_the_paper_does(kdstudy):
    file = Path(cli.__file__).parent / "files" / "paper_a.yaml"
    code, output = kdstudy("plan", file, "--json")
    assert code == 0
    plan = json.loads(output)
    assert len(plan["triples"]) == 39
    assert len(plan["teachers"]) == 13
    assert plan["grid_paper"] == 440
    assert (plan["choices_visited"], plan["choices_in_space"]) == (4, 8)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({}, "fast path: packed batches"),
        (
            {"model_type": "electra"},
            "slow path: padded batches through Transformers (electra is not among bert, roberta, ",
        ),
        ({"hidden_act": "silu"}, "slow path: padded batches through Transformers (its activation is silu)"),
    ],
    ids=["packed", "other-family", "other-activation"],
)
def test_plan_and_doctor_say_how_a_model_is_computed_and_plan_what_memory_it_takes(
    kdstudy, tiny_study, tiny_model, tmp_path, monkeypatch, changed, path
):
    monkeypatch.setenv("COLUMNS", "1000")  # doctor's lines are wrapped
    folder = model_with(tmp_path / "model", tiny_model, **changed)
    file = tiny_study(teachers=[{"name": "tiny", "model": str(folder)}])
    code, output = kdstudy("plan", file)
    assert code == 0
    assert re.search(rf"^model +{re.escape(f'{folder}: {path}')}", output, re.MULTILINE), output
    # A process with torch takes some hundred megabytes, the tiny student next to nothing
    assert re.search(r"^memory of a trial +up to 0\.[3-9] GB$", output, re.MULTILINE), output
    made = json.loads(kdstudy("plan", file, "--json")[1])
    assert made["forward"][str(folder)].startswith(path)
    assert 0.3 < made["memory_gigabytes"] < 1
    code, output = kdstudy("doctor", file, "--storage", tmp_path / "runs")
    assert code == 0, output
    family = changed.get("model_type", "bert")
    assert f"model {folder}: {family}, {path}" in output


def test_plan_of_a_model_that_is_not_at_hand_says_so(kdstudy, tiny_study):
    code, output = kdstudy("plan", tiny_study(teachers=[{"name": "tiny", "model": "org/none"}]))
    assert code == 0
    for unknown in ("hours of one worker", "disk", "memory of a trial"):
        assert re.search(rf"^{unknown} +unknown$", output, re.MULTILINE), output
    assert re.search("^not found here +org/none$", output, re.MULTILINE), output
    assert "computed" not in output


def test_launch_prints_progress_in_plain_lines_without_rays_noise(launched: Launched):
    lines = launched.output.splitlines()
    assert lines[0] == "study tiny: reading data and models"
    assert lines[-1].startswith("finished; write the report with: kdstudy report ")
    trials = [line for line in lines if re.match(r"\[\d+/<=\d+, about .* left\] tiny/[12]L/words: ", line)]
    assert len(trials) == len(list((launched.folder / "ledger").glob("*.json"))) - 1
    noise = [line for line in lines if re.search(r"ray|WARNING|Warning|placement|Traceback", line)]
    assert not noise


def test_status_of_a_finished_study(kdstudy, launched: Launched):
    code, output = kdstudy("status", launched.folder, "--json")
    assert code == 0
    found = json.loads(output)
    assert found["finished"]
    assert [chain["stage"] for chain in found["chains"]] == ["finished", "finished"]
    assert kdstudy("status", launched.folder)[0] == 0


def test_status_and_plan_of_an_unfinished_study_say_what_is_left(kdstudy, launched: Launched, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    copy = tmp_path / "tiny"
    shutil.copytree(launched.folder, copy)
    records = {path: json.loads(path.read_text()) for path in (copy / "ledger").glob("*.json")}
    trials = sorted(
        (p for p in records if records[p]["kind"] == "trial"), key=lambda p: records[p]["run"]["finished_at"]
    )
    for lost in trials[len(trials) // 2 :]:
        lost.unlink()
    # fewest and most hours of work left are not those of a finished study
    found = json.loads(kdstudy("status", copy, "--json")[1])
    left = found["left"]
    assert 0 < left["hours"]["lower"] <= left["hours"]["expected"] <= left["hours"]["upper"]
    assert left["done_hours"] == pytest.approx(found["hours"])
    assert left["measured"] == len(trials) // 2
    assert re.search(r"about .+ of work left \(.+ to .+\), .+ with \d+ worker", kdstudy("status", copy)[1])
    code, output = kdstudy("plan", copy)
    assert code == 0
    assert re.search(
        r"^hours of one worker +about \S+ \(.+ to .+\), .+ of them done; the plan was about", output, re.MULTILINE
    )
    made = json.loads(kdstudy("plan", copy, "--json")[1])
    by_triple = {each["triple"]: each for each in made["left"]["triples"]}
    assert set(by_triple) == set(made["triples"])
    assert sum(each["done"] for each in by_triple.values()) == len(trials) // 2
    for name in by_triple:
        assert re.search(rf"│ {name} +│", output), output
    # a finished study has nothing left, and a study file says what it always said
    assert json.loads(kdstudy("status", launched.folder, "--json")[1])["left"] is None
    assert json.loads(kdstudy("plan", launched.folder, "--json")[1])["left"]["hours"]["upper"] == 0
    assert "left" not in json.loads(kdstudy("plan", copy / "study.yaml", "--json")[1])


def test_torn_file_in_the_ledger_is_reported_left_alone_and_its_trial_blocked(
    ray_address: str, launched: Launched, tmp_path: Path
):
    copy = tmp_path / "tiny"
    shutil.copytree(launched.folder, copy)
    victim = next(path for path in (copy / "ledger").glob("*.json") if json.loads(path.read_text())["kind"] == "trial")
    victim.write_text(victim.read_text()[:100])
    code, output = run("launch", launched.file, "--storage", tmp_path, "--address", ray_address, folder=tmp_path)
    assert code == 3
    assert victim.name in output
    assert "torn" in output
    assert len(victim.read_text()) == 100


@pytest.mark.slow
def test_stalled_chain_is_named_with_its_cause(launched: Launched, tmp_path):
    copy = tmp_path / "tiny"
    shutil.copytree(launched.folder, copy)
    for path in (copy / "ledger").glob("*.json"):
        if json.loads(path.read_text())["kind"] == "trial":
            path.unlink()
    shutil.rmtree(copy / "teachers")
    code, output = run("launch", launched.file, "--storage", tmp_path, folder=tmp_path)
    assert code == 3
    for triple in ("tiny/1L/words", "tiny/2L/words"):
        assert re.search(
            rf"unfinished: {triple}: blocked: FileNotFoundError: the teacher checkpoint .* is gone", output
        )
    assert "Traceback" not in output
    assert "ERROR" not in output


def test_report_of_a_real_study_says_where_it_is(kdstudy, launched: Launched, tmp_path):
    code, output = kdstudy("report", launched.folder, "-o", tmp_path / "report")
    assert code == 0, output
    assert "report: report/report.html" in output
    page = (tmp_path / "report" / "report.html").read_text()
    assert "tiny/2L/words" in page


def test_resolved_study_file_in_the_directory_loads(launched: Launched):
    assert yaml.safe_load((launched.folder / "study.yaml").read_text())["name"] == "tiny"
