"""Rewards, the stable configuration and the lazy baseline."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import do_work, hashed_score, make_search, make_study, run_study, trial_record

from search_spaces.configuration import Configuration, Distance, TeacherCheckpoint
from search_spaces.space import SearchSpace, load_space
from study.search.searchers.chain import Candidate
from study.search.searchers.greedy import Step
from study.search.searchers.reference_configurations import lazy_choice, rewards, stable_choice
from study.search.study_search import StudySearch
from trials.specs.records import Status, TeacherRecord
from trials.specs.trial import TeacherTask, TrialSpec

PAPER = load_space("paper_a")
ALTERNATIVES = dict(PAPER.alternatives())
SMALL = SearchSpace.model_validate(
    {
        "name": "small",
        "choices": PAPER.choices.model_dump(),
        "soft_label_weight": {"default": 1.0, "then": [0.5]},
        "learning_rates": [1e-4],
        "temperature": {"start": 1, "stop": 4, "num": 2, "fine": 1, "default": 4},
    }
)

scores = st.none() | st.integers(0, 4).map(lambda n: n / 4)
outcomes = st.lists(st.tuples(st.sampled_from(sorted(ALTERNATIVES)), scores, scores), max_size=30)


def make_step(parameter: str, before: float | None, after: float | None, space: SearchSpace = PAPER) -> Step:
    changed: Any = {parameter: dict(space.alternatives())[parameter]}
    return Step(parameter, Candidate(space.default(), before), Candidate(replace(space.default(), **changed), after))


@given(outcomes)
def test_rewards_are_wins_minus_losses(drawn: list[tuple[str, float | None, float | None]]) -> None:
    found = {reward.parameter: reward for reward in rewards([make_step(*step) for step in drawn], PAPER)}
    assert list(found) == list(PAPER.order)
    counts: Counter[tuple[str, str]] = Counter()
    for parameter, before, after in drawn:
        # a failed trial is worse than any score, and two failures are a tie
        low, high = (float("-inf") if score is None else score for score in (before, after))
        counts[parameter, "win" if high > low else "loss" if high < low else "tie"] += 1
    for name, reward in found.items():
        assert (reward.wins, reward.losses, reward.ties) == tuple(counts[name, kind] for kind in ("win", "loss", "tie"))
        # A, section 4: +1 where the alternative is better, -1 where the default is
        assert reward.reward == counts[name, "win"] - counts[name, "loss"]
        assert reward.default == str(getattr(PAPER.default(), name))
        assert reward.alternative == str(ALTERNATIVES[name])


@given(outcomes)
def test_stable_choice_takes_alternatives_of_positive_reward(
    drawn: list[tuple[str, float | None, float | None]],
) -> None:
    steps = [make_step(*step) for step in drawn]
    choice = stable_choice(steps, PAPER)
    for reward in rewards(steps, PAPER):
        value = reward.alternative if reward.reward > 0 else reward.default
        assert str(getattr(choice, reward.parameter)) == value
    # the tuned parameters and alpha are the defaults'
    for name in ("soft_label_weight", "temperature", "learning_rate"):
        assert getattr(choice, name) == getattr(PAPER.default(), name)


def test_stable_choice_of_a_balance_is_the_default() -> None:
    steps = [make_step("distance", 0.5, 0.9), make_step("distance", 0.51, 0.5)]
    # one win and one loss, however large the win: 0 is not above 0
    assert stable_choice(steps, PAPER) == PAPER.default()
    assert stable_choice([*steps, make_step("distance", 0.5, 0.6)], PAPER).distance == "mse"


def test_merged_step_is_a_tie() -> None:
    same = Candidate(PAPER.default(), 0.7)
    found = {r.parameter: r for r in rewards([Step("teacher_checkpoint", same, same)], PAPER)}
    reward = found["teacher_checkpoint"]
    assert (reward.wins, reward.losses, reward.ties) == (0, 0, 1)


def test_rewards_come_from_validation() -> None:
    # the alternatives are better on test and worse on validation
    def score(trial: TrialSpec) -> tuple[float, float]:
        changed = trial.configuration.distance is Distance.MSE
        return (0.6, 0.9) if changed else (0.8, 0.1)

    study = make_study(space=SMALL)
    search = make_search(study, run_study(study, score))
    found = {reward.parameter: reward for reward in rewards(search.steps, SMALL)}
    assert found["distance"].reward == -len(study.triples) == -4
    assert search.stable_choice == SMALL.default()


def test_one_checkpoint_ties_everywhere() -> None:
    study = make_study(space=SMALL)
    search = make_search(study, run_study(study, one_checkpoint=True))
    found = {reward.parameter: reward for reward in rewards(search.steps, SMALL)}
    reward = found["teacher_checkpoint"]
    assert (reward.wins, reward.losses, reward.ties) == (0, 0, 4)


def test_lazy_choice_is_the_same_for_ever() -> None:
    # a change of the draw would run every study's lazy trials again
    drawn = [str(lazy_choice(PAPER, f"teacher/{n}L/data")) for n in (2, 3, 4)]
    assert drawn == [
        "mse lowest_loss ts=one alpha=1 t=1 lr=1e-05",
        "ce lowest_loss ts=one alpha=1 t=1 lr=1e-05",
        "mse lowest_loss ts=one alpha=1 t=1 lr=1e-05",
    ]


@given(st.text())
def test_lazy_choice_has_temperature_one(triple_id: str) -> None:
    choice = lazy_choice(PAPER, triple_id)
    assert choice.temperature == 1.0
    assert choice == lazy_choice(PAPER, triple_id)
    default = PAPER.default()
    assert (choice.soft_label_weight, choice.learning_rate) == (default.soft_label_weight, default.learning_rate)


def test_lazy_choice_reaches_every_combination() -> None:
    drawn = Counter(lazy_choice(PAPER, f"teacher/student/data{n}") for n in range(800))
    assert len(drawn) == 8
    # 100 each are expected, with a standard deviation of 9.4
    assert min(drawn.values()) > 100 - 5 * 9.4


def test_lazy_trials_tune_the_learning_rate_only() -> None:
    study = make_study(space=SMALL.model_copy(update={"learning_rates": (1e-4, 3e-4)}))
    search = make_search(study, run_study(study))
    for triple in search.triples.values():
        assert triple.lazy is not None
        assert triple.lazy.candidate is not None
        choice = triple.lazy.candidate.choice
        assert choice.temperature == 1.0
        both = [replace(choice, learning_rate=rate).canonical() for rate in (1e-4, 3e-4)]
        tried = [triple.records(configuration)[0].validation_score for configuration in both]
        assert triple.lazy.candidate.score == max(score for score in tried if score is not None)


def test_lazy_follows_the_search() -> None:
    study = make_study(datasets=1, students=1, space=SMALL, search={"space": SMALL, "evaluate": ("lazy",)})
    search = make_search(study)
    while work := search.propose():
        for triple in search.triples.values():
            assert (triple.lazy is not None) == triple.searched
        search.observe(do_work(work[0]))


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_stable_phase_starts_when_every_search_has_ended(chance: Any) -> None:
    study = make_study(space=SMALL)
    search = make_search(study)
    while work := search.propose():
        searched = [name for name, triple in search.triples.items() if triple.searched]
        started = [triple.stable is not None for triple in search.triples.values()]
        if len(searched) < len(study.triples):
            assert search.stable_choice is None
            assert not any(started)
        else:
            assert search.stable_choice is not None
            assert all(started)
        search.observe(do_work(chance.choice(work)))
    check_evaluated(search, failed=set())


def test_failed_chain_does_not_block_the_stable_phase() -> None:
    def score(trial: TrialSpec) -> tuple[float, float] | None:
        return None if trial.triple.triple_id == "teacher/2L/data0" else hashed_score(trial)

    study = make_study(space=SMALL)
    search = make_search(study, run_study(study, score))
    assert search.finished
    assert set(search.failures) == {"teacher/2L/data0"}
    check_evaluated(search, failed={"teacher/2L/data0"})


@pytest.mark.parametrize("last", [False, True])
def test_failed_teacher_does_not_block_the_stable_phase(last: bool) -> None:
    study = make_study(space=SMALL)
    search = make_search(study)
    bad, good = search.propose()
    assert isinstance(bad, TeacherTask)
    failed = TeacherRecord(task=bad, status=Status.FAILED, reason="no such split", run=do_work(good).run)
    if not last:
        search.observe(failed)
    while work := [task for task in search.propose() if task != bad]:
        search.observe(do_work(work[0]))
    if last:  # the other triples' searches waited for this one's
        assert search.stable_choice is None
        search.observe(failed)
        while work := search.propose():
            search.observe(do_work(work[0]))
    assert set(search.failures) == {"teacher/2L/data0", "teacher/3L/data0"}
    check_evaluated(search, failed=set(search.failures))


def test_all_chains_failed_leave_no_stable_choice_to_evaluate() -> None:
    study = make_study(space=SMALL)
    records = run_study(study, lambda trial: None)
    search = make_search(study, records)
    assert search.finished
    assert len(search.failures) == 4
    assert all(triple.stable is None for triple in search.triples.values())


def test_stable_trials_of_one_checkpoint_are_of_that_checkpoint() -> None:
    search = make_search(make_study(datasets=1, students=1, space=SMALL))
    (task,) = search.propose()
    search.observe(do_work(task, one_checkpoint=True))
    (triple,) = search.triples.values()
    triple.evaluate_stable(replace(SMALL.default(), teacher_checkpoint=TeacherCheckpoint.LOWEST_LOSS))
    asked: list[Configuration] = [trial.configuration for trial in triple.propose()]
    assert {c.teacher_checkpoint for c in asked} == {"highest_score"}
    search.observe(trial_record(triple.propose()[0], hashed_score))


def check_evaluated(search: StudySearch, failed: set[str]) -> None:
    choice = search.stable_choice
    assert choice is not None
    for name, triple in search.triples.items():
        assert (triple.stable is not None) == (name not in failed)
        if triple.stable is not None:
            assert triple.stable.candidate is not None
            tuned = triple.stable.candidate.choice
            assert replace(tuned, temperature=choice.temperature, learning_rate=choice.learning_rate) == choice
