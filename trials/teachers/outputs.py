"""A teacher's outputs for a split: computed once, cached on disk, and memory-mapped by every trial."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from search_spaces import digest
from trials.datasets import TokenizedData, load_tokenized
from trials.evaluation import (
    predict,
    translate,
    write_decoder_states,
    write_hidden_states,
    write_outputs_and_states,
    write_top_k,
)
from trials.losses import TopK
from trials.networks import Network, PackedNetwork, Seq2SeqNetwork, TransformersNetwork, open_network
from trials.readers import Encoder, TokenizedSplit, load_tokenizer
from trials.specs import DatasetSpec, Precision
from trials.storage import Workspace
from trials.tasks import encoded_targets
from trials.teachers.attention_cost import is_caching_cheaper
from trials.teachers.attention_maps import CachedMaps, ComputedMaps, example_attention, write_maps
from trials.teachers.checkpoints import SETTINGS_FILE, TeacherSettings, stored_teacher

HEAD = "head.safetensors"

OutputWriter = Callable[[Any, TokenizedSplit, Sequence[int], Path], None]
"""Writes .npy files of a network's outputs over a split, rows first, into a folder; columns in the labels' order."""

TEXT_OUTPUTS: dict[str, OutputWriter] = {  # what is kept of encoders besides their plain outputs, by its cache's name
    "states": write_hidden_states,
    "spoken": write_outputs_and_states,
}


@dataclass(frozen=True)
class Teacher:
    """A stored teacher checkpoint, with the data tokenized for it.

    Attributes:
        fingerprint: Name of its folder.
        folder: Its folder.
        settings: Settings that decide its outputs.
        data: The data set, tokenized for the teacher.
        workspace: The study's directory.
    """

    fingerprint: str
    folder: Path
    settings: TeacherSettings
    data: TokenizedData
    workspace: Workspace

    @classmethod
    def open(cls, fingerprint: str, dataset: DatasetSpec, data_fingerprint: str, workspace: Workspace) -> Teacher:
        """Open a checkpoint of the study's directory.

        Raises:
            FileNotFoundError: It is missing.
        """
        folder = stored_teacher(fingerprint, workspace)
        settings = TeacherSettings(**json.loads((folder / SETTINGS_FILE).read_text()))
        data = load_tokenized(dataset, data_fingerprint, folder, settings.max_length, workspace)
        return cls(fingerprint, folder, settings, data, workspace)

    def outputs(
        self, split: str, device: torch.device, translated: TokenizedSplit | None = None, top_k: int | None = None
    ) -> TeacherOutputs | TopKOutputs:
        """Its outputs for a split, from the cache or computed now.

        For translation the cache has the decoder's last hidden states, some kilobytes per token, and the output head is
        computed when logits are needed. This is exact at any temperature; the likeliest tokens alone would not be.

        Args:
            split: The split's name.
            device: Where to compute.
            translated: The split with the teacher's translations as targets, see `translated_split`.
            top_k: Translation: cache only this many of the likeliest tokens.
        """
        options = [*([] if translated is None else ["translated"]), *([] if top_k is None else [f"top {top_k}"])]
        key = digest([self.data.key, self.fingerprint, split, *options])[:24]
        rows = self.data.splits[split] if translated is None else translated

        def build(target: Path) -> None:
            network = open_network(self.folder, self.data, Precision.FP32, device)
            if isinstance(network, Seq2SeqNetwork) and top_k is not None:
                write_top_k(network, rows, target, top_k)
            elif isinstance(network, Seq2SeqNetwork):
                weight, bias = network.output_head()
                parts = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
                save_file({name: part.cpu().contiguous() for name, part in parts.items()}, target / HEAD)
                write_decoder_states(network, rows, target / "outputs.npy")
            else:
                np.save(target / "outputs.npy", predict(network, rows)[:, self.settings.label_order])

        built = self._built_once(key, build)
        if top_k is not None:
            return TopKOutputs(*(np.load(built / f"{name}.npy", mmap_mode="r") for name in TopK._fields))
        return TeacherOutputs(np.load(built / "outputs.npy", mmap_mode="r"), _head(built / HEAD, device))

    def states(self, split: str, device: torch.device) -> np.ndarray:
        """First-token hidden states of all layers for a split, float32 [rows, layers, hidden], from the cache."""
        return self.arrays("states", split, device)["states"]

    def outputs_and_states(self, split: str, device: torch.device) -> tuple[TeacherOutputs, np.ndarray]:
        """Outputs and representations for a split, from the cache: what students of D learn (eqs. 5 to 7).

        Returns:
            The outputs, as in `outputs`; the first-token hidden states of the last layer, float32 [rows, hidden].
        """
        found = self.arrays("spoken", split, device)
        return TeacherOutputs(found["outputs"]), found["states"]

    def arrays(self, name: str, split: str, device: torch.device) -> dict[str, np.ndarray]:
        """The arrays of one of `TEXT_OUTPUTS` for a split, by name, from the cache."""
        key = digest([self.data.key, self.fingerprint, split, name])[:24]

        def build(target: Path) -> None:
            network = open_network(self.folder, self.data, Precision.FP32, device)
            assert not isinstance(network, Seq2SeqNetwork)
            TEXT_OUTPUTS[name](network, self.data.splits[split], self.settings.label_order, target)

        built = self._built_once(key, build)
        return {file.stem: np.load(file, mmap_mode="r") for file in sorted(built.glob("*.npy"))}

    def attention(
        self, split: str, layers: tuple[int, ...], device: torch.device, student: Network
    ) -> CachedMaps | ComputedMaps:
        """Its attention maps of some layers (positions from 0, ascending), by the cheaper way for this student.

        They are computed for each batch only if the batches of teacher and student have the same layout.
        """
        rows = self.data.splits[split]
        network = open_network(self.folder, self.data, Precision.FP32, device, attention=True).eval()
        assert isinstance(network, PackedNetwork | TransformersNetwork)
        heads = network.num_heads
        if isinstance(network, PackedNetwork) and isinstance(student, PackedNetwork):
            numbers = float((rows.lengths.astype(np.int64) ** 2).sum()) * len(layers) * heads
            flops = 2.0 * network.layer_weights * int(rows.offsets[-1])
            if not is_caching_cheaper(numbers, flops, gpu=device.type == "cuda"):
                return ComputedMaps(network, rows, layers)
        key = digest([self.data.key, self.fingerprint, split, "attention", layers])[:24]
        built = self._built_once(key, lambda target: write_maps(network, rows, layers, heads, target / "maps.npy"))
        return CachedMaps.open(built / "maps.npy", rows.lengths, len(layers), heads)

    def write_example_attention(self, data_fingerprint: str, device: torch.device) -> None:
        """Write its attention maps for a few test examples, with their tokens, unless the file exists."""
        file = self.workspace.teacher_attention(self.fingerprint, data_fingerprint)
        if file.is_file():
            return
        split = self.data.splits["test"]
        network = open_network(self.folder, self.data, Precision.FP32, device, attention=True)
        found = example_attention(network, split)
        words = load_tokenizer(self.folder).convert_ids_to_tokens
        tokens = tuple(
            tuple(words(split.ids[split.offsets[row] : split.offsets[row + 1]].tolist())) for row in found.rows
        )
        dataclasses.replace(found, tokens=tokens).write(file)
        self.workspace.share(file)

    def translated_split(self, split: str, device: torch.device) -> TokenizedSplit:
        """A split with the teacher's translations as targets: sequence-level distillation (Kim & Rush, 2016)."""
        rows = self.data.splits[split]
        key = digest([self.data.key, self.fingerprint, split, "translations"])[:24]

        def build(target: Path) -> None:
            network = open_network(self.folder, self.data, Precision.FP32, device)
            assert isinstance(network, Seq2SeqNetwork)
            texts = translate(network, rows)
            (target / "translations.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
            for name, values in encoded_targets(Encoder(rows.tokenizer, self.settings.max_length), texts).items():
                np.save(target / f"{name}.npy", values)

        built = self._built_once(key, build)
        names = ("labels", "positions", "position_offsets")
        return dataclasses.replace(rows, **{name: np.load(built / f"{name}.npy", mmap_mode="r") for name in names})

    def _built_once(self, key: str, build: Callable[[Path], None]) -> Path:
        return self.workspace.build_once(self.workspace.teacher_outputs(key), build)


@dataclass(frozen=True)
class TeacherOutputs:
    """A teacher's outputs for a split.

    Attributes:
        values: Outputs, float32 [positions, width], columns in the data's label order; for translation hidden states,
            float16 [positions, hidden].
        head: Translation: the output head, weight [vocabulary, hidden] and bias [vocabulary].
    """

    values: np.ndarray
    head: tuple[Tensor, Tensor | None] | None = None

    def of(self, split: TokenizedSplit, rows: np.ndarray, device: torch.device) -> Tensor:
        """Outputs of some rows of the split, float32 [positions, width]."""
        values = torch.from_numpy(split.position_values(self.values, rows)).to(device)
        if self.head is None:
            return values
        weight, bias = self.head
        return F.linear(values.float(), weight, bias)


@dataclass(frozen=True)
class TopKOutputs:
    """A teacher's k likeliest tokens, uint32 [positions, k], and their log-probabilities, float16 [positions, k]."""

    tokens: np.ndarray
    log_probabilities: np.ndarray

    def of(self, split: TokenizedSplit, rows: np.ndarray, device: torch.device) -> TopK:
        """The likeliest tokens of some rows of the split."""
        tokens = split.position_values(self.tokens, rows).astype(np.int64)
        log_probabilities = split.position_values(self.log_probabilities, rows).astype(np.float32)
        return TopK(torch.from_numpy(tokens).to(device), torch.from_numpy(log_probabilities).to(device))


@lru_cache(maxsize=1)
def _head(file: Path, device: torch.device) -> tuple[Tensor, Tensor | None] | None:
    if not file.is_file():
        return None
    parts = load_file(file, device=str(device))
    return parts["weight"], parts.get("bias")
