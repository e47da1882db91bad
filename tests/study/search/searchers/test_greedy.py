"""Greedy search against an oracle: the same search, written as plain code over a table of scores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import hashed_score, make_search, make_study, teacher_record, trial_record

from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint
from search_spaces.space import SearchSpace, load_space
from study.search.searchers.chain import Candidate, Chain, best_of
from study.search.searchers.greedy import GreedySearch
from study.search.searchers.tuning import Tuner, coordinate_tuner, joint_tuner, optuna_tpe_tuner
from trials.specs.trial import TeacherTask, TrialSpec

Table = Callable[[Configuration, int], float | None]
CHOICES = ("distance", "teacher_checkpoint", "student_temperature")
FIRST = {"distance": "ce", "teacher_checkpoint": "highest_score", "student_temperature": "equal"}
SECOND = {"distance": "mse", "teacher_checkpoint": "lowest_loss", "student_temperature": "one"}


# The oracle


@dataclass
class Oracle:
    """A's section 3 in plain loops; points are dicts, and nothing of the searchers is used."""

    space: SearchSpace
    table: Table
    seeds: Sequence[int]
    one_checkpoint: bool
    tune: str
    visited: set[tuple[Any, ...]] = field(default_factory=set)
    steps: list[tuple[str, bool, float | None, float | None]] = field(default_factory=list)
    winner: tuple[tuple[Any, ...], float | None] | None = None

    def search(self) -> None:
        best = self.tuned({**FIRST, "weight": self.space.soft_label_weight.default})
        score = self.score(best)
        if score is None:
            return
        for name in self.space.order:
            changed = {key: value for key, value in best.items() if key not in ("temperature", "rate")}
            other = self.tuned({**changed, name: SECOND[name]})
            best = self.compare(name, best, other)
        others = [{**best, "weight": w} for w in self.space.soft_label_weight.then if w != best["weight"]]
        if others:
            best = self.compare("soft_label_weight", best, self.first_best(others))
        self.winner = (self.key(best), self.score(best))

    def compare(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        before, after = self.score(old), self.score(new)
        better = after is not None and (before is None or after > before)
        self.steps.append((name, better, before, after))
        return new if better else old

    def tuned(self, choice: dict[str, Any]) -> dict[str, Any]:
        grid = [float(t) for t in self.space.temperature.coarse()]
        default = self.space.temperature.default
        if self.tune == "coordinate":
            best = self.first_best([{**choice, "rate": r, "temperature": default} for r in self.space.learning_rates])
            best = self.first_best([best] + [{**best, "temperature": t} for t in grid])
        else:
            best = self.first_best(
                [{**choice, "rate": r, "temperature": t} for r in self.space.learning_rates for t in grid]
            )
        at = grid.index(best["temperature"])
        low = grid[at - 1] if at > 0 else grid[at]
        high = grid[at + 1] if at + 1 < len(grid) else grid[at]
        parts = self.space.temperature.fine + 1
        fine = [round(low + (high - low) * part / parts, 4) for part in range(1, parts)]
        return self.first_best([best] + [{**best, "temperature": t} for t in fine])

    def first_best(self, points: list[dict[str, Any]]) -> dict[str, Any]:
        scores = [self.score(point) for point in points]
        known = [score for score in scores if score is not None]
        return points[scores.index(max(known))] if known else points[0]

    def score(self, point: dict[str, Any]) -> float | None:
        self.visited.add(self.key(point))
        scores = [self.table(configuration_of(self.key(point)), seed) for seed in self.seeds]
        return None if None in scores else sum(s for s in scores if s is not None) / len(scores)

    def key(self, point: dict[str, Any]) -> tuple[Any, ...]:
        """The trained point: MSE with ts = tt is free of the temperature, at temperature 1 both ts are 1."""
        temperature, student = point["temperature"], point["student_temperature"]
        if point["distance"] == "mse" and student == "equal":
            temperature = 1.0
        checkpoint = "highest_score" if self.one_checkpoint else point["teacher_checkpoint"]
        student = "equal" if temperature == 1 else student
        return point["distance"], checkpoint, student, point["weight"], temperature, point["rate"]


def configuration_of(key: tuple[Any, ...]) -> Configuration:
    distance, checkpoint, student, weight, temperature, rate = key
    return Configuration(
        Distance(distance), TeacherCheckpoint(checkpoint), StudentTemperature(student), weight, temperature, rate
    )


# The searcher, driven by hand


def run_greedy(
    space: SearchSpace,
    table: Table,
    *,
    seeds: Sequence[int] = (13,),
    one_checkpoint: bool = False,
    tuner: Tuner = coordinate_tuner,
) -> tuple[GreedySearch, Chain, set[Configuration]]:
    """The search, its chain and the configurations that it asked for."""
    known: dict[tuple[Configuration, int], tuple[float | None]] = {}
    search = GreedySearch(space, tuner, one_checkpoint=one_checkpoint)
    chain = Chain(search, seeds, lambda configuration, seed: known.get((configuration, seed)))
    while not chain.finished:
        proposed = chain.propose()
        assert proposed
        # a trial is asked for once
        assert not known.keys() & set(proposed)
        known.update({(c, seed): (table(c, seed),) for c, seed in proposed})
        chain.advance()
    return search, chain, {configuration for configuration, _ in known}


def random_table(salt: int, levels: int, failing: float = 0.0) -> Table:
    """A reproducible table of few levels, so that ties are common; a share of its entries failed."""

    def score(configuration: Configuration, seed: int) -> float | None:
        noise = hashlib.sha256(f"{salt} {configuration} {seed}".encode()).digest()
        return None if noise[0] < 256 * failing else noise[1] % levels / levels

    return score


def preferring(**liked: str) -> Table:
    """A table in which some choices add a point each."""
    return lambda configuration, _: float(sum(getattr(configuration, name) == v for name, v in liked.items()))


def make_space(**changes: Any) -> SearchSpace:
    values: dict[str, Any] = {
        "name": "small",
        "choices": {name: [FIRST[name], SECOND[name]] for name in CHOICES},
        "soft_label_weight": {"default": 1.0, "then": [0.3, 0.6]},
        "learning_rates": [1e-4, 3e-4],
        "temperature": {"start": 1, "stop": 16, "num": 5, "fine": 3, "default": 2},
    }
    return SearchSpace.model_validate({**values, **changes})


spaces = st.builds(
    make_space,
    order=st.permutations(CHOICES),
    soft_label_weight=st.fixed_dictionaries(
        {"default": st.just(1.0), "then": st.lists(st.sampled_from([0.1, 0.5, 0.9, 1.0]), max_size=3, unique=True)}
    ),
    learning_rates=st.lists(st.sampled_from([1e-5, 3e-5, 5e-5]), min_size=1, max_size=3, unique=True),
    temperature=st.sampled_from(
        [
            {"start": 1, "stop": 16, "num": 5, "fine": 3, "default": 2},
            {"start": 1, "stop": 64, "num": 7, "fine": 4, "default": 2},
            {"start": 2, "stop": 8, "num": 3, "fine": 1, "default": 8},
            {"start": 1, "stop": 4, "num": 2, "fine": 0, "default": 1},
            {"start": 4, "stop": 4, "num": 1, "fine": 2, "default": 4},
        ]
    ),
)
tables = st.builds(random_table, st.integers(0, 10**9), st.integers(2, 50), st.sampled_from([0.0, 0.0, 0.1, 0.4]))
TUNERS = {"coordinate": coordinate_tuner, "joint": joint_tuner}


@settings(deadline=None, max_examples=200)
@given(spaces, tables, st.sampled_from([(13,), (13, 14)]), st.booleans(), st.sampled_from(sorted(TUNERS)))
def test_greedy_is_the_oracle(
    space: SearchSpace, table: Table, seeds: tuple[int, ...], one_checkpoint: bool, tune: str
) -> None:
    oracle = Oracle(space, table, seeds, one_checkpoint, tune)
    oracle.search()
    search, chain, asked = run_greedy(space, table, seeds=seeds, one_checkpoint=one_checkpoint, tuner=TUNERS[tune])
    assert asked == {configuration_of(key) for key in oracle.visited}
    assert [(s.parameter, s.accepted, s.before.score, s.after.score) for s in search.steps] == oracle.steps
    assert (chain.failure is not None) == (oracle.winner is None)
    if oracle.winner is not None:
        assert search.incumbent is not None
        key, score = oracle.winner
        assert (search.incumbent.configuration, search.incumbent.score) == (configuration_of(key), score)


@settings(deadline=None)
@given(spaces, tables, st.booleans(), st.sampled_from(sorted(TUNERS)))
def test_greedy_visits_points_of_the_exhaustive_grid_only(
    space: SearchSpace, table: Table, one_checkpoint: bool, tune: str
) -> None:
    # so that nothing that it finds is better than the best of the grid
    _, _, asked = run_greedy(space, table, one_checkpoint=one_checkpoint, tuner=TUNERS[tune])
    assert asked <= set(space.grid(one_checkpoint=one_checkpoint))


@settings(deadline=None)
@given(tables, st.permutations(CHOICES))
def test_greedy_visits_four_of_eight_choices(table: Table, order: list[str]) -> None:
    search, chain, _ = run_greedy(make_space(order=order), table)
    visited = {
        tuple(getattr(candidate.choice, name) for name in CHOICES)
        for step in search.steps
        for candidate in (step.before, step.after)
        if candidate.choice.soft_label_weight == 1
    }
    # A, section 3: four out of eight possible configurations for alpha = 1
    assert len(visited) == (4 if chain.failure is None else 0)


def test_greedy_follows_the_order_of_the_space() -> None:
    order = ("student_temperature", "distance", "teacher_checkpoint")
    search, *_ = run_greedy(make_space(order=order), preferring())
    assert [step.parameter for step in search.steps] == [*order, "soft_label_weight"]


def test_greedy_keeps_the_defaults_on_ties() -> None:
    space = make_space()
    search, *_ = run_greedy(space, lambda *_: 0.5)
    assert not any(step.accepted for step in search.steps)
    assert search.incumbent is not None
    assert search.incumbent.choice == space.default()


def test_greedy_finds_what_the_table_prefers() -> None:
    search, *_ = run_greedy(make_space(), preferring(**SECOND))
    assert [step.accepted for step in search.steps] == [True, True, True, False]
    assert search.incumbent is not None
    found = search.incumbent.configuration
    assert {name: str(getattr(found, name)) for name in CHOICES} == SECOND


def test_greedy_tunes_every_choice_from_the_same_start() -> None:
    # the default likes one learning rate and temperature, MSE with ts = 1 others: neither is carried over
    def table(c: Configuration, _: int) -> float:
        if c.distance is Distance.CE:
            return float(c.learning_rate == 3e-4) + float(c.temperature == 16)
        return 3 + float(c.learning_rate == 1e-4) + float(c.temperature == 4)

    search, _, asked = run_greedy(make_space(), table)
    assert search.incumbent is not None
    assert (search.incumbent.choice.learning_rate, search.incumbent.choice.temperature) == (1e-4, 4.0)
    mse_one = [c for c in asked if c.distance == "mse" and c.student_temperature == "one" and c.soft_label_weight == 1]
    # coordinate: both learning rates at the default temperature only
    assert {c.temperature for c in mse_one if c.learning_rate == 3e-4} == {2.0}


def test_mse_with_equal_temperatures_has_no_temperature_trials() -> None:
    _, _, asked = run_greedy(make_space(), preferring(distance="mse", student_temperature="equal"))
    plain = [c for c in asked if c.distance == "mse" and c.student_temperature == "equal" and c.soft_label_weight == 1]
    teachers = {c.teacher_checkpoint for c in plain}
    assert len(teachers) == 2
    # one trial per learning rate and checkpoint (MSE with ts = 1 at temperature 1 is one of these, too)
    assert len(plain) == 2 * 2
    assert {c.temperature for c in plain} == {1.0}


def test_one_checkpoint_gives_no_trials_and_a_tie() -> None:
    space = make_space()
    table = preferring(teacher_checkpoint="lowest_loss")
    search, _, asked = run_greedy(space, table, one_checkpoint=True)
    assert {c.teacher_checkpoint for c in asked} == {"highest_score"}
    (step,) = [s for s in search.steps if s.parameter == "teacher_checkpoint"]
    assert step.merged
    assert not step.accepted
    assert not step.before.beats(step.after)
    # nothing is asked for beyond what a space without the second checkpoint asks for
    without = make_space(choices={"distance": ["ce", "mse"], "student_temperature": ["equal", "one"]})
    assert run_greedy(without, table, one_checkpoint=True)[2] == asked


def test_two_checkpoints_are_two_choices() -> None:
    search, _, asked = run_greedy(make_space(), preferring(teacher_checkpoint="lowest_loss"))
    assert {c.teacher_checkpoint for c in asked} == {"highest_score", "lowest_loss"}
    (step,) = [s for s in search.steps if s.parameter == "teacher_checkpoint"]
    assert step.accepted
    assert not step.merged


def test_failed_choice_loses() -> None:
    search, chain, _ = run_greedy(make_space(), lambda c, _: None if c.distance == "mse" else 0.1)
    assert chain.failure is None
    (step,) = [s for s in search.steps if s.parameter == "distance"]
    assert step.after.score is None
    assert not step.accepted
    assert search.incumbent is not None
    assert search.incumbent.configuration.distance == "ce"


def test_failed_learning_rate_loses_to_any_other() -> None:
    search, chain, _ = run_greedy(make_space(), lambda c, _: None if c.learning_rate == 1e-4 else -5.0)
    assert chain.failure is None
    assert search.incumbent is not None
    assert search.incumbent.choice.learning_rate == 3e-4


def test_start_that_fails_ends_the_chain_and_says_why() -> None:
    space = make_space()
    search, chain, asked = run_greedy(space, lambda c, _: None if c.distance == "ce" else 1.0)
    assert chain.finished
    assert chain.failure is not None
    assert "default configuration failed" in chain.failure
    assert "ce highest_score" in chain.failure  # names it
    assert search.incumbent is None
    assert search.steps == []
    assert {c.distance for c in asked} == {"ce"}


def test_seeds_are_averaged() -> None:
    # CE wins by its best and its worst seed, MSE by the mean
    scores = {("ce", 1): 0.9, ("ce", 2): 0.2, ("ce", 3): 0.1, ("mse", 1): 0.5, ("mse", 2): 0.5, ("mse", 3): 0.5}
    search, *_ = run_greedy(make_space(), lambda c, seed: scores[str(c.distance), seed], seeds=(1, 2, 3))
    (step,) = [s for s in search.steps if s.parameter == "distance"]
    assert step.before.score == pytest.approx(0.4)
    assert step.after.score == pytest.approx(0.5)
    assert step.accepted


def test_one_failed_seed_fails_the_configuration() -> None:
    def table(c: Configuration, seed: int) -> float | None:
        return 0.1 if c.distance == "ce" else None if seed == 2 else 0.9

    search, *_ = run_greedy(make_space(), table, seeds=(1, 2))
    (step,) = [s for s in search.steps if s.parameter == "distance"]
    assert step.after.score is None


def test_weights_are_tried_on_the_winner_only() -> None:
    _, _, asked = run_greedy(make_space(), preferring(distance="mse", student_temperature="one"))
    mixed = [c for c in asked if c.soft_label_weight < 1]
    assert sorted(c.soft_label_weight for c in mixed) == [0.3, 0.6]
    assert {(c.distance, c.student_temperature) for c in mixed} == {("mse", "one")}


def test_candidates_hold_each_configuration_once() -> None:
    search, *_ = run_greedy(make_space(), lambda *_: 0.5)
    trained = [candidate.configuration for candidate in search.candidates]
    assert len(trained) == len(set(trained))


def test_best_of_takes_the_first_of_equals() -> None:
    first, second = (Candidate(configuration, 0.5) for configuration in list(make_space().combinations())[:2])
    assert best_of([first, second]) is first
    assert best_of([second, first]) is second
    failed = Candidate(first.choice, None)
    assert best_of([failed, second]) is second
    assert not failed.beats(failed)


@pytest.mark.parametrize("budget", [1, 6, 13])
def test_optuna_keeps_its_budget_and_its_ranges(budget: int) -> None:
    space = load_space("paper_a")
    _, _, asked = run_greedy(space, random_table(1, 50), tuner=optuna_tpe_tuner(budget))
    start = [
        c
        for c in asked
        if (c.distance, c.teacher_checkpoint, c.student_temperature) == ("ce", "highest_score", "equal")
        and c.soft_label_weight == 1
    ]
    assert len(start) == budget
    assert all(1 <= c.temperature <= 64 and 1e-5 <= c.learning_rate <= 5e-5 for c in start)


def test_optuna_learns_from_scores() -> None:
    # after TPE's 10 random trials, what it proposes depends on what it was told
    def asked(table: Table) -> set[Configuration]:
        return run_greedy(make_space(soft_label_weight={"default": 1.0}), table, tuner=optuna_tpe_tuner(16))[2]

    low = asked(lambda c, _: -c.temperature)
    assert low == asked(lambda c, _: -c.temperature)
    assert low != asked(lambda c, _: c.temperature)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_search_never_sees_a_test_score(salt: int) -> None:
    study = make_study(datasets=1, students=2, space=make_space())

    def poisoned(trial: TrialSpec) -> tuple[float, float]:
        noise = hashlib.sha256(f"{salt} {trial.trial_id}".encode()).digest()
        return hashed_score(trial)[0], noise[0] / 256

    clean, other = make_search(study), make_search(study)
    while work := clean.propose():
        # two studies whose records differ in test scores alone propose the same, in the same order
        assert other.propose() == work
        for task in work:
            if isinstance(task, TeacherTask):
                record = teacher_record(task, one_checkpoint=False)
                worse = [c.model_copy(update={"test_score": salt / 10**6}) for c in record.checkpoints]
                clean.observe(record)
                other.observe(record.model_copy(update={"checkpoints": tuple(worse)}))
            else:
                clean.observe(trial_record(task, hashed_score))
                other.observe(trial_record(task, poisoned))
    assert other.finished
    assert other.stable_choice == clean.stable_choice
