"""The state of an unfinished training run: one safetensors file, replaced atomically, no pickle."""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor


@dataclass
class CheckpointFile:
    """Where a run keeps its state.

    Attributes:
        path: The file.
        every_seconds: Least time between two saves; None never saves.
    """

    path: Path
    every_seconds: float | None = 300
    _last: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether a save is due."""
        return self.every_seconds is not None and time.monotonic() - self._last >= self.every_seconds

    def save(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Replace the file by these tensors and JSON values."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        save_file(own, temporary, metadata={"values": json.dumps(values)})
        os.replace(temporary, self.path)
        self._last = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and values; None if there is no file, or only one that cannot be read (the run starts anew)."""
        try:
            with safe_open(self.path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["values"])  # noqa: SIM118 - no dict
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    @property
    def step(self) -> int:
        """The step that the saved state goes on with; 0 if there is none."""
        try:
            with safe_open(self.path, framework="pt") as file:
                return int(json.loads(file.metadata()["values"])["step"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return 0

    def remove(self) -> None:
        """Delete the file: the run has its record."""
        self.path.unlink(missing_ok=True)
