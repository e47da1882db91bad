"""Which trials come first: those of the chain with the most time left, as far as study and records tell."""

from __future__ import annotations

import random

import pytest
from searcher_cases import build, every_strategy
from simulation import do_work, make_search, make_study, run_study

from study.config.study_file import Study
from study.search.study_search import StudySearch
from trials.specs.records import Record, TeacherRecord, TrialRecord
from trials.specs.trial import TeacherTask, TrialSpec


def prepared(study: Study, rows: dict[str, int] | None = None) -> StudySearch:
    """A search whose teachers are ready, for data of some numbers of training rows."""
    search = make_search(study)
    for work in search.propose():
        record = do_work(work)
        assert isinstance(record, TeacherRecord)
        rows_of = {"train": (rows or {}).get(record.task.dataset.name, 1000)}
        search.observe(record.model_copy(update={"rows": rows_of}))
    return search


def order(search: StudySearch) -> list[str]:
    """Triples in the order of their trials, without the teacher's name."""
    return [started.triple.triple_id.removeprefix("teacher/") for started in search.triples_by_priority()]


def taking(record: Record, seconds: float) -> Record:
    return record.model_copy(update={"run": record.run.model_copy(update={"seconds": seconds})})


def test_without_records_larger_data_and_deeper_students_come_first() -> None:
    search = prepared(make_study(), {"data0": 1000, "data1": 3000})
    # 3000 rows times 3 and 2 layers, then 1000 times 3 and 2
    assert order(search) == ["3L/data1", "2L/data1", "3L/data0", "2L/data0"]


def test_measured_seconds_come_before_estimates() -> None:
    search = prepared(make_study(students=1, datasets=3), {"data0": 1000, "data1": 2000, "data2": 3000})
    assert order(search) == ["2L/data2", "2L/data1", "2L/data0"]
    # a trial on data0 takes 100 times as long as its size says; the estimates of the others rise by the same rate
    for work in [work for work in search.propose() if isinstance(work, TrialSpec)]:
        if work.triple.dataset.name == "data0":
            search.observe(taking(do_work(work), 100.0))
    assert order(search) == ["2L/data2", "2L/data1", "2L/data0"]
    search.observe(taking(do_work(search.triples_by_priority()[0].propose()[0]), 1.0))
    assert order(search) == ["2L/data1", "2L/data0", "2L/data2"]


def test_of_equal_trials_the_chain_that_has_done_least_comes_first() -> None:
    search = prepared(make_study(datasets=3, students=1))
    names = order(search)
    first = [work for work in search.propose() if isinstance(work, TrialSpec) and work.triple.dataset.name == "data0"]
    for work in first:
        search.observe(do_work(work))
    assert order(search) == [*names[1:], names[0]]


def test_teachers_with_more_to_do_for_come_first() -> None:
    study = make_study(datasets=2, students=2)
    fewer = tuple(
        (t.teacher.name, t.student.name, t.dataset.name) for t in study.triples if t.triple_id != "teacher/3L/data0"
    )
    config = study.config.model_copy(update={"triples": fewer})
    tasks = [work for work in make_search(Study(config, study.path)).propose() if isinstance(work, TeacherTask)]
    assert [task.dataset.name for task in tasks] == ["data1", "data0"]


@pytest.mark.parametrize("known", [5, 30, 60])
def test_order_is_a_function_of_the_records(known: int) -> None:
    study = build("coordinate", datasets=2)
    draw = random.Random(known)
    records = [taking(record, draw.uniform(1, 9)) for record in run_study(study)[:known]]
    first = make_search(study, records).propose()
    assert first
    observed = make_search(study)
    for record in draw.sample(records, len(records)):
        observed.observe(record)
    assert observed.propose() == first == make_search(study, [*records, *records]).propose()


def test_seconds_are_those_of_trials_that_were_asked_for() -> None:
    study = build("coordinate", students=1)
    records = run_study(study)
    trials = [record for record in records if isinstance(record, TrialRecord)]
    search = make_search(study, [records[0], *(taking(record, 1000.0) for record in trials[-2:])])
    (triple,) = search.triples.values()
    assert triple.seconds is None
    assert len(search.extra_trials) == 2
    assert search.num_trials == 0


@every_strategy
def test_number_of_requests_is_known_before(strategy: str) -> None:
    study = build(strategy, students=1)
    search = make_search(study)
    left = []
    while work := search.propose():
        left += [chain.requests_left for triple in search.triples.values() for chain in triple.chains[:1]]
        for each in work:
            search.observe(do_work(each))
    (triple,) = search.triples.values()
    # it counts down to nothing, by one for each request; requests that are known already are done at once
    assert left[0] == triple.chain.requests_done + 1
    assert left == sorted(left, reverse=True)
    assert all(chain.requests_left == 0 for chain in triple.chains)
