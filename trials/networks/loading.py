"""Loading of networks, which the training loop trains.

The packed encoder computes the families of `trials/models/families.py`; Transformers computes all other architectures.
Both read and write Transformers' folders; recurrent students have files with the same names. For every network
`network(network.inputs(split, rows))` returns float32 outputs [positions, width], as described in
`trials/tasks/task.py`.
"""

from __future__ import annotations

import copy
import json
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import torch

from trials.datasets import TokenizedData
from trials.models import RECURRENT_MODEL_TYPE, why_not_packed
from trials.networks.packed_network import PackedNetwork
from trials.networks.recurrent_network import RecurrentNetwork
from trials.networks.seq2seq_network import Seq2SeqNetwork
from trials.networks.transformers_network import TransformersNetwork
from trials.specs import Architecture, Precision
from trials.tasks import Head

Network = PackedNetwork | TransformersNetwork | Seq2SeqNetwork | RecurrentNetwork


def open_network(
    folder: Path, data: TokenizedData, precision: Precision, device: torch.device, *, attention: bool = False
) -> Network:
    """Load a new network from a model folder, for the tokens of one data set.

    Args:
        folder: config.json and model.safetensors, as `save_pretrained` writes them; the files must not change.
        data: The data that it will process.
        precision: Type of activations; weights are float32.
        device: Where to compute.
        attention: Whether attention maps will be requested.
    """
    return copy.deepcopy(_opened(folder, data, precision, attention)).to(device)


@lru_cache(maxsize=2)  # the next trial of a worker often starts from the same weights
def _opened(folder: Path, data: TokenizedData, precision: Precision, attention: bool) -> Network:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] == RECURRENT_MODEL_TYPE:
        return network_class(Architecture(config["architecture"])).open(folder, precision)
    if why_not_packed(config) is None:
        return PackedNetwork.open(folder, config, data, precision)
    if data.head is Head.SEQ2SEQ:
        return Seq2SeqNetwork.open(folder, precision)
    return TransformersNetwork.open(folder, precision, data.head, attention=attention)


def network_class(architecture: Architecture) -> type[RecurrentNetwork]:
    """The network of an architecture that is no Transformers model."""
    kind: type[RecurrentNetwork] = import_module(f"trials.networks.{architecture.network}").NETWORK
    return kind
