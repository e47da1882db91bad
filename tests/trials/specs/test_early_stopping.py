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

from trials.specs.early_stopping import EarlyStopper, RuleName, StoppingRule, reason_to_stop

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


def run_beside(oracle: TrialScheduler, stopping: StoppingRule, trials: list[FakeTrial], chance: random.Random) -> int:
    """Ask our rule and Tune's scheduler the same, and compare; returns how many were stopped."""
    controller = SimpleNamespace(get_live_trials=list)
    for trial in trials:
        oracle.on_trial_add(controller, trial)
    stopper, stopped = EarlyStopper(), []

    def stops(trial: FakeTrial) -> bool:
        epoch, score = trial.seen[-1]
        theirs = oracle.on_trial_result(controller, trial, {"epoch": epoch, "score": score})
        ours = stopper.reason_to_stop("case", trial.trial_id, trial.seen, stopping)
        assert (ours is not None) == (theirs == TrialScheduler.STOP), (trial.seen, stopper.curves)
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
    run_beside(oracle, StoppingRule(rule=RuleName.ASHA, grace_epochs=grace, reduction_factor=factor), *study)


@steady
@given(study=studies(), grace=st.sampled_from([0.5, 1, 2]), least=st.integers(1, 4))
def test_median_decides_as_tunes_scheduler(study, grace: float, least: int) -> None:
    how = {"time_attr": "epoch", "metric": "score", "mode": "max"}
    oracle = MedianStoppingRule(**how, grace_period=grace, min_samples_required=least)
    run_beside(oracle, StoppingRule(rule=RuleName.MEDIAN, grace_epochs=grace, least_trials=least), *study)


@pytest.mark.parametrize("rule", RuleName)
def test_comparison_with_tune_sees_both_answers(rule: RuleName) -> None:
    # the two tests above would say nothing if nobody was ever stopped
    trials = [FakeTrial(str(number), [(epoch, number / 10) for epoch in (1.0, 2.0, 3.0)]) for number in range(10)]
    how = {"time_attr": "epoch", "metric": "score", "mode": "max", "grace_period": 1}
    oracles = {
        RuleName.ASHA: AsyncHyperBandScheduler(**how, reduction_factor=3, stop_last_trials=False),
        RuleName.MEDIAN: MedianStoppingRule(**how, min_samples_required=3),
    }
    assert 0 < run_beside(oracles[rule], StoppingRule(rule=rule), trials, random.Random(3)) < 10


def test_words_say_where_and_against_what() -> None:
    others = {str(number): [(1.0, number / 10)] for number in range(1, 10)}  # .1 to .9: two thirds are below .6333
    said = reason_to_stop(StoppingRule(rule=RuleName.ASHA), [(1.0, 0.6)], others)
    assert said == "at epoch 1: validation 0.6000 is below 0.6333, which the best 1 in 3 of 9 trials reach there"
    said = reason_to_stop(StoppingRule(rule=RuleName.MEDIAN), [(0.5, 0.45), (1.0, 0.3)], others)
    assert said == "at epoch 1: best validation 0.4500 is below 0.5000, the median of the averages of 9 others"
    assert reason_to_stop(StoppingRule(rule=RuleName.ASHA), [(1.0, 0.64)], others) is None
    assert reason_to_stop(StoppingRule(rule=RuleName.MEDIAN), [(1.0, 0.5)], others) is None


def test_rungs_survive_the_rounding_of_epochs() -> None:
    # 9 of 30 steps are 0.3 epochs, and 3 times a tenth is a little more than that: it is the second rung all the same
    assert 0.1 * 3 > 9 / 30
    others = {str(number): [(0.1, 0.9), (9 / 30, 0.9)] for number in range(3)}
    stopping = StoppingRule(rule=RuleName.ASHA, grace_epochs=0.1)
    assert reason_to_stop(stopping, [(0.1, 0.9), (9 / 30, 0.1)], others) is not None
    assert reason_to_stop(stopping, [(0.1, 0.9), (8 / 30, 0.1)], others) is None


curves = st.lists(HALVES, min_size=1, max_size=4).map(lambda scores: [(n + 1.0, s) for n, s in enumerate(scores)])


@given(own=st.dictionaries(st.text(max_size=2), curves), others=st.dictionaries(st.text(max_size=2), curves), c=curves)
def test_scores_of_another_case_never_matter(own, others, c) -> None:
    for stopping in (StoppingRule(rule=RuleName.ASHA), StoppingRule(rule=RuleName.MEDIAN, least_trials=1)):
        alone, beside = EarlyStopper(), EarlyStopper()
        for trial_id, curve in own.items():
            alone.add_curve("one", trial_id, curve)
            beside.add_curve("one", trial_id, curve)
        for trial_id, curve in others.items():
            beside.add_curve("other", trial_id, curve)
        assert alone.reason_to_stop("one", "asked", c, stopping) == beside.reason_to_stop("one", "asked", c, stopping)


@given(known=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(1, 4))), chance=st.randoms())
def test_state_is_one_from_curves_in_any_order(known, chance: random.Random) -> None:
    # of one trial curves are beginnings of each other, and the longest counts, told once or twice
    told = [(case, str(trial), [(n + 1.0, hash((trial, n)) % 7) for n in range(size)]) for case, trial, size in known]
    one, other = EarlyStopper(), EarlyStopper()
    for each in told:
        one.reason_to_stop(*each, None)
    for each in chance.sample(told + told, 2 * len(told)):
        other.add_curve(*each)
    assert one.curves == other.curves


def test_exempt_trial_is_never_stopped_but_counts() -> None:
    stopper = EarlyStopper()
    for number in range(9):
        assert stopper.reason_to_stop("case", f"good {number}", [(1.0, 0.9)], None) is None
    assert stopper.reason_to_stop("case", "bad", [(1.0, 0.1)], None) is None
    assert stopper.reason_to_stop("case", "bad", [(1.0, 0.1)], StoppingRule(rule=RuleName.ASHA)) is not None
    assert stopper.reason_to_stop("fresh", "bad", [(1.0, 0.1)], StoppingRule(rule=RuleName.ASHA)) is None


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
        StoppingRule.model_validate(values)
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]
