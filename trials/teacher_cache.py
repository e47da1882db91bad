"""Teacher checkpoints on disk, and their outputs over a data set: written once, memory-mapped by every trial."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from search_spaces.configuration import digest
from trials.models import TOKENIZER_FILES, model_fingerprint
from trials.spec import DatasetSpec
from trials.tasks import task_of
from trials.tokens import TokenizedData, tokenized
from trials.workspace import Workspace, build_once

NOTE = "teacher.json"


@dataclass(frozen=True)
class TeacherNote:
    """What besides its weights decides a teacher's outputs.

    Attributes:
        folder: Where the weights are; ``.`` means beside this note.
        max_length: Longest input in tokens.
        label_order: For each label of the data, the position of its logit in the model's output.
    """

    folder: str
    max_length: int
    label_order: list[int]


def store_teacher(model: PreTrainedModel, source: Path, max_length: int, workspace: Workspace) -> str:
    """Save a fine-tuned teacher with its source's tokenizer; returns its fingerprint, the folder's name."""
    temporary = workspace.teacher(f".{uuid.uuid4().hex}")
    model.save_pretrained(temporary)
    for path in {path for pattern in TOKENIZER_FILES for path in source.glob(pattern)}:
        shutil.copyfile(path, temporary / path.name)
    fingerprint = model_fingerprint(temporary)
    _write_note(temporary, TeacherNote(".", max_length, list(range(len(model.config.id2label or ())))))
    if workspace.teacher(fingerprint).is_dir():
        shutil.rmtree(temporary)
    else:
        temporary.rename(workspace.teacher(fingerprint))
    return fingerprint


def refer_teacher(folder: Path, max_length: int, label_order: list[int], workspace: Workspace) -> str:
    """Note a given checkpoint folder under its fingerprint, without a copy."""
    fingerprint = model_fingerprint(folder)
    target = workspace.teacher(fingerprint)
    target.mkdir(parents=True, exist_ok=True)
    _write_note(target, TeacherNote(str(folder.resolve()), max_length, label_order))
    return fingerprint


def teacher_logits(
    fingerprint: str,
    dataset: DatasetSpec,
    data_fingerprint: str,
    split: str,
    workspace: Workspace,
    device: torch.device,
) -> np.ndarray:
    """A teacher checkpoint's logits over a split, float32 [rows, classes] in the data's label order.

    From the cache, which is keyed by the checkpoint's weights and by all that decides its inputs.
    """
    note, folder = _described(fingerprint, workspace)
    data = tokenized(dataset, data_fingerprint, folder, note.max_length, workspace)
    key = digest([data.key, fingerprint, note.label_order, split])[:24]

    def build(target: Path) -> None:
        model = load_classifier(folder, device)
        np.save(target / "logits.npy", predict_in_order(model, note.label_order, data, split, dataset, device))

    built = build_once(workspace.teacher_logits(key), build)
    return np.load(built / "logits.npy", mmap_mode="r")


def predict_in_order(
    model: PreTrainedModel,
    label_order: list[int],
    data: TokenizedData,
    split: str,
    dataset: DatasetSpec,
    device: torch.device,
) -> np.ndarray:
    """A model's logits over a split, float32 [rows, classes], columns in the data's label order."""
    return task_of(dataset.task).predict(model, data.splits[split], device)[:, label_order]


def load_classifier(folder: Path, device: torch.device) -> PreTrainedModel:
    """The classifier in a model folder, on a device."""
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
    )
    nn.Module.to(model, device)  # Transformers' own `to` is mistyped
    return model


def _described(fingerprint: str, workspace: Workspace) -> tuple[TeacherNote, Path]:
    """A checkpoint's note, and the folder that its weights lie in."""
    home = workspace.teacher(fingerprint)
    note = TeacherNote(**json.loads((home / NOTE).read_text()))
    return note, home if note.folder == "." else Path(note.folder)


def _write_note(folder: Path, note: TeacherNote) -> None:
    (folder / NOTE).write_text(json.dumps(asdict(note)))
