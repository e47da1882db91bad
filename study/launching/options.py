"""How a study is launched, and how a launch ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from study.ledger import BadFile


@dataclass(frozen=True)
class LaunchOptions:
    """Options of a launch. They change no result, except which trials are stopped early in studies that stop some.

    Attributes:
        address: Address of a running Ray cluster (``auto`` finds it); None starts a local one.
        workers: Maximum number of trials at a time; None for as many as fit.
        max_trials: Maximum number of trials and teachers that this launch starts; None for all.
        deadline: Time (`time.monotonic`) from which no new work starts; running work finishes. None for no limit.
        autoscaling: The cluster adds nodes on demand, so trials that fit no present node are accepted.
        optuna_storage: URL of an Optuna storage to copy finished trials into; None for none.
        speculate: Idle workers run trials that the search will probably request next.
    """

    address: str | None = None
    workers: int | None = None
    max_trials: int | None = None
    deadline: float | None = None
    autoscaling: bool = False
    optuna_storage: str | None = None
    speculate: bool = False


@dataclass(frozen=True)
class LaunchResult:
    """How a launch ended.

    Attributes:
        finished: All triples are finished, and none failed.
        interrupted: It was stopped by Ctrl-C or a signal.
        time_is_up: The time limit was reached.
        unfinished: Why triples are unfinished or failed, by triple or teacher.
        bad_files: Files in the ledger that are not records.
        storage_full: The error of a full storage that stopped the launch; None if there was none.
    """

    finished: bool
    interrupted: bool
    time_is_up: bool = False
    unfinished: dict[str, str] = field(default_factory=dict)
    bad_files: list[BadFile] = field(default_factory=list)
    storage_full: str | None = None
