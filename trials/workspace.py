"""Where a study keeps its files, and how a folder is built once by many processes. Torch-free."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock


@dataclass(frozen=True)
class Workspace:
    """A study's directory, ``<storage>/<name>/``; every node sees it at the same path."""

    root: Path

    @property
    def study_file(self) -> Path:
        """The study file that the directory was made by, resolved."""
        return self.root / "study.yaml"

    @property
    def ledger(self) -> Path:
        """Records, one JSON file each."""
        return self.root / "ledger"

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
        """What a trial's student, or a teacher's checkpoint, answered to each test example."""
        return self.root / "predictions" / f"{name}.parquet"

    def examples(self, data_fingerprint: str) -> Path:
        """A data set's test examples."""
        return self.root / "predictions" / f"examples-{data_fingerprint[:24]}.parquet"

    def attention(self, name: str) -> Path:
        """What a trial's student, or a teacher's checkpoint, attends to in a few test examples."""
        return self.root / "predictions" / f"{name}.attention.npz"

    def teacher_attention(self, fingerprint: str, data_fingerprint: str) -> Path:
        """The same of a teacher checkpoint on one data set."""
        return self.attention(f"{fingerprint}-{data_fingerprint[:24]}")

    def checkpoint(self, work_id: str) -> Path:
        """The state of an unfinished trial or teacher, named by its id, so that any node can go on with it."""
        return self.root / "checkpoints" / f"{work_id}.safetensors"

    @property
    def events(self) -> Path:
        """One JSON line for each start and end of a piece of work: a witness beside the ledger."""
        return self.root / "events.jsonl"

    def log_event(self, event: str, work_id: str) -> None:
        """Append one line to the events."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"event": event, "id": work_id, "time": moment, "host": socket.gethostname(), "pid": os.getpid()}
        self.root.mkdir(parents=True, exist_ok=True)
        with self.events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def sweep(self, recorded: Container[str]) -> None:
        """Remove what killed processes left half-made, and the states of work that has its record.

        Only for the one process that holds the study, while nothing of it runs.
        """
        for pattern in ("teachers/.*", "cache/*/.*"):
            for path in self.root.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob("checkpoints/*"):
            if path.suffix == ".tmp" or path.stem in recorded:
                path.unlink(missing_ok=True)

    def running(self) -> set[str]:
        """Ids of work that was started last and has not ended: it runs now, or its worker was lost."""
        open_ids: set[str] = set()
        if self.events.is_file():
            for line in self.events.read_text(encoding="utf-8").splitlines():
                event = _parsed(line)
                (open_ids.add if event.get("event") == "start" else open_ids.discard)(event.get("id", ""))
        return open_ids


def _parsed(line: str) -> dict[str, str]:
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
                os.rename(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder
