"""Speculation: whatever is run ahead, the search asks for the same, decides the same, and analysis reads the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searcher_cases import STRATEGIES, build, identity, ids, some_fail
from simulation import Scores, do_work, drawn_score, hashed_score, make_search, make_study

from search_spaces.space import load_space
from study.config.study_file import Study
from study.search.searchers.chain import Chain
from study.search.speculation import Speculation, likely_requests
from study.search.study_search import StudySearch
from trials.specs.records import Record
from trials.specs.trial import TrialSpec
from trials.specs.work import Work

BUILDING = sorted(STRATEGIES.keys() - {"grid", "random", "tpe"})  # others ask once, or build on scores themselves


def run(study: Study, scores: Scores, workers: int, chance: random.Random | None, *, ahead: bool) -> list[Record]:
    """Run a study with several workers, who end in any order (or, without chance, in order); guesses fill idle ones."""
    search, made = make_search(study), list[Record]()
    speculation, running = Speculation(search), dict[str, Work]()
    while True:
        wanted = {identity(work): work for work in search.propose()}
        if not wanted:
            return made
        guessed = {spec.trial_id: spec for spec in speculation.propose()} if ahead else {}
        # what is asked for is no guess, nor is what has a record
        assert not guessed.keys() & ids(made)
        waiting = [key for key in (*wanted, *guessed) if key not in running]
        for key in dict.fromkeys(waiting[: workers - len(running)]):
            running[key] = wanted.get(key) or guessed[key]
        done = running.pop(chance.choice(sorted(running)) if chance else next(iter(running)))
        made.append(do_work(done, scores))
        search.observe(made[-1])


def found_by(study: Study, records: list[Record]) -> object:
    """All that a search finds."""
    search = make_search(study, records)
    assert search.finished
    triples = {
        name: (
            triple.search.steps,
            triple.search.incumbent,
            triple.search.candidates,
            triple.chain.tried,
            triple.lazy and triple.lazy.candidate,
            triple.stable and triple.stable.candidate,
        )
        for name, triple in search.triples.items()
    }
    return triples, search.stable_choice, search.failures, search.num_trials


def check_decisions(study: Study, scores: Scores, workers: int, plain: random.Random, ahead: random.Random) -> None:
    """What the undisturbed search asks for is run, all of it once, and decides the same."""
    undisturbed = run(study, scores, workers, plain, ahead=False)
    made = run(study, scores, workers, ahead, ahead=True)
    assert len(ids(made)) == len(made)
    assert ids(undisturbed) <= ids(made)
    assert found_by(study, made) == found_by(study, undisturbed)
    # and what it does not ask for is named
    assert ids(make_search(study, made).extra_trials) == ids(made) - ids(undisturbed)


@pytest.mark.parametrize("strategy", ["coordinate", "experiments", "joint"])
@settings(deadline=None, max_examples=3)
@given(salt=st.integers(0, 10**6), workers=st.integers(2, 12), fails=st.booleans(), data=st.data())
def test_guesses_change_no_decision(strategy: str, salt: int, workers: int, fails: bool, data: st.DataObject) -> None:
    def scores(trial: TrialSpec) -> tuple[float, float] | None:
        return None if fails and some_fail(trial) is None else drawn_score(salt)(trial)

    orders = data.draw(st.randoms(use_true_random=False)), data.draw(st.randoms(use_true_random=False))
    check_decisions(build(strategy), scores, workers, *orders)


def test_guesses_change_no_decision_of_a_tuner_that_builds_on_values() -> None:
    orders = random.Random(1), random.Random(2)
    check_decisions(build("optuna", students=1), hashed_score, 6, *orders)


@pytest.mark.parametrize("strategy", BUILDING)
def test_right_guesses_shorten_a_search(strategy: str) -> None:
    study = build(strategy, students=1)
    rounds = []
    for ahead in (False, True):
        search, count = make_search(study), 0
        speculation = Speculation(search)
        while work := search.propose():
            guessed = speculation.propose()[: 12 - len(work)] if ahead else []
            for each in {identity(each): each for each in (*work, *guessed)}.values():
                search.observe(do_work(each))
            count += 1
        rounds.append(count)
    # each round all workers work side by side
    assert rounds[1] < rounds[0]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES.keys() - set(BUILDING)))
def test_nothing_is_guessed_where_nothing_can_be(strategy: str) -> None:
    study = build(strategy)
    records = run(study, hashed_score, 3, None, ahead=False)
    for known in range(0, len(records), 12):
        assert Speculation(make_search(study, records[:known])).propose() == []


def test_what_is_certain_is_guessed_with_certainty() -> None:
    # at the end of the default's tuning the next step's trials are the same whichever temperature is best
    study = build("coordinate", students=1, evaluate=())
    search = make_search(study)
    while (chain := _chain(search)) is None or chain.requests_done < 2:
        for work in search.propose():
            search.observe(do_work(work))
    guesses = likely_requests(chain)
    for work in search.propose():
        search.observe(do_work(work))
    asked = {configuration for configuration, _ in chain.propose()}
    assert asked
    assert all(guesses[each] == pytest.approx(1) for each in asked)


def test_guesses_follow_the_best_known_score() -> None:
    # of three learning rates two are known: the better one stays the best with 2/3, the third becomes it with 1/3
    study = make_study(datasets=1, students=1, search={"space": load_space("paper_a"), "evaluate": ()})
    search = make_search(study)
    search.observe(do_work(search.propose()[0]))
    rates = search.propose()
    for work, score in zip(rates[:2], (0.5, 0.7), strict=True):
        search.observe(do_work(work, lambda _, score=score: (score, score)))
    chain = _chain(search)
    assert chain is not None
    # the next request holds each temperature at the best rate; none but it holds the highest one
    by_rate = {each.learning_rate: found for each, found in likely_requests(chain).items() if each.temperature == 64}
    first, second, third = (work.configuration.learning_rate for work in rates)
    assert by_rate.keys() == {second, third}
    assert (by_rate[second], by_rate[third]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert first not in by_rate


def test_chains_that_wait_for_blocked_work_are_left_alone() -> None:
    search = _half_done(build("coordinate"))
    speculation = Speculation(search)
    everybody = {spec.triple.triple_id for spec in speculation.propose()}
    blocked = search.propose()[0]
    others = {spec.triple.triple_id for spec in speculation.propose(stuck={identity(blocked)})}
    assert others == everybody - {blocked.triple.triple_id} != set()


@pytest.mark.parametrize("strategy", BUILDING)
def test_guessing_leaves_the_search_as_it_is(strategy: str) -> None:
    search = _half_done(build(strategy))
    triple = next(iter(search.triples.values()))

    def state() -> object:
        own = triple.search
        return list(own.candidates), list(own.steps), own.incumbent, triple.chain.tried, triple.propose()

    before = state()
    assert Speculation(search).propose() != []
    assert state() == before


def _chain(search: StudySearch) -> Chain | None:
    return next((triple.chain for triple in search.triples.values()), None)


def _half_done(study: Study) -> StudySearch:
    """A search whose first chains wait for a part of a request."""
    search = make_search(study)
    for _ in range(4):
        for work in search.propose()[:-1] or search.propose():
            search.observe(do_work(work))
    return search
