"""Tuning inside one choice: the learning rate and the temperature that validate best (A, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from search_spaces import Configuration, SearchSpace
from study.config import SearchConfig, Tuning
from study.search.searchers.chain import Candidate, Subroutine, best_of, request_scores

if TYPE_CHECKING:
    import optuna


class Tuner(Protocol):
    """Asks for configurations of one choice and returns the best of them."""

    def __call__(self, choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
        """Tune `choice`, which is given at the default learning rate and temperature."""


def make_tuner(search: SearchConfig) -> Tuner:
    """The tuner that a study file names."""
    if search.tune is Tuning.OPTUNA:
        return optuna_tpe_tuner(search.tune_budget)
    return joint_tuner if search.tune is Tuning.JOINT else coordinate_tuner


def coordinate_tuner(choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
    """The learning rate at the default temperature, then the two temperature stages at the best learning rate."""
    best = yield from tune_learning_rate(choice, space)
    coarse = yield from request_scores(_temperatures(best.choice, space.temperature.coarse()))
    return (yield from _fine_stage(best_of([best, *coarse]), space))


def joint_tuner(choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
    """Every learning rate at every temperature of stage 1, then stage 2 at the best of them."""
    rates = [replace(choice, learning_rate=rate) for rate in space.learning_rates]
    grid = yield from request_scores(
        point for rate in rates for point in _temperatures(rate, space.temperature.coarse())
    )
    return (yield from _fine_stage(best_of(grid), space))


def optuna_tpe_tuner(budget: int, seed: int = 13, batch: int = 4) -> Tuner:
    """A tuner by Optuna's TPE: log-uniform learning rate and temperature over the space's ranges.

    The sampler is rebuilt from the scores at every replay, so that it proposes the same again.

    Args:
        budget: Trials per choice, at most.
        seed: Seed of the sampler.
        batch: Trials asked for at a time; they run side by side.
    """

    def tune(choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        seen: list[Candidate] = []
        for start in range(0, budget, batch):
            trials = [study.ask() for _ in range(min(batch, budget - start))]
            found = yield from request_scores([_suggested(choice, trial, space) for trial in trials])
            for trial, candidate in zip(trials, found, strict=True):
                states = optuna.trial.TrialState
                if candidate.stopped is not None:
                    trial.report(candidate.stopped.score, candidate.stopped.step)
                    study.tell(trial, state=states.PRUNED)
                    continue
                failed = candidate.score is None
                study.tell(trial, candidate.score, state=states.FAIL if failed else states.COMPLETE)
            seen += found
        return best_of(seen)

    return tune


def tune_learning_rate(choice: Configuration, space: SearchSpace) -> Subroutine[Candidate]:
    """The best learning rate at the choice's own temperature."""
    return best_of((yield from request_scores(replace(choice, learning_rate=rate) for rate in space.learning_rates)))


def _fine_stage(best: Candidate, space: SearchSpace) -> Subroutine[Candidate]:
    """Stage 2 of the temperature: a linear grid around the best of stage 1."""
    around = space.temperature.fine_around(best.choice.temperature)
    fine = yield from request_scores(_temperatures(best.choice, around))
    return best_of([best, *fine])


def _temperatures(choice: Configuration, values: Iterable[float]) -> list[Configuration]:
    return [replace(choice, temperature=value) for value in values]


def _suggested(choice: Configuration, trial: optuna.Trial, space: SearchSpace) -> Configuration:
    coarse, rates = space.temperature.coarse(), space.learning_rates
    return replace(
        choice,
        learning_rate=_log_uniform(trial, "learning_rate", min(rates), max(rates)),
        temperature=_log_uniform(trial, "temperature", coarse[0], coarse[-1]),
    )


def _log_uniform(trial: optuna.Trial, name: str, low: float, high: float) -> float:
    """A log-uniform value, rounded to 4 significant digits; a range of one value is that value."""
    return low if low == high else float(f"{trial.suggest_float(name, low, high, log=True):.4g}")
