"""Matching of a model's labels with those of the data, by name. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces import fault
from trials.tasks import Head

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


def match_labels(
    model_labels: Mapping[int, str] | Mapping[str, str], data_labels: tuple[str, ...], folder: Path
) -> list[int]:
    """The position of each label of the data in the model's output, matched by name.

    A model whose labels are only numbered (``LABEL_0`` ...) is assumed to have the data's order.

    Raises:
        InputError: The sets of labels differ.
    """
    names = [str(name) for _, name in sorted(model_labels.items(), key=lambda item: int(item[0]))]
    if len(names) == len(data_labels) and all(name == f"LABEL_{index}" for index, name in enumerate(names)):
        return list(range(len(names)))
    lowered = [name.lower() for name in names]
    wanted = [name.lower() for name in data_labels]
    if sorted(lowered) != sorted(wanted):
        message = (
            f"the model's labels differ from the data's, {list(data_labels)}: set labels of the data set, or id2label"
        )
        raise fault(folder, "id2label", names, message)
    return [lowered.index(name) for name in wanted]


def set_label_names(config: PreTrainedConfig, label_names: tuple[str, ...], head: Head) -> PreTrainedConfig:
    """Set the label names of a model's configuration; a single label means regression."""
    if head is Head.SEQ2SEQ:
        return config
    config.id2label = dict(enumerate(label_names))
    config.label2id = {name: index for index, name in enumerate(label_names)}
    if head is Head.SEQUENCE:
        config.problem_type = "regression" if len(label_names) == 1 else "single_label_classification"
    return config
