"""Rules of early stopping: decisions against Ray Tune's own schedulers, cases apart, one state from any records."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

from trials.specs.early_stopping import Arbiter, Rule, Stopping, verdict

HALVES = st.integers(0, 8).map(lambda eighth: eighth / 8)  # scores with ties
EPOCHS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 10.0)
steady = settings(deadline=None, max_examples=70)


@dataclass(eq=False)
class FakeTrial:
    """What Tune's schedulers want of a trial."""

    trial_id: str
    curve: list[tuple[float, float]]
    seen: list[tuple[float, float]] = field(default_factory=list)


@st.composite
def studies(draw: st.DrawFn) -> tuple[list[FakeTrial], random.Random]:
    """Trials with curves of different lengths, validated at any of some epochs."""
    trials = []
    for number in range(draw(st.integers(1, 9))):
        epochs = sorted(draw(st.sets(st.sampled_from(EPOCHS), min_size=1)))
        trials.append(FakeTrial(str(number), [(epoch, draw(HALVES)) for epoch in epochs]))
    return trials, draw(st.randoms(use_true_random=False))


def validations(trials: list[FakeTrial], chance: random.Random, stops: Callable[[FakeTrial], bool]) -> Iterator[None]:
    """Let trials validate in any order until all have ended or stopped."""
    running = list(trials)
    while running:
        trial = chance.choice(running)
        trial.seen.append(trial.curve[len(trial.seen)])
        if stops(trial) or len(trial.seen) == len(trial.curve):
            running.remove(trial)
        yield


def run_beside(oracle: TrialScheduler, stopping: Stopping, trials: list[FakeTrial], chance: random.Random) -> int:
    """Ask our rule and Tune's scheduler the same, and compare; returns how many were stopped."""
    controller = SimpleNamespace(get_live_trials=list)
    for trial in trials:
        oracle.on_trial_add(controller, trial)
    arbiter, stopped = Arbiter(), []

    def stops(trial: FakeTrial) -> bool:
        epoch, score = trial.seen[-1]
        theirs = oracle.on_trial_result(controller, trial, {"epoch": epoch, "score": score})
        ours = arbiter.judge("case", trial.trial_id, trial.seen, stopping)
        assert (ours is not None) == (theirs == TrialScheduler.STOP), (trial.seen, arbiter.curves)
        stopped.append(ours is not None)
        return stopped[-1]

    for _ in validations(trials, chance, stops):
        pass
    return sum(stopped)


@steady
@given(study=studies(), grace=st.sampled_from([0.5, 1, 2]), factor=st.sampled_from([2, 3, 4]))
def test_asha_decides_as_tunes_scheduler(study, grace: float, factor: float) -> None:
    how = {"time_attr": "epoch", "metric": "score", "mode": "max", "max_t": 100}
    oracle = AsyncHyperBandScheduler(**how, grace_period=grace, reduction_factor=factor, stop_last_trials=False)
    run_beside(oracle, Stopping(rule=Rule.ASHA, grace_epochs=grace, reduction_factor=factor), *study)


@steady
@given(study=studies(), grace=st.sampled_from([0.5, 1, 2]), least=st.integers(1, 4))
def test_median_decides_as_tunes_scheduler(study, grace: float, least: int) -> None:
    how = {"time_attr": "epoch", "metric": "score", "mode": "max"}
    oracle = MedianStoppingRule(**how, grace_period=grace, min_samples_required=least)
    run_beside(oracle, Stopping(rule=Rule.MEDIAN, grace_epochs=grace, least_trials=least), *study)


@pytest.mark.parametrize("rule", Rule)
def test_comparison_with_tune_sees_both_answers(rule: Rule) -> None:
    # the two tests above would say nothing if nobody was ever stopped
    trials = [FakeTrial(str(number), [(epoch, number / 10) for epoch in (1.0, 2.0, 3.0)]) for number in range(10)]
    how = {"time_attr": "epoch", "metric": "score", "mode": "max", "grace_period": 1}
    oracles = {
        Rule.ASHA: AsyncHyperBandScheduler(**how, reduction_factor=3, stop_last_trials=False),
        Rule.MEDIAN: MedianStoppingRule(**how, min_samples_required=3),
    }
    assert 0 < run_beside(oracles[rule], Stopping(rule=rule), trials, random.Random(3)) < 10


def test_words_say_where_and_against_what() -> None:
    others = {str(number): [(1.0, number / 10)] for number in range(1, 10)}  # .1 to .9: two thirds are below .6333
    said = verdict(Stopping(rule=Rule.ASHA), [(1.0, 0.6)], others)
    assert said == "at epoch 1: validation 0.6000 is below 0.6333, which the best 1 in 3 of 9 trials reach there"
    said = verdict(Stopping(rule=Rule.MEDIAN), [(0.5, 0.45), (1.0, 0.3)], others)
    assert said == "at epoch 1: best validation 0.4500 is below 0.5000, the median of the averages of 9 others"
    assert verdict(Stopping(rule=Rule.ASHA), [(1.0, 0.64)], others) is None
    assert verdict(Stopping(rule=Rule.MEDIAN), [(1.0, 0.5)], others) is None


def test_rungs_survive_the_rounding_of_epochs() -> None:
    # 9 of 30 steps are 0.3 epochs, and 3 times a tenth is a little more than that: it is the second rung all the same
    assert 0.1 * 3 > 9 / 30
    others = {str(number): [(0.1, 0.9), (9 / 30, 0.9)] for number in range(3)}
    stopping = Stopping(rule=Rule.ASHA, grace_epochs=0.1)
    assert verdict(stopping, [(0.1, 0.9), (9 / 30, 0.1)], others) is not None
    assert verdict(stopping, [(0.1, 0.9), (8 / 30, 0.1)], others) is None


curves = st.lists(HALVES, min_size=1, max_size=4).map(lambda scores: [(n + 1.0, s) for n, s in enumerate(scores)])


@given(own=st.dictionaries(st.text(max_size=2), curves), others=st.dictionaries(st.text(max_size=2), curves), c=curves)
def test_scores_of_another_case_never_matter(own, others, c) -> None:
    for stopping in (Stopping(rule=Rule.ASHA), Stopping(rule=Rule.MEDIAN, least_trials=1)):
        alone, beside = Arbiter(), Arbiter()
        for trial_id, curve in own.items():
            alone.learn("one", trial_id, curve)
            beside.learn("one", trial_id, curve)
        for trial_id, curve in others.items():
            beside.learn("other", trial_id, curve)
        assert alone.judge("one", "asked", c, stopping) == beside.judge("one", "asked", c, stopping)


@given(known=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 4))), chance=st.randoms())
def test_state_is_one_from_curves_in_any_order(known, chance: random.Random) -> None:
    # of one trial curves are beginnings of each other, and the longest counts, told once or twice
    told = [(case, str(trial), [(n + 1.0, hash((trial, n)) % 7) for n in range(size)]) for case, trial, size in known]
    one, other = Arbiter(), Arbiter()
    for each in told:
        one.judge(*each, None)
    for each in chance.sample(told + told, 2 * len(told)):
        other.learn(*each)
    assert one.curves == other.curves


def test_exempt_trial_is_never_stopped_but_counts() -> None:
    arbiter = Arbiter()
    for number in range(9):
        assert arbiter.judge("case", f"good {number}", [(1.0, 0.9)], None) is None
    assert arbiter.judge("case", "bad", [(1.0, 0.1)], None) is None
    assert arbiter.judge("case", "bad", [(1.0, 0.1)], Stopping(rule=Rule.ASHA)) is not None
    assert arbiter.judge("fresh", "bad", [(1.0, 0.1)], Stopping(rule=Rule.ASHA)) is None


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"rule": "asha", "least_trials": 5}, "least_trials"),
        ({"rule": "median", "reduction_factor": 2}, "reduction_factor"),
        ({"rule": "asha", "reduction_factor": 1}, "reduction_factor"),
        ({"rule": "asha", "grace_epochs": 0}, "grace_epochs"),
        ({"rule": "asha", "grace_epochs": float("inf")}, "grace_epochs"),
        ({"rule": "median", "least_trials": 0}, "least_trials"),
        ({"rule": "hyperband"}, "rule"),
        ({}, "rule"),
        ({"rule": "asha", "grace": 2}, "grace"),
    ],
)
def test_faulty_settings_are_refused(values: dict[str, object], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Stopping.model_validate(values)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]
