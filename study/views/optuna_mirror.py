"""Copies a ledger's trials into an Optuna storage, for optuna-dashboard and Optuna's analyses. kdstudy never reads it.

It can be rebuilt from the ledger at any time. During a launch a thread keeps it up to date. The thread only reads the
ledger, and its errors stop no trial.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from search_spaces import Configuration, Distance, StudentTemperature, TeacherCheckpoint, digest, fault
from study.config import Study
from study.ledger import Ledger
from trials.specs import Status, TrialRecord
from trials.storage import Workspace

if TYPE_CHECKING:
    import optuna

EVERY_SECONDS = 5.0  # between two reads of the ledger
LAST_SECONDS = 30.0  # maximum time that the end of a launch waits for the storage
OPTION = "--optuna-storage"
CHOICES: dict[str, type[StrEnum]] = {
    "distance": Distance,
    "teacher_checkpoint": TeacherCheckpoint,
    "student_temperature": StudentTemperature,
}
NUMBERS = ("soft_label_weight", "temperature", "learning_rate")


class OptunaMirror:
    """The copy of one study's ledger in an Optuna storage.

    Every triple is an Optuna study. A triple that was run before with other data, another recipe or another student
    has one study for each, because their scores cannot be compared. Every trial's record is an Optuna trial.

    Args:
        study: The study.
        workspace: Its directory.
        storage: The storage, from `open_optuna_storage`.
    """

    def __init__(self, study: Study, workspace: Workspace, storage: optuna.storages.RDBStorage):
        self._study = study
        self._ledger = Ledger(workspace.ledger)
        self._lock = FileLock(workspace.root / ".mirror.lock")  # two writers would write the same trials
        self._waiting: dict[str, TrialRecord] = {}
        self._storage = storage
        self._studies: dict[str, optuna.Study] = {}

    def update(self) -> int:
        """Add all trials that the storage lacks; returns their number."""
        found = [record for record in self._ledger.refresh() if isinstance(record, TrialRecord)]
        self._waiting |= {record.record_id: record for record in found}
        if not self._waiting:
            return 0
        there: dict[str, set[str]] = {}  # read anew each time: another process may have added some
        with self._lock:
            return sum(self._add(record, there) for record in sorted(self._waiting.values(), key=_finished_at))

    def _add(self, record: TrialRecord, there: dict[str, set[str]]) -> bool:
        name = f"{self._study.config.name}/{record.triple_id} {_contents(record)}"
        into = self._into(name, record.spec.triple.dataset.metric)
        if name not in there:
            there[name] = {str(trial.user_attrs.get("trial_id")) for trial in into.get_trials(deepcopy=False)}
        if new := record.record_id not in there[name]:
            into.add_trial(_trial(record, self._study))
        del self._waiting[record.record_id]
        return new

    def _into(self, name: str, metric: str) -> optuna.Study:
        """The Optuna study of this name; it caches the finished trials that it has read."""
        import optuna

        if name not in self._studies:
            made = optuna.create_study(
                storage=self._storage, study_name=name, direction="maximize", load_if_exists=True
            )
            made.set_user_attr("metric", metric)
            self._studies[name] = made
        return self._studies[name]


@contextmanager
def mirror_while_running(
    study: Study, workspace: Workspace, storage: optuna.storages.RDBStorage | None, say: Callable[[str], None]
) -> Iterator[None]:
    """Keep a storage up to date while the body runs; without a storage, do nothing.

    Args:
        study: The study.
        workspace: Its directory.
        storage: The storage.
        say: Called once if an update fails, and at the end if the storage is out of date.
    """
    if storage is None:
        yield
        return
    mirror, over = OptunaMirror(study, workspace, storage), threading.Event()
    thread = threading.Thread(target=_follow, args=(mirror, over, say), name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LAST_SECONDS)
        if thread.is_alive():
            say(_behind("it takes too long"))


def _follow(mirror: OptunaMirror, over: threading.Event, say: Callable[[str], None]) -> None:
    """Update from time to time, and once more at the end."""
    told = False
    while True:
        last = over.wait(EVERY_SECONDS)
        try:
            mirror.update()
        except Exception as error:  # drivers, locks, disks, networks: a copy must never stop a launch
            if last or not told:
                told = True
                say(_behind(" ".join(str(error).split())[:200]))
        if last:
            return


def _behind(why: str) -> str:
    return f"the Optuna storage is out of date ({why}); update it with: kdstudy mirror"


def open_optuna_storage(url: str, option: str = OPTION) -> optuna.storages.RDBStorage:
    """Open an Optuna storage, or create it; relative SQLite files start at the current folder.

    Args:
        url: Such as ``sqlite:///studies.db``.
        option: The command-line option that gave the URL, for messages.

    Raises:
        InputError: The storage cannot be opened.
    """
    import optuna
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        parsed = make_url(url)
    except SQLAlchemyError:
        raise fault("command line", option, url, "is not a database URL, such as sqlite:///studies.db") from None
    if parsed.drivername.startswith("sqlite"):
        if not parsed.database or parsed.database == ":memory:":
            message = "nobody else can read a database in memory: name a file, such as sqlite:///studies.db"
            raise fault("command line", option, url, message)
        parsed = parsed.set(database=str(Path(parsed.database).resolve()))  # a launch changes the current folder
    try:
        return optuna.storages.RDBStorage(parsed.render_as_string(hide_password=False))
    except Exception as error:  # drivers raise their own errors, and miss their own modules
        reason = " ".join(str(error).split("(Background")[0].split())[:200]
        raise fault("command line", option, parsed.render_as_string(), f"cannot be opened: {reason}") from None


def _trial(record: TrialRecord, study: Study) -> optuna.trial.FrozenTrial:
    import optuna

    states = optuna.trial.TrialState
    state = {Status.COMPLETED: states.COMPLETE, Status.STOPPED: states.PRUNED, Status.FAILED: states.FAIL}
    scores = {point.step: point.validation_score for point in record.curve}
    made = optuna.trial.create_trial(
        state=state[record.status],
        value=record.validation_score,
        intermediate_values=scores,
        user_attrs=_notes(record),
        **_parameters(record.configuration, study),
    )
    made.datetime_start = _local(record.run.started_at)
    made.datetime_complete = _local(record.run.finished_at)
    return made


def _parameters(configuration: Configuration, study: Study) -> dict[str, Any]:
    """Parameters and distributions, the same for all trials of a study, so that Optuna can compare them."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    space = study.space
    ranges = {
        "soft_label_weight": (0.0, 1.0),
        "temperature": (1.0, max(space.temperature.coarse())),
        "learning_rate": (min(space.learning_rates), max(space.learning_rates)),
    }
    distributions: dict[str, BaseDistribution] = {
        name: CategoricalDistribution([str(value) for value in kind]) for name, kind in CHOICES.items()
    }
    for name in NUMBERS:
        value, (low, high) = getattr(configuration, name), ranges[name]
        distributions[name] = FloatDistribution(min(low, value), max(high, value), log=name != "soft_label_weight")
    params = {name: str(getattr(configuration, name)) for name in CHOICES}
    return {
        "params": {**params, **{name: getattr(configuration, name) for name in NUMBERS}},
        "distributions": distributions,
    }


def _notes(record: TrialRecord) -> dict[str, Any]:
    """User attributes: identity, test score, costs, and the reason for a failure or an early stop."""
    notes = {
        "trial_id": record.record_id,
        "configuration": str(record.configuration),
        "seed": record.spec.seed,
        "test_score": record.test_score,
        "validation_loss": record.validation_loss,
        "seconds": record.run.seconds,
        "host": record.run.host,
        "reason": record.reason,
    }
    return {name: value for name, value in notes.items() if value is not None}


def _contents(record: TrialRecord) -> str:
    """Six hexadecimal digits of a hash of everything that comparable trials must have in common."""
    spec = record.spec
    recipe = [spec.triple.model_dump(mode="json"), spec.training.model_dump(mode="json")]
    return digest([*recipe, spec.data_fingerprint, spec.source_fingerprint])[:6]


def _finished_at(record: TrialRecord) -> tuple[str, str]:
    return record.run.finished_at, record.record_id


def _local(moment: str) -> datetime:
    """A time as Optuna stores it: local, without a zone."""
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None)
