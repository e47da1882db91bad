"""How a study is launched, and how a launch ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from study.ledger import BadFile


@dataclass(frozen=True)
class LaunchOptions:
    """How a study is run; none of it changes a result, but for which trials are stopped early, where some are.

    Attributes:
        address: Address of a running Ray cluster (``auto`` finds it); None starts a local one.
        workers: Most trials at a time; None lets resources decide.
        max_trials: Most pieces of work in this launch; None runs all.
        deadline: Moment (of `time.monotonic`) from which no work is begun; what is under way ends. None for no limit.
        autoscaling: The cluster adds nodes on demand, so do not refuse what no present node can hold.
        optuna_storage: URL of an Optuna storage that is kept up with the ledger; None for none.
        speculate: Workers that would idle run ahead what chains will likely ask for next.
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
        finished: Every chain has ended, none failed.
        interrupted: It was stopped by Ctrl-C or a signal.
        time_is_up: It ran for as long as it was allowed to.
        unfinished: What keeps chains from ending or made them fail, by triple or teacher.
        bad_files: Files in the ledger that are no records.
        storage_full: Why it was stopped: storage has no room; None if it had.
    """

    finished: bool
    interrupted: bool
    time_is_up: bool = False
    unfinished: dict[str, str] = field(default_factory=dict)
    bad_files: list[BadFile] = field(default_factory=list)
    storage_full: str | None = None
