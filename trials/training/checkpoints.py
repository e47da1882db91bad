"""Checkpoints: the state of an unfinished training run in one safetensors file, replaced atomically; no pickle."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from trials.storage import Workspace, with_retries, write_atomically

T = TypeVar("T")


@dataclass
class CheckpointFile:
    """The checkpoint file of a run.

    Attributes:
        path: The file.
        every_seconds: Shortest time between two saves; None never saves.
        workspace: The study's directory, where other nodes find the file; None keeps it on this machine.
    """

    path: Path
    every_seconds: float | None = 300
    workspace: Workspace | None = None
    _last: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, work_id: str, workspace: Workspace, every_seconds: float | None = 300) -> CheckpointFile:
        """The checkpoint of a piece of work of a study; any node can resume from it."""
        return cls(workspace.checkpoint(work_id), every_seconds, workspace)

    @property
    def due(self) -> bool:
        """Whether a save is due."""
        return self.every_seconds is not None and time.monotonic() - self._last >= self.every_seconds

    def save(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the file by these tensors and JSON values; if that fails the old file is kept.

        Raises:
            OSError, SafetensorError: Storage failed at every attempt, or is full.
        """
        own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        metadata = {"values": json.dumps(values)}
        write_atomically(self.path, lambda temporary: save_file(own, temporary, metadata=metadata))
        if self.workspace is not None:
            with_retries(partial(self.workspace.share, self.path))
        self._last = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and values; None if the file is missing or unreadable, so that the run starts from scratch.

        Raises:
            StoreError: The object store does not answer.
        """
        return self._read(lambda file: ({name: file.get_tensor(name) for name in file.keys()}, _values(file)), None)  # noqa: SIM118 - no dict

    @property
    def step(self) -> int:
        """The step to continue from; 0 without a saved state.

        Raises:
            StoreError: As `load`.
        """
        return self._read(lambda file: int(_values(file)["step"]), 0)

    def remove(self) -> None:
        """Delete the file: the run has its record."""
        if self.workspace is not None:
            self.workspace.discard(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def _read(self, what: Callable[[Any], T], otherwise: T) -> T:
        """A part of the newest state, from whichever node saved it."""
        if self.workspace is not None:
            self.workspace.fetch(self.path)
        try:
            with safe_open(self.path, framework="pt") as file:
                return what(file)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return otherwise


def _values(file: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(file.metadata()["values"])
    return values
