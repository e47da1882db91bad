"""The ledger: written once, by any number of processes, and never harmed by a file that is no record."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import do_work, hashed_score, make_search, make_study, run_study, trial_record

from study.ledger.record_files import Ledger
from trials.specs.records import RECORD_VERSION, CurvePoint, Record, TeacherRecord, TrialRecord, parse_record
from trials.specs.trial import TrialSpec

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """A finished study's: one teacher and its trials."""
    return run_study(make_study(datasets=1, students=1))


@pytest.fixture
def trial(records: list[Record]) -> TrialRecord:
    found = records[1]
    assert isinstance(found, TrialRecord)
    return found


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def files(ledger: Ledger) -> list[str]:
    return sorted(path.name for path in ledger.folder.iterdir())


def test_write_makes_one_file_named_by_the_record(ledger: Ledger, trial: TrialRecord) -> None:
    assert ledger.write(trial) is True
    # no temporary file is left
    assert files(ledger) == [f"{trial.record_id}.json"]
    assert Ledger(ledger.folder).get(trial.record_id) == trial


def test_write_never_changes_a_record(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.write(trial)
    (path,) = ledger.folder.iterdir()
    before, inode = path.read_bytes(), path.stat().st_ino
    other = trial.model_copy(update={"validation_score": 0.123, "test_score": 0.456})
    assert other.record_id == trial.record_id
    # the first one stays as it is, to the byte
    assert ledger.write(other) is False
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    assert files(ledger) == [path.name]


def test_write_leaves_a_torn_file_of_the_same_name_alone(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.folder.mkdir()
    torn = ledger.folder / f"{trial.record_id}.json"
    torn.write_text("{")
    assert ledger.write(trial) is False
    assert torn.read_text() == "{"
    assert ledger.get(trial.record_id) is None
    assert [bad.where for bad in ledger.bad_files] == [str(torn)]


def test_get_reads_without_a_refresh(ledger: Ledger, trial: TrialRecord) -> None:
    assert ledger.get(trial.record_id) is None
    Ledger(ledger.folder).write(trial)
    assert ledger.get(trial.record_id) == trial


def test_refresh_returns_only_what_is_new(ledger: Ledger, records: list[Record]) -> None:
    assert ledger.refresh() == []  # there is no folder yet
    for record in records[:3]:
        ledger.write(record)
    assert {r.record_id for r in ledger.refresh()} == {r.record_id for r in records[:3]}
    assert ledger.refresh() == []
    ledger.write(records[3])
    assert ledger.refresh() == [records[3]]
    assert ledger.records == {record.record_id: record for record in records[:4]}


def test_refresh_is_in_the_order_of_names(ledger: Ledger, records: list[Record]) -> None:
    for record in records:
        ledger.write(record)
    names = [record.record_id for record in ledger.refresh()]
    assert names == sorted(names)


def test_teachers_and_trials_are_told_apart(ledger: Ledger, records: list[Record]) -> None:
    for record in records[:4]:
        ledger.write(record)
    ledger.refresh()
    assert ledger.teachers == [record for record in records[:4] if isinstance(record, TeacherRecord)]
    assert len(ledger.teachers) == 1
    assert len(ledger.trials) == 3


BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "torn or not JSON"),
    "binary": ("\x00\x01", "torn or not JSON"),
    "nested": ("[" * 200_000, "torn or not JSON"),
    "list": ("[1, 2]", "not a kdstudy record"),
    "number": ("3", "not a kdstudy record"),
    "null": ("null", "not a kdstudy record"),
    "foreign": ('{"name": "package", "version": "1.0.0"}', "not a kdstudy record"),
    "newer": (json.dumps({"kind": "trial", "version": RECORD_VERSION + 1, "new": {}}), "newer kdstudy"),
    "teacher": ('{"kind": "teacher", "version": 1}', "not a kdstudy record"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_file_is_reported_and_left_alone(kind: str, ledger: Ledger, trial: TrialRecord) -> None:
    content, reason = BAD[kind]
    ledger.write(trial)
    path = ledger.folder / "0123456789abcdef01234567.json"
    path.write_text(content)
    assert ledger.refresh() == [trial]  # what is sound is read
    (bad,) = ledger.bad_files
    assert bad.where == str(path)
    assert reason in bad.reason
    assert str(path) in str(bad)
    assert path.read_text() == content


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_torn_record_is_reported_and_left_alone(share: float, ledger: Ledger, trial: TrialRecord) -> None:
    ledger.folder.mkdir()
    path = ledger.folder / f"{trial.record_id}.json"
    whole = trial.model_dump_json(indent=1)
    path.write_text(whole[: int(share * len(whole))])
    assert ledger.refresh() == []
    assert "torn" in ledger.bad_files[0].reason
    assert path.read_text() == whole[: int(share * len(whole))]


def test_bytes_that_are_no_text_and_folders_are_reported(ledger: Ledger) -> None:
    (ledger.folder / "folder.json").mkdir(parents=True)
    (ledger.folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    assert ledger.refresh() == []
    assert [bad.name for bad in ledger.bad_files] == ["bytes.json", "folder.json"]


def test_record_under_a_wrong_name_is_reported(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.write(trial)
    path = ledger.folder / "0123456789abcdef01234567.json"
    path.write_text(trial.model_dump_json())
    assert ledger.refresh() == [trial]
    (bad,) = ledger.bad_files
    assert bad.where == str(path)
    assert trial.record_id in bad.reason  # says which record it holds
    assert path.is_file()


def test_changed_record_is_reported(ledger: Ledger, trial: TrialRecord) -> None:
    # a record whose specification was edited holds another trial than its name says
    values = json.loads(trial.model_dump_json())
    values["spec"]["seed"] += 1
    ledger.folder.mkdir()
    (ledger.folder / f"{trial.record_id}.json").write_text(json.dumps(values))
    assert ledger.refresh() == []
    assert len(ledger.bad_files) == 1


def test_temporary_files_are_ignored_and_left_alone(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.write(trial)
    leftover = ledger.folder / f".{trial.record_id}.0123456789abcdef"  # of a killed writer, or of one at work
    leftover.write_text('{"half": ')
    other = ledger.folder / "notes.txt"
    other.write_text("not a record")
    assert ledger.refresh() == [trial]
    assert ledger.bad_files == []
    assert leftover.read_text() == '{"half": '
    assert other.is_file()


def test_bad_file_that_is_mended_or_moved_is_forgotten(ledger: Ledger, trial: TrialRecord) -> None:
    ledger.folder.mkdir()
    mended, moved = ledger.folder / f"{trial.record_id}.json", ledger.folder / "moved.json"
    mended.write_text("{")
    moved.write_text("{")
    ledger.refresh()
    assert len(ledger.bad_files) == 2
    mended.write_text(trial.model_dump_json())
    moved.unlink()
    assert ledger.refresh() == [trial]
    assert ledger.bad_files == []


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=6, max_size=6), st.none() | finite, st.dictionaries(st.text(), finite, max_size=3))
def test_record_is_equal_after_json(values: list[float], maybe: float | None, metrics: dict[str, float]) -> None:
    record = SOME.model_copy(
        update={
            "curve": (
                CurvePoint(
                    step=1, epoch=values[0], train_loss=values[1], validation_score=values[2], validation_loss=values[3]
                ),
            ),
            "validation_score": values[4],
            "train_seconds": values[5],
            "test_score": maybe,
            "test_scores": metrics,
            "reason": None if maybe is None else f"{maybe} \u2028 \U0001f600",
        }
    )
    back = parse_record(json.loads(record.model_dump_json(indent=1)))
    assert back == record
    # to the last bit: 0.0 is -0.0 to ==
    assert back.model_dump_json() == record.model_dump_json()


def _some() -> TrialRecord:
    search = make_search(make_study(datasets=1, students=1))
    search.observe(do_work(search.propose()[0]))
    trial = search.propose()[0]
    assert isinstance(trial, TrialSpec)
    return trial_record(trial, hashed_score)


SOME = _some()

WRITER = """
import json, sys, time
from pathlib import Path
from study.ledger.record_files import Ledger
from trials.specs.records import parse_record

shared, own, folder, ready, go = json.loads(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5]
records = [parse_record(values) for values in json.loads(Path(own).read_text())]
shared = [parse_record(values) for values in json.loads(Path(shared).read_text())]
ready.touch()
while not Path(go).exists():
    time.sleep(0.001)
ledger = Ledger(folder)
print(json.dumps([record.record_id for record in shared + records if ledger.write(record)]))
"""


def test_writers_at_once_write_each_record_once(tmp_path: Path, ledger: Ledger, records: list[Record]) -> None:
    def dump(name: str, some: list[Record], mark: int) -> str:
        values: list[Any] = [json.loads(record.model_dump_json()) for record in some]
        for value in values:
            value["run"]["host"] = f"host{mark}"  # what they write of one record differs
        (tmp_path / name).write_text(json.dumps(values))
        return str(tmp_path / name)

    count, shared = 4, records[:25]
    go = tmp_path / "go"
    writers = []
    for mark in range(count):
        own = records[25 + 3 * mark : 28 + 3 * mark]
        arguments = [json.dumps(dump(f"shared{mark}", shared, mark)), dump(f"own{mark}", own, mark)]
        arguments += [str(ledger.folder), str(tmp_path / f"ready{mark}"), str(go)]
        command = [sys.executable, "-c", WRITER, *arguments]
        writers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=TESTS.parent))
    while not all((tmp_path / f"ready{mark}").exists() for mark in range(count)):
        assert all(writer.poll() is None for writer in writers)
    go.touch()
    written = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
    claimed = [record_id for one in written for record_id in one]
    # every record was written by exactly one of them
    assert sorted(claimed) == sorted(record.record_id for record in records[: 25 + 3 * count])
    # and is whole, in its writer's words
    read = {record.record_id: record for record in ledger.refresh()}
    assert read.keys() == set(claimed)
    assert all(read[name].run.host == f"host{mark}" for mark, one in enumerate(written) for name in one)
    assert ledger.bad_files == []
    assert files(ledger) == sorted(f"{name}.json" for name in claimed)
