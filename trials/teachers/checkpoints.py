"""Teacher checkpoints on disk, named by a hash of their content."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from search_spaces import digest, fault
from trials.models import load_model, model_files, model_fingerprint
from trials.networks import Network
from trials.readers import copy_files, tokenizer_files
from trials.storage import Workspace
from trials.tasks import Head

SETTINGS_FILE = "teacher.json"


@dataclass(frozen=True)
class TeacherSettings:
    """The settings that decide a teacher's outputs, besides its weights.

    Attributes:
        max_length: Longest input in tokens.
        label_order: The position of each label of the data in the model's output.
    """

    max_length: int
    label_order: list[int]


def store_fine_tuned(network: Network, source: Path, settings: TeacherSettings, workspace: Workspace) -> str:
    """Save a fine-tuned teacher with its source's tokenizer; returns its fingerprint, the folder's name."""
    temporary = workspace.teacher(f".{uuid.uuid4().hex}")
    try:
        network.save(temporary)
        copy_files(tokenizer_files(source), temporary)
        fingerprint = _fingerprint(temporary, settings)
        files = [*model_files(temporary), *temporary.glob("generation_config.json")]
        _store(fingerprint, settings, workspace, lambda target: copy_files(files, target))
        return fingerprint
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def store_given(folder: Path, head: Head, settings: TeacherSettings, workspace: Workspace) -> str:
    """Copy a checkpoint folder into the study's directory; returns its fingerprint.

    Transformers loads and saves it, so that there is one file of weights with current names.

    Raises:
        InputError: Weights are missing.
    """
    fingerprint = _fingerprint(folder, settings)

    def write(target: Path) -> None:
        model, report = load_model(folder, head, output_loading_info=True)
        if missing := sorted(report["missing_keys"]):
            raise fault(folder, "checkpoints", str(folder), f"has no weights for {', '.join(missing[:3])}")
        model.save_pretrained(target)
        copy_files(tokenizer_files(folder), target)

    _store(fingerprint, settings, workspace, write)
    return fingerprint


def stored_teacher(fingerprint: str, workspace: Workspace) -> Path:
    """The folder of a checkpoint of the study, fetched if another node stored it.

    Raises:
        FileNotFoundError: It is missing.
    """

    def missing(target: Path) -> None:
        place = f"{workspace.place}/teachers/{fingerprint}"
        raise FileNotFoundError(
            f"the teacher checkpoint {place} is missing: restore it, or start the study in another directory"
        )

    return workspace.build_once(workspace.teacher(fingerprint), missing)


def _fingerprint(folder: Path, settings: TeacherSettings) -> str:
    return digest([model_fingerprint(folder), asdict(settings)])[:16]


def _store(fingerprint: str, settings: TeacherSettings, workspace: Workspace, write: Callable[[Path], None]) -> None:
    def build(target: Path) -> None:
        write(target)
        (target / SETTINGS_FILE).write_text(json.dumps(asdict(settings)))

    workspace.build_once(workspace.teacher(fingerprint), build)
