"""The ledger: one immutable JSON file per finished piece of work, created atomically and only if absent.

Nothing else holds a study's state: every searcher, status page and report is rebuilt from these files.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from trials.specs import RECORD_VERSION, Record, TeacherRecord, TrialRecord, parse_record
from trials.storage import SharedFolder

SUFFIX = ".json"
Content = bytes | OSError | None  # of a file; why it cannot be read; None where there is no file


@dataclass(frozen=True)
class BadFile:
    """A file in the ledger that is no record: it is reported and left alone.

    Attributes:
        where: Its path, or its address.
        reason: What is wrong with it.
    """

    where: str
    reason: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.where.rpartition("/")[2]

    @property
    def record_id(self) -> str:
        """The record that it should be."""
        return self.name.removesuffix(SUFFIX)

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


class Ledger:
    """A folder of records. Many processes on many machines may write and read it at once."""

    def __init__(self, folder: Path | SharedFolder):
        self.folder = folder
        self._files: _Files = _LocalFiles(folder) if isinstance(folder, Path) else folder
        self._records: dict[str, Record] = {}
        self._bad: dict[str, BadFile] = {}

    def write(self, record: Record) -> bool:
        """Add a record; True if it is new, False if the ledger has one of this id (which stays as it is)."""
        return self._files.create(_name(record.record_id), record.model_dump_json(indent=1).encode())

    def get(self, record_id: str) -> Record | None:
        """The record of this id, or None."""
        if record_id not in self._records:
            self._take(_name(record_id), self._files.read(_name(record_id)))
        return self._records.get(record_id)

    def refresh(self) -> list[Record]:
        """Read what was added since the last call; returns the new records, in the order of their names."""
        names = {name for name in self._files.names() if name.endswith(SUFFIX) and not name.startswith(".")}
        self._bad = {name: bad for name, bad in self._bad.items() if name in names}
        new = sorted(name for name in names if name.removesuffix(SUFFIX) not in self._records)
        return [record for read in self._files.read_all(new) if (record := self._take(*read)) is not None]

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

    def _take(self, name: str, content: Content) -> Record | None:
        """Keep what was read under a name."""
        if content is None:
            return None
        try:
            record = _parse(name, content)
        except _NotARecord as error:
            self._bad[name] = BadFile(f"{self.folder}/{name}", str(error))
            return None
        self._bad.pop(name, None)
        self._records[record.record_id] = record
        return record


class _Files(Protocol):
    """Where the files are, as far as the ledger needs it; `SharedFolder` says what each does."""

    def names(self) -> set[str]: ...

    def create(self, name: str, content: bytes) -> bool: ...

    def read(self, name: str) -> Content: ...

    def read_all(self, names: Iterable[str]) -> Iterable[tuple[str, Content]]: ...


@dataclass(frozen=True)
class _LocalFiles:
    """Those of a folder."""

    folder: Path

    def names(self) -> set[str]:
        return {entry.name for entry in os.scandir(self.folder)} if self.folder.is_dir() else set()

    def create(self, name: str, content: bytes) -> bool:
        """The file is complete on disk before its name appears: written, flushed to the device, then linked."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{name.removesuffix(SUFFIX)}.{uuid.uuid4().hex}"
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, self.folder / name)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(self.folder)
        return True

    def read(self, name: str) -> Content:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:  # a folder of this name, say
            return error

    def read_all(self, names: Iterable[str]) -> Iterator[tuple[str, Content]]:
        return ((name, self.read(name)) for name in names)


class _NotARecord(Exception):
    pass


def _name(record_id: str) -> str:
    return f"{record_id}{SUFFIX}"


def _parse(name: str, content: bytes | OSError) -> Record:
    try:
        if isinstance(content, OSError):
            raise content
        values = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise _NotARecord(f"is torn or not JSON ({error}); move it away to run this trial again") from None
    version = values.get("version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > RECORD_VERSION:
        raise _NotARecord(f"was written by a newer kdstudy (record version {version}, this one reads {RECORD_VERSION})")
    try:
        record = parse_record(values if isinstance(values, dict) else {})
    except ValidationError as error:
        raise _NotARecord(f"is not a kdstudy record ({error.error_count()} faults)") from None
    if name != _name(record.record_id):
        raise _NotARecord(f"holds another record than its name says ({record.record_id})")
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
