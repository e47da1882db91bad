"""Findings of earlier checks, kept in the study's directory, so that unchanged files are not checked again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class CheckCache:
    """Findings as JSON values. Each key hashes all inputs of its finding, so no finding can be out of date.

    Args:
        file: File of earlier findings; None keeps no findings.
    """

    def __init__(self, file: Path | None = None):
        self._file = file
        self._before = _read(file)
        self._used: dict[str, Any] = {}

    def cached(self, key: str | None, find: Callable[[], Any]) -> Any:
        """The result of `find` for this key, cached or new. Without a key nothing is cached; errors never are."""
        if key is None:
            return find()
        if key not in self._used:
            self._used[key] = self._before[key] if key in self._before else find()
        return self._used[key]

    def save(self) -> None:
        """Write the findings that were used since the start, and no others."""
        if self._file is None or self._used == self._before:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._used, indent=1), encoding="utf-8")
        os.replace(temporary, self._file)


def _read(file: Path | None) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):  # not there, or unreadable: look again
        return {}
    return found if isinstance(found, dict) else {}
