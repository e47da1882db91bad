"""Export of a trained student: its trial is run again, and its weights are kept."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path

import torch

from trials.models import RECURRENT_MODEL_TYPE
from trials.readers import load_tokenizer
from trials.specs import TrialRecord, TrialSpec
from trials.storage import Workspace
from trials.tasks import Head
from trials.workers.run_work import run_group

RUNNER = "run_student.py"


def export_student(
    spec: TrialSpec,
    source: tuple[str, str],
    workspace: Workspace,
    target: Path,
    *,
    threads: int = 1,
    device: torch.device | None = None,
) -> TrialRecord:
    """Train a student as in its trial; write weights, configuration, tokenizer, and a script for recurrent students.

    Args:
        spec: The trial.
        source: Reference and revision of the model that the student starts from.
        workspace: The study's directory, where its teacher's outputs are cached.
        target: The folder, which must not exist.
        threads: Torch threads; another number than the study's changes rounding.
        device: Where to compute; None means the CPU.

    Returns:
        The new record; its scores are those of the study on the same kind of machine.

    Raises:
        InputsChanged, InputError, OSError, RuntimeError: As in `run_work`.
    """
    torch.set_num_threads(threads)
    records: list[TrialRecord] = []
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        run_group([spec], source, workspace, records.append, device=device, keep_student=temporary)
        if records[0].status.has_scores:
            _complete(temporary, spec)
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        workspace.discard(workspace.checkpoint(spec.trial_id))
    return records[0]


def _complete(folder: Path, spec: TrialSpec) -> None:
    """Recurrent students: add the longest input, and the script that runs a classifier of texts."""
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    if config["model_type"] != RECURRENT_MODEL_TYPE:
        return
    file.write_text(json.dumps({**config, "max_length": spec.training.max_length}, indent=1), encoding="utf-8")
    if config["head"] != Head.SEQUENCE:
        return
    load_tokenizer(folder).backend_tokenizer.save(str(folder / "tokenizer.json"))  # some sources have no tokenizer.json
    shutil.copyfile(str(files("trials.students") / "standalone.py"), folder / RUNNER)
