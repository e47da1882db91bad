"""A study's state from its ledger alone: content decides, not where it lies."""

from __future__ import annotations

from simulation import make_search, make_study, run_study

from study.search.fingerprints import Fingerprints
from study.search.pieces_of_work import work_name
from study.search.study_search import StudySearch, load_search
from trials.specs.dataset import DatasetSpec, TaskName
from trials.specs.records import TrialRecord
from trials.specs.student import StudentSpec
from trials.specs.trial import TeacherSpec
from trials.specs.work import SpeedSettings


def test_state_from_the_ledger_alone_is_the_state_of_the_launch():
    study = make_study()
    records = run_study(study)
    found = load_search(study, reversed(records))
    assert found.finished
    assert set(found.triples) == {triple.triple_id for triple in study.triples}


def test_models_and_data_that_moved_leave_a_finished_study_finished():
    records = run_study(make_study(datasets=1))
    study = make_study(datasets=1, teachers=[TeacherSpec(name="teacher", model="elsewhere")])
    path = DatasetSpec(name="data0", task=TaskName.CLASSIFICATION, path="/other/data0")
    moved = type(study)(study.config.model_copy(update={"datasets": (path,)}), study.path)
    assert load_search(moved, records).finished


def test_records_of_other_data_are_kept_but_not_used():
    study = make_study(datasets=1, students=1)
    records = run_study(study)
    models = Fingerprints.from_records(study, records).models
    changed = StudySearch(study, Fingerprints({"data0": "other content"}, models), records)
    # The teacher comes first again, then every trial
    assert [type(work).__name__ for work in changed.propose()] == ["TeacherTask"]
    assert len(changed.trials) == sum(isinstance(record, TrialRecord) for record in records)


def test_a_student_at_another_revision_is_another_student():
    students = [
        StudentSpec(name="old", source="org/model", revision="v1"),
        StudentSpec(name="new", source="org/model", revision="v2"),
    ]
    study = make_study(datasets=1, students=1)
    study = type(study)(study.config.model_copy(update={"students": tuple(students)}), study.path)
    assert study.student_source(students[0]) != study.student_source(students[1])


def test_response_times_come_last_one_at_a_time_and_once():
    study = make_study(speed=SpeedSettings(rounds=2))
    records = run_study(study)
    kinds = [record.kind for record in records]
    assert kinds[-2:] == ["speed", "speed"]
    assert "speed" not in kinds[:-2]
    search = make_search(study, records[:-2])
    first = search.propose()
    assert [work_name(work) for work in first] == ["response times on data0"]
    search.observe(records[-2])
    assert [work_name(work) for work in search.propose()] == ["response times on data1"]
    search.observe(records[-1])
    assert search.finished
    (teacher, dataset), _ = study.teacher_pairs
    found = search.speed_record(teacher, dataset)
    assert found == records[-2]
    assert [model.name for model in found.models] == ["teacher", "2L", "3L"]
    # A study that measures none has none
    assert make_search(make_study(), records).speed_record(teacher, dataset) is None


def test_response_times_of_other_students_are_others():
    study = make_study(speed=SpeedSettings())
    records = run_study(study)
    wider = make_study(speed=SpeedSettings(), students=3)
    assert make_search(wider, records).speed_record(*wider.teacher_pairs[0]) is None
