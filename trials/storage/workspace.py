"""Where a study keeps its files, and how a folder is built once by many processes. Torch-free."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from search_spaces import digest
from trials.storage.durable_writes import with_retries
from trials.storage.object_store import SharedFolder, check_address

NODE_FOLDER = "KDSTUDY_WORK"  # variable that names each node's own folder for studies in an object store
DEFAULT_NODE_FOLDER = "~/.cache/kdstudy"


@dataclass(frozen=True)
class Activity:
    """The last thing known of a piece of work.

    Attributes:
        moment: When it happened, in seconds since 1970 by the clock of the machine that wrote it.
        text: What happened, and on which host and process.
    """

    moment: float
    text: str


@dataclass(frozen=True)
class Workspace:
    """A study's directory, ``<storage>/<name>/``.

    On a file system every node sees it at the same path, and nothing more is to be done. In an object store it is
    shared through objects of the same names: each node works in a folder of its own, fetches what it lacks and shares
    what is finished. The shared one is the study; the nodes' own can be deleted while nothing runs.

    Attributes:
        root: The directory, or each node's own.
        shared: The directory in an object store; None if `root` is what nodes share.
    """

    root: Path
    shared: SharedFolder | None = None

    @classmethod
    def at(cls, place: str) -> Workspace:
        """The workspace of a study's directory: a path, or an address such as ``s3://bucket/runs/name``.

        Raises:
            InputError: The address is of a kind that is not supported.
        """
        if "://" not in place:
            return cls(Path(place).expanduser().resolve())
        address = check_address(place)
        own = Path(os.environ.get(NODE_FOLDER, DEFAULT_NODE_FOLDER)).expanduser().resolve()
        return cls(own / f"{address.rpartition('/')[2]}-{digest(address)[:12]}", SharedFolder(address))

    @property
    def place(self) -> str:
        """Where the study is, as `at` takes it."""
        return str(self.shared or self.root)

    @property
    def study_file(self) -> Path:
        """The study file that the directory was made by, resolved."""
        return self.root / "study.yaml"

    @property
    def ledger(self) -> Path | SharedFolder:
        """Records, one JSON file each."""
        return (self.shared or self.root) / "ledger"

    @property
    def report(self) -> Path:
        """Report, figures and tables."""
        return self.root / "report"

    def tokens(self, key: str) -> Path:
        """Token ids of one data set for one tokenizer and length."""
        return self.root / "cache" / "tokens" / key

    def teacher_outputs(self, key: str) -> Path:
        """One teacher checkpoint's outputs over one tokenized data set."""
        return self.root / "cache" / "teacher" / key

    def initial(self, key: str) -> Path:
        """One classifier before its training: a Transformers folder."""
        return self.root / "cache" / "initial" / key

    def teacher(self, fingerprint: str) -> Path:
        """A teacher checkpoint, named by the hash of its weights."""
        return self.root / "teachers" / fingerprint

    def predictions(self, name: str) -> Path:
        """Answers of a trial's student, or of a teacher's checkpoint, to each test example."""
        return self.root / "predictions" / f"{name}.parquet"

    def examples(self, data_fingerprint: str) -> Path:
        """A data set's test examples."""
        return self.root / "predictions" / f"examples-{data_fingerprint[:24]}.parquet"

    def attention(self, name: str) -> Path:
        """Attention of a trial's student, or of a teacher's checkpoint, in a few test examples."""
        return self.root / "predictions" / f"{name}.attention.npz"

    def teacher_attention(self, fingerprint: str, data_fingerprint: str) -> Path:
        """The same of a teacher checkpoint on one data set."""
        return self.attention(f"{fingerprint}-{data_fingerprint[:24]}")

    def checkpoint(self, work_id: str) -> Path:
        """The state of an unfinished trial or teacher, named by its id, so that any node can go on with it."""
        return self.root / "checkpoints" / f"{work_id}.safetensors"

    @property
    def events(self) -> Path:
        """One JSON line for each start and end of a piece of work: a witness beside the ledger.

        In an object store, where nothing can be appended to, each line is an object of the folder ``events``.
        """
        return self.root / "events.jsonl"

    def log_event(self, event: str, work_id: str) -> None:
        """Append one line to the events."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"event": event, "id": work_id, "time": moment, "host": socket.gethostname(), "pid": os.getpid()}
        if self.shared is not None:
            name = f"{moment}_{event}_{work_id}_{uuid.uuid4().hex[:8]}.json"
            (self.shared / "events").create(name, json.dumps(line).encode())
            return
        self.root.mkdir(parents=True, exist_ok=True)
        with self.events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def running(self) -> set[str]:
        """Ids of work that was started and has not ended: it runs now, or its worker was lost.

        The clocks of the nodes do not matter: work that has ended is never started again.
        """
        events = list(self._events())
        return {work_id for event, work_id in events if event == "start"} - {
            work_id for event, work_id in events if event == "end"
        }

    def last_activity(self, work_id: str) -> Activity | None:
        """The last thing known of work that was started: its last saved state, or its start.

        Raises:
            OSError: The storage does not answer.
        """
        start = self._last_start(work_id)
        if start is None:
            return None
        where = f"on {start['host']}, process {start['pid']}"
        begun, saved = datetime.fromisoformat(start["time"]).timestamp(), self._saved(self.checkpoint(work_id))
        if saved is None or saved < begun:
            return Activity(begun, f"begun at {start['time']} {where}")
        moment = datetime.fromtimestamp(saved, UTC).isoformat(timespec="seconds")
        return Activity(saved, f"saved its state at {moment} {where}")

    def _last_start(self, work_id: str) -> dict[str, Any] | None:
        if self.shared is not None:
            folder = self.shared / "events"
            names = [name for name in sorted(folder.names()) if f"_start_{work_id}_" in name]
            return _parsed((folder.read(names[-1]) or b"").decode()) or None if names else None
        lines = self.events.read_text(encoding="utf-8").splitlines() if self.events.is_file() else []
        starts = [event for line in lines if work_id in line and (event := _parsed(line)).get("event") == "start"]
        return starts[-1] if starts else None

    def _saved(self, file: Path) -> float | None:
        """When a file was written last, seconds since 1970; None if there is none."""
        if self.shared is not None:
            return self.shared.modified(self._name(file))
        try:
            return file.stat().st_mtime
        except FileNotFoundError:
            return None

    def _events(self) -> Iterable[tuple[str, str]]:
        """What happened to which work."""
        if self.shared is not None:
            names = [name.split("_") for name in (self.shared / "events").names()]
            return [(parts[1], parts[2]) for parts in names if len(parts) == 4]
        lines = self.events.read_text(encoding="utf-8").splitlines() if self.events.is_file() else ()
        return [(event.get("event", ""), event.get("id", "")) for event in map(_parsed, lines)]

    def remove_leftovers(self, recorded: Container[str]) -> None:
        """Remove half-made files of killed processes, and the saved states of work that has its record.

        Only for the one process that holds the study, while nothing of it runs.
        """
        for pattern in ("teachers/.*", "cache/*/.*"):
            for path in self.root.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        states = set(self.root.glob("checkpoints/*"))
        if self.shared is not None:
            states |= {self.root / "checkpoints" / name for name in (self.shared / "checkpoints").names()}
        for path in states:
            if path.suffix == ".tmp" or path.stem in recorded:
                self.discard(path)

    def build_once(self, folder: Path, build: Callable[[Path], None]) -> Path:
        """`build_once` for a folder of this workspace; other nodes get it and do not build it again.

        In an object store a folder is one object, a tar, so that it is there complete or not at all. If two nodes
        build it at the same time, the later one is kept.
        """
        if self.shared is None:
            return build_once(folder, build)
        shared, name = self.shared, f"{self._name(folder)}.tar"

        def fetch_or_build(target: Path) -> None:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as beside:
                archive = Path(beside) / "archive.tar"
                if shared.download(name, archive):
                    with tarfile.open(archive) as tar:
                        # Python has it from 3.11.4 on
                        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
                        tar.extractall(target)  # noqa: S202 - filtered, and ours
                    return
                build(target)
                with tarfile.open(archive, "w") as tar:
                    tar.add(target, arcname=".")
                shared.upload(archive, name)

        return build_once(folder, fetch_or_build)

    def share(self, *files: Path) -> None:
        """Share files of this workspace with other nodes, as they are now; missing files are left out.

        Raises:
            StoreError: The object store cannot be reached; this holds of the methods below, too.
        """
        if self.shared is not None:
            for file in files:
                if file.is_file():
                    self.shared.upload(file, self._name(file))

    def fetch(self, file: Path) -> None:
        """Get the newest shared version of a file of this workspace, if there is one."""
        if self.shared is not None:
            self.shared.download(self._name(file), file)

    def fetch_predictions(self) -> None:
        """Get all predictions, for a report."""
        if self.shared is not None:
            here, folder = self.root / "predictions", self.shared / "predictions"
            folder.download_all(sorted(name for name in folder.names() if not (here / name).is_file()), here)

    def discard(self, file: Path) -> None:
        """Delete a file of this workspace everywhere."""
        file.unlink(missing_ok=True)
        if self.shared is not None:
            self.shared.remove(self._name(file))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _parsed(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError:  # torn by a kill
        return {}


def build_once(folder: Path, build: Callable[[Path], None]) -> Path:
    """Make `folder` by `build(temporary folder)` unless it exists; concurrent callers wait for the one that builds.

    The folder appears complete or not at all: a killed builder leaves only a hidden temporary one behind.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
            temporary.mkdir()
            try:
                build(temporary)
                with_retries(partial(os.rename, temporary, folder))
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder
