"""The ledger: one immutable JSON file per finished piece of work, created atomically and only if absent.

Nothing else holds a study's state: every searcher, status page and report is rebuilt from these files.
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from trials.record import RECORD_VERSION, Record, TeacherRecord, TrialRecord, parse_record


@dataclass(frozen=True)
class BadFile:
    """A file in the ledger that is no record: it is reported and left alone."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Ledger:
    """A folder of records. Many processes on many machines may write and read it at once."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._records: dict[str, Record] = {}
        self._bad: dict[str, BadFile] = {}

    def write(self, record: Record) -> bool:
        """Add a record; True if it is new, False if the ledger has one of this id (which stays as it is).

        The record is complete on disk before its name appears: written, flushed to the device, then linked.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{record.record_id}.{uuid.uuid4().hex}"
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(record.model_dump_json(indent=1))
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, self._path(record.record_id))
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(self.folder)
        return True

    def get(self, record_id: str) -> Record | None:
        """The record of this id, or None."""
        if record_id not in self._records and self._path(record_id).is_file():
            self._read(self._path(record_id))
        return self._records.get(record_id)

    def refresh(self) -> list[Record]:
        """Read what was added since the last call; returns the new records, in the order of their names."""
        if not self.folder.is_dir():
            return []
        names = {entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".json")}
        self._bad = {name: bad for name, bad in self._bad.items() if name in names}
        new = sorted(name for name in names if name.removesuffix(".json") not in self._records)
        return [record for name in new if (record := self._read(self.folder / name)) is not None]

    @property
    def records(self) -> dict[str, Record]:
        """All records read so far, by id."""
        return dict(self._records)

    @property
    def trials(self) -> list[TrialRecord]:
        """The trial records read so far."""
        return [record for record in self._records.values() if isinstance(record, TrialRecord)]

    @property
    def teachers(self) -> list[TeacherRecord]:
        """The teacher records read so far."""
        return [record for record in self._records.values() if isinstance(record, TeacherRecord)]

    @property
    def bad_files(self) -> list[BadFile]:
        """Files seen so far that are no records."""
        return [self._bad[name] for name in sorted(self._bad)]

    def _path(self, record_id: str) -> Path:
        return self.folder / f"{record_id}.json"

    def _read(self, path: Path) -> Record | None:
        try:
            record = _parse(path)
        except _NotARecord as error:
            self._bad[path.name] = BadFile(path, str(error))
            return None
        self._bad.pop(path.name, None)
        self._records[record.record_id] = record
        return record


class _NotARecord(Exception):
    pass


def _parse(path: Path) -> Record:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise _NotARecord(f"is torn or no JSON ({error}); move it away to run this trial again") from None
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > RECORD_VERSION:
        raise _NotARecord(f"was written by a newer kdstudy (record version {version}, this one reads {RECORD_VERSION})")
    try:
        record = parse_record(values if isinstance(values, dict) else {})
    except ValidationError as error:
        raise _NotARecord(f"is no kdstudy record ({error.error_count()} faults)") from None
    if path.stem != record.record_id:
        raise _NotARecord(f"is named after another record than it holds ({record.record_id})")
    return record


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems refuse to flush folders; the record itself is flushed
        pass
    finally:
        os.close(descriptor)
