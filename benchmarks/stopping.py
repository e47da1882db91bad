"""Time saved by early stopping, and whether it loses the best trial: a finished grid study, replayed from its curves.

Without training: trials start in some order on some workers, each validation comes when its record says, and the
early stopper of a launch is asked. Many orders, rules and numbers of workers then cost seconds.

    python -m benchmarks.stopping runs/search_grid
"""

from __future__ import annotations

import argparse
import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from study.config.study_file import Strategy
from study.ledger.record_files import Ledger
from study.ledger.study_directory import open_study
from study.search.study_search import TripleSearch, load_search
from trials.specs.early_stopping import EarlyStopper, RuleName, StoppingRule
from trials.specs.records import TrialRecord, score_curve

RULES = (
    *(StoppingRule(rule=RuleName.ASHA, reduction_factor=factor) for factor in (2, 3, 4)),
    *(StoppingRule(rule=RuleName.MEDIAN, least_trials=least) for least in (3, 10)),
)


@dataclass(frozen=True)
class Trial:
    """A finished trial that is trained again.

    Attributes:
        record: Its record.
        exempt: Whether it is never stopped.
    """

    record: TrialRecord
    exempt: bool


@dataclass(frozen=True)
class Replay:
    """One replay.

    Attributes:
        saved: Share of the training epochs.
        stopped: Share of the trials.
        regret: The best validation score of all trials minus the best of those that were not stopped.
        lost: How far the choice among those that were not stopped is behind on test; below 0 it is ahead.
    """

    saved: float
    stopped: float
    regret: float
    lost: float


def replay(trials: Sequence[Trial], stopping: StoppingRule, workers: int) -> Replay:
    """Train the trials again, in their order.

    Args:
        trials: Trials of one case.
        stopping: Who is stopped.
        workers: How many trials run at a time.
    """
    stopper, waiting = EarlyStopper(), iter(trials)
    running: list[tuple[float, int, Trial, int]] = []  # when which validation of which trial comes
    epochs, ended = 0.0, set()
    for number, trial in zip(range(workers), waiting, strict=False):
        heapq.heappush(running, (_seconds(trial, 0), number, trial, 0))
    while running:
        now, number, trial, position = heapq.heappop(running)
        curve, spec = trial.record.curve, trial.record.spec
        seen = score_curve(curve[: position + 1])
        rule = None if trial.exempt else stopping
        reason = stopper.reason_to_stop(spec.case_id, spec.trial_id, seen, rule)
        if position + 1 < len(curve) and reason is None:
            heapq.heappush(running, (now + _seconds(trial, position + 1), number, trial, position + 1))
            continue
        epochs += seen[-1][0]
        if position + 1 == len(curve):
            ended.add(spec.trial_id)
        if (after := next(waiting, None)) is not None:
            heapq.heappush(running, (now + _seconds(after, 0), number, after, 0))
    best = max((trial.record for trial in trials), key=_validation)
    found = max((trial.record for trial in trials if trial.record.spec.trial_id in ended), key=_validation)
    return Replay(
        saved=1 - epochs / sum(trial.record.curve[-1].epoch for trial in trials),
        stopped=1 - len(ended) / len(trials),
        regret=_validation(best) - _validation(found),
        lost=(best.test_score or 0.0) - (found.test_score or 0.0),
    )


def trials_of(triple: TripleSearch, seeds: Sequence[int]) -> list[Trial]:
    """What a finished search tried, in its order; failed trials are left out.

    The default choice is never stopped, as in a launch.
    """
    found: dict[str, Trial] = {}
    for configuration in triple.chain.tried:
        for seed in seeds:
            spec = triple.spec(configuration, seed)
            found |= {
                record.record_id: Trial(record, triple.is_default(spec.configuration))
                for record in triple.records(configuration)
                if record.status.has_scores and record.spec.seed == seed
            }
    return list(found.values())


def replays(trials: Sequence[Trial], stopping: StoppingRule, workers: int, orders: int) -> list[Replay]:
    """One in the study's order, then some in random ones."""
    drawn = [random.Random(number).sample(trials, len(trials)) for number in range(orders)]  # noqa: S311 - no secret
    return [replay(order, stopping, workers) for order in (trials, *drawn)]


def _seconds(trial: Trial, position: int) -> float:
    """From the validation before one to it: its share of the trial's time."""
    curve = trial.record.curve
    epochs = curve[position].epoch - (curve[position - 1].epoch if position else 0.0)
    return trial.record.run.seconds * epochs / curve[-1].epoch


def _validation(record: TrialRecord) -> float:
    return record.validation_score or 0.0


def _name(stopping: StoppingRule) -> str:
    asha = stopping.rule is RuleName.ASHA
    return f"asha, 1 in {stopping.reduction_factor:g}" if asha else f"median of {stopping.least_trials}"


def _rows(trials: Sequence[Trial], workers: Sequence[int], orders: int) -> Iterator[str]:
    columns = ("workers", "stopped", "saved", "kept", "regret", "worst", "test")
    yield f"{'rule':14s}" + "".join(f"{name:>9s}" for name in columns)
    for stopping in RULES:
        for number in workers:
            found = replays(trials, stopping, number, orders)
            stopped, saved = mean(each.stopped for each in found), mean(each.saved for each in found)
            kept, regrets = mean(each.regret == 0 for each in found), [each.regret for each in found]
            lost = mean(each.lost for each in found)
            row = f"{_name(stopping):14s}{number:9d}{stopped:9.1%}{saved:9.1%}{kept:9.0%}"
            yield f"{row}{mean(regrets):9.4f}{max(regrets):9.4f}{lost:+9.4f}"


def main() -> None:
    """Print a table for each triple."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, help="a finished grid study's directory")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 16], help="trials at a time")
    parser.add_argument(
        "--orders", type=int, default=100, help="number of random orders in addition to the study's own order"
    )
    options = parser.parse_args()
    study, workspace = open_study(options.grid)
    if workspace is None or study.config.search.strategy is not Strategy.GRID or study.config.search.stopping:
        raise SystemExit(f"{options.grid} is no directory of a grid study that stops no trial")
    for name, triple in load_search(study, Ledger(workspace.ledger).refresh()).triples.items():
        if not triple.searched or triple.failure:
            print(f"\n{name}: not finished")
            continue
        trials = trials_of(triple, study.config.seeds)
        exempt = sum(trial.exempt for trial in trials)
        print(f"\n{name}: {len(trials)} trials, {exempt} of the default choice are never stopped")
        for row in _rows(trials, options.workers, options.orders):
            print(row)


if __name__ == "__main__":
    main()
