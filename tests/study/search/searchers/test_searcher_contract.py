"""What every searcher promises, whatever its strategy: a new one adds one line to `STRATEGIES` of searcher_cases."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searcher_cases import STRATEGIES, build, every_strategy, identity, ids, some_fail
from simulation import Scores, do_work, hashed_score, make_search, run_study

from study.config.study_file import Study
from study.search.study_search import StudySearch
from trials.specs.records import Record, Status, TeacherRecord
from trials.specs.trial import TeacherTask, TrialSpec
from trials.specs.work import Work

# the `search` of a study file, without its space
ANY_ORDER = partial(random.Random, 1)  # the order in which workers end, where it is not drawn
light = settings(deadline=None, max_examples=10)


def proposed(search: StudySearch) -> set[str]:
    return {identity(work) for work in search.propose()}


def all_fail(trial: TrialSpec) -> None:
    """Every trial fails."""


def with_seed(trial: TrialSpec, seed: int) -> TrialSpec:
    """Built anew: a copy by pydantic would keep the trial's cached id."""
    return TrialSpec(**{**{name: getattr(trial, name) for name in TrialSpec.model_fields}, "seed": seed})


def seedless(trial: TrialSpec) -> tuple[float, float]:
    """Scores that do not depend on the seed, so that one more seed changes no decision."""
    return hashed_score(with_seed(trial, 0))


OUTCOMES: dict[str, Scores] = {"scores": hashed_score, "failures": some_fail, "all_fail": all_fail}
every_outcome = pytest.mark.parametrize("outcome", OUTCOMES)


@cache
def finished(strategy: str, outcome: str) -> tuple[Study, tuple[Record, ...]]:
    study = build(strategy)
    return study, tuple(run_study(study, OUTCOMES[outcome]))


@dataclass
class Workers:
    """Runs a study with several workers, who end their work in any order."""

    study: Study
    scores: Scores = hashed_score
    records: list[Record] = field(default_factory=list)
    limit: int = 2000

    def run(self, chance: random.Random, workers: int) -> list[Record]:
        """Run to the end; the records in the order of their making."""
        search, made = make_search(self.study, self.records), []
        running: dict[str, Work] = {}
        while True:
            wanted = {identity(work): work for work in search.propose()}
            # what is running is still wanted: no worker trains in vain
            assert running.keys() <= wanted.keys()
            for key in list(wanted.keys() - running.keys())[: workers - len(running)]:
                running[key] = wanted[key]
            if not running:
                return made
            done = running.pop(chance.choice(sorted(running)))
            made.append(do_work(done, self.scores))
            search.observe(made[-1])
            assert len(made) < self.limit, "the search does not end"


@every_strategy
@every_outcome
def test_search_ends_and_says_so(strategy: str, outcome: str) -> None:
    study, records = finished(strategy, outcome)
    search = make_search(study, list(records))
    assert search.finished
    assert search.propose() == []
    assert all(triple.finished for triple in search.triples.values())
    assert (set(search.failures) == {t.triple_id for t in study.triples}) == (outcome == "all_fail")


@every_strategy
@every_outcome
def test_propose_has_no_duplicates_and_nothing_with_a_record(strategy: str, outcome: str) -> None:
    study, records = finished(strategy, outcome)
    search, seen = make_search(study), set()
    for record in records:
        wanted = [identity(work) for work in search.propose()]
        assert len(wanted) == len(set(wanted))
        assert not seen & set(wanted)
        search.observe(record)
        seen.add(record.record_id)
    # each was run once
    assert len(seen) == len(records)


@every_strategy
@every_outcome
def test_propose_is_pure(strategy: str, outcome: str) -> None:
    study, records = finished(strategy, outcome)
    search = make_search(study, list(records[: len(records) // 2]))
    assert search.propose() == search.propose()


@every_strategy
@every_outcome
@light
@given(data=st.data())
def test_replay_of_any_records_in_any_order_is_one_state(strategy: str, outcome: str, data: st.DataObject) -> None:
    study, records = finished(strategy, outcome)
    size = data.draw(st.integers(0, len(records)))
    chance = data.draw(st.randoms(use_true_random=False))
    some = chance.sample(records, size)
    replayed = make_search(study, some)
    # records that came one by one, or in another order, or twice, lead to the same proposals
    observed = make_search(study)
    for record in chance.sample(some, size):
        observed.observe(record)
    twice = make_search(study, [*some, *reversed(some)])
    assert proposed(replayed) == proposed(observed) == proposed(twice)
    assert not proposed(replayed) & ids(some)
    assert list(replayed.failures) == list(observed.failures)
    assert replayed.stable_choice == observed.stable_choice


@every_strategy
@every_outcome
@light
@given(data=st.data())
def test_going_on_from_any_records_leads_to_the_same_end(strategy: str, outcome: str, data: st.DataObject) -> None:
    study, records = finished(strategy, outcome)
    chance = data.draw(st.randoms(use_true_random=False))
    some = chance.sample(records, data.draw(st.integers(0, len(records))))
    workers = data.draw(st.integers(1, 9))
    made = Workers(study, OUTCOMES[outcome], some).run(chance, workers)
    # the uninterrupted run's records, none of them made again, whatever was lost and however many workers go on
    assert ids(made) == ids(records) - ids(some)
    assert len(made) == len(ids(made))


@every_strategy
def test_failed_trials_are_decided(strategy: str) -> None:
    study, records = finished(strategy, "failures")
    failed = [r for r in records if not isinstance(r, TeacherRecord) and r.status is Status.FAILED]
    assert failed
    search = make_search(study, failed)
    assert not proposed(search) & ids(failed)


@every_strategy
def test_failed_teacher_is_decided(strategy: str) -> None:
    study = build(strategy, datasets=2, students=1)
    search = make_search(study)
    first, second = search.propose()
    assert isinstance(first, TeacherTask)
    done = do_work(first)
    failed = done.model_copy(
        update={"status": Status.FAILED, "reason": "the loss is nan", "highest_score": None, "lowest_loss": None}
    )
    search.observe(failed)
    # its chains have failed, with its reason; the other teacher's go on
    assert search.propose() == [second]
    assert search.failures == {"teacher/2L/data0": "teacher teacher: the loss is nan"}
    made = Workers(study, records=[failed]).run(ANY_ORDER(), 3)
    assert {r.triple_id for r in made if not isinstance(r, TeacherRecord)} == {"teacher/2L/data1"}
    assert make_search(study, [failed, *made]).finished


@every_strategy
def test_trials_wait_for_their_teacher_alone(strategy: str) -> None:
    study = build(strategy, datasets=2, students=1)
    search = make_search(study)
    teachers = search.propose()
    assert [type(work) for work in teachers] == [TeacherTask, TeacherTask]
    search.observe(do_work(teachers[1]))
    assert {w.triple.dataset.name for w in search.propose() if isinstance(w, TrialSpec)} == {"data1"}


@every_strategy
def test_records_of_other_contents_are_ignored(strategy: str) -> None:
    study, records = finished(strategy, "scores")
    foreign = [
        r if isinstance(r, TeacherRecord) else r.model_copy(update={"spec": with_seed(r.spec, 99)}) for r in records
    ]
    teachers = [r for r in records if isinstance(r, TeacherRecord)]
    assert proposed(make_search(study, foreign)) == proposed(make_search(study, teachers)) != set()


EXTENSIONS: dict[str, dict[str, Any]] = {
    "student": {"students": 3},
    "dataset": {"datasets": 2},
    "alpha": {"weights": (0.5, 0.9)},
    "seed": {"seeds": (13, 14)},
}


@every_strategy
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_extension_runs_only_what_is_new(strategy: str, extension: str) -> None:
    study, extended = build(strategy), build(strategy, **EXTENSIONS[extension])
    before = run_study(study, hashed_score)
    made = Workers(extended, hashed_score, list(before)).run(ANY_ORDER(), 4)
    whole = run_study(extended, hashed_score)
    # exactly what the extended study would run from scratch, less what is there
    assert ids(made) == ids(whole) - ids(before)
    assert made
    assert len(made) < len(whole)
    assert make_search(extended, [*before, *made]).finished


# but of TPE in another space, whose proposals are others
@pytest.mark.parametrize(
    ("strategy", "extension"), sorted({*itertools.product(STRATEGIES, EXTENSIONS)} - {("tpe", "alpha")})
)
def test_extension_has_the_new_value(strategy: str, extension: str) -> None:
    # without the stable configuration, which more triples may change, every new trial is a trial of the new value
    study = build(strategy, evaluate=("lazy",))
    extended = build(strategy, evaluate=("lazy",), **EXTENSIONS[extension])
    before = run_study(study, seedless)
    made = Workers(extended, seedless, list(before)).run(ANY_ORDER(), 4)
    trials = [record.spec for record in made if not isinstance(record, TeacherRecord)]
    new = {
        "student": lambda trial: trial.triple.student.name == "4L",
        "dataset": lambda trial: trial.triple.dataset.name == "data1",
        "alpha": lambda trial: trial.configuration.soft_label_weight == 0.9,
        "seed": lambda trial: trial.seed == 14,
    }[extension]
    assert trials
    assert all(new(trial) for trial in trials)
    # and only a new data set needs the teacher again
    assert len(trials) == len(made) - (extension == "dataset")
