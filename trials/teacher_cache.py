"""Teacher checkpoints on disk, and their outputs over a data set: written once, memory-mapped by every trial."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from search_spaces.configuration import digest
from trials.evaluation import decoder_states, predict
from trials.families import Head
from trials.models import load_model, model_files, model_fingerprint, tokenizer_files
from trials.networks import Network, open_network
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.spec import DatasetSpec, Precision
from trials.tokens import TokenizedSplit, tokenized
from trials.workspace import Workspace, build_once

NOTE = "teacher.json"
HEAD = "head.safetensors"


@dataclass(frozen=True)
class TeacherNote:
    """What besides its weights decides a teacher's outputs.

    Attributes:
        max_length: Longest input in tokens.
        label_order: For each label of the data, the position of its logit in the model's output.
    """

    max_length: int
    label_order: list[int]


def store_fine_tuned(network: Network, source: Path, note: TeacherNote, workspace: Workspace) -> str:
    """Save a fine-tuned teacher with its source's tokenizer; returns its fingerprint, the folder's name."""
    temporary = workspace.teacher(f".{uuid.uuid4().hex}")
    try:
        network.save(temporary)
        _copy(tokenizer_files(source), temporary)
        fingerprint = _fingerprint(temporary, note)
        _store(fingerprint, note, workspace, lambda target: _copy(model_files(temporary), target))
        return fingerprint
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def store_given(folder: Path, head: Head, note: TeacherNote, workspace: Workspace) -> str:
    """Copy a checkpoint folder into the study, which thus needs no other place; returns its fingerprint.

    It is written anew by Transformers: one file of weights, with today's names.
    """
    fingerprint = _fingerprint(folder, note)

    def write(target: Path) -> None:
        load_model(folder, head).save_pretrained(target)
        _copy(tokenizer_files(folder), target)

    _store(fingerprint, note, workspace, write)
    return fingerprint


def _fingerprint(folder: Path, note: TeacherNote) -> str:
    return digest([model_fingerprint(folder), asdict(note)])[:16]


def _store(fingerprint: str, note: TeacherNote, workspace: Workspace, write: Callable[[Path], None]) -> None:
    def build(target: Path) -> None:
        write(target)
        (target / NOTE).write_text(json.dumps(asdict(note)))

    build_once(workspace.teacher(fingerprint), build)


@dataclass(frozen=True)
class TeacherOutputs:
    """What a teacher says of a split.

    Attributes:
        values: float32 [positions, width], columns in the data's label order; or float16 [positions, hidden].
        head: Of translation: what makes logits of hidden states: weight [vocabulary, hidden] and bias [vocabulary].
    """

    values: np.ndarray
    head: tuple[Tensor, Tensor | None] | None = None

    def of(self, split: TokenizedSplit, rows: np.ndarray, device: torch.device) -> Tensor:
        """Outputs for some rows of the split, float32 [positions, width]."""
        values = torch.from_numpy(split.of_positions(self.values, rows)).to(device)
        if self.head is None:
            return values
        weight, bias = self.head
        return F.linear(values.float(), weight, bias)


def teacher_outputs(
    fingerprint: str,
    dataset: DatasetSpec,
    data_fingerprint: str,
    split: str,
    workspace: Workspace,
    device: torch.device,
) -> TeacherOutputs:
    """A teacher checkpoint's outputs over a split.

    Of translation the decoder's last hidden states are kept, some kilobytes a token, and the output head is computed
    again when logits are asked for: exact at any temperature, where the likeliest tokens alone would not be.

    From the cache, which is keyed by the checkpoint's weights and by all that decides its inputs.
    """
    folder = workspace.teacher(fingerprint)
    if not (folder / NOTE).is_file():
        raise FileNotFoundError(f"the teacher checkpoint {folder} is gone; bring it back, or start the study elsewhere")
    note = TeacherNote(**json.loads((folder / NOTE).read_text()))
    data = tokenized(dataset, data_fingerprint, folder, note.max_length, workspace)
    key = digest([data.key, fingerprint, split])[:24]

    def build(target: Path) -> None:
        network = open_network(folder, data, Precision.FP32, device)
        if isinstance(network, Seq2SeqNetwork):
            weight, bias = network.output_head()
            parts = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
            save_file({name: part.cpu().contiguous() for name, part in parts.items()}, target / HEAD)
            np.save(target / "outputs.npy", decoder_states(network, data.splits[split]))
        else:
            np.save(target / "outputs.npy", predict(network, data.splits[split])[:, note.label_order])

    built = build_once(workspace.teacher_outputs(key), build)
    return TeacherOutputs(np.load(built / "outputs.npy", mmap_mode="r"), _head(built / HEAD, device))


@lru_cache(maxsize=1)
def _head(file: Path, device: torch.device) -> tuple[Tensor, Tensor | None] | None:
    if not file.is_file():
        return None
    parts = load_file(file, device=str(device))
    return parts["weight"], parts.get("bias")


def _copy(files: Iterable[Path], target: Path) -> None:
    for path in files:
        shutil.copyfile(path, target / path.name)
