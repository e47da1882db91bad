"""Response times: samples per second of a teacher and its students, under equal conditions (B, section 5.1)."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from trials.datasets import TokenizedData, load_tokenized
from trials.models import RECURRENT_MODEL_TYPE, model_folder
from trials.networks import Network, TransformersNetwork, open_network
from trials.readers import TokenizedSplit
from trials.specs import ModelSpeed, Precision, SpeedTask, StudentSpec
from trials.storage import Workspace
from trials.students import initial_student, tokenizer_folder
from trials.tasks import Head


@dataclass(frozen=True)
class _Model:
    """A model, the test split tokenized for it, and the seconds of its passes."""

    name: str
    network: Network
    split: TokenizedSplit
    seconds: list[float] = field(default_factory=list)


def measure_speed(task: SpeedTask, workspace: Workspace, device: torch.device) -> tuple[ModelSpeed, ...]:
    """Samples per second of each model, the teacher first.

    All models process the same test rows in the same batches, in the data's order, padded to the longest row of a
    batch. Models are measured untrained, because speed depends on the shape and not on the weights. Each round measures
    every model once and starts with another model.

    Raises:
        InputError: A model is not available.
    """
    teacher = StudentSpec(name=task.teacher.name, source=task.teacher.name)  # has the shape of the teacher's model
    shapes = zip((teacher, *task.students), task.sources, strict=True)
    models = [_model(task, shape, source, workspace, device) for shape, source in shapes]
    for model in models:
        for _ in range(task.settings.warm_up):
            _pass(model, task, device)
    for turn in range(task.settings.rounds):
        for model in (*models[turn % len(models) :], *models[: turn % len(models)]):
            start = time.perf_counter()
            _pass(model, task, device)
            model.seconds.append(time.perf_counter() - start)
    rows = len(_rows(task, models[0].split))
    return tuple(
        ModelSpeed(
            name=model.name,
            num_parameters=model.network.num_parameters(),
            samples_per_second=tuple(rows / seconds for seconds in model.seconds),
        )
        for model in models
    )


def _model(
    task: SpeedTask, shape: StudentSpec, source: tuple[str, str], workspace: Workspace, device: torch.device
) -> _Model:
    folder = model_folder(source[0], source[1] or None)
    folder = tokenizer_folder(shape, folder, task.dataset, task.data_fingerprint, workspace)
    data = load_tokenized(task.dataset, task.data_fingerprint, folder, task.max_length, workspace)
    initial = initial_student(shape, folder, data.label_names, task.seed, workspace, data.head)
    return _Model(shape.name, _open(initial, data, task, device).eval(), data.splits["test"])


def _open(folder: Path, data: TokenizedData, task: SpeedTask, device: torch.device) -> Network:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    own = task.settings.forward == "kdstudy" or config["model_type"] == RECURRENT_MODEL_TYPE
    if own or data.head is Head.SEQ2SEQ:  # an encoder-decoder: one pass over given targets
        return open_network(folder, data, Precision.FP32, device)
    return TransformersNetwork.open(folder, Precision.FP32, data.head).to(device)


@torch.no_grad()
def _pass(model: _Model, task: SpeedTask, device: torch.device) -> None:
    """Process all batches once."""
    rows: Sequence[int] = _rows(task, model.split)
    for start in range(0, len(rows), task.settings.batch_size):
        batch = np.asarray(rows[start : start + task.settings.batch_size])
        model.network(model.network.inputs(model.split, batch))
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rows(task: SpeedTask, split: TokenizedSplit) -> range:
    return range(min(task.settings.rows, len(split)))
