"""How large a study's data and models are, for its plan.

Local files are read; other sizes come from presets and known models. Nothing is downloaded.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces import InputError
from study.config import Study, preset_row_counts
from trials.datasets import load_dataset_splits
from trials.models import (
    FEED_FORWARD_KEYS,
    HEAD_COUNT_KEYS,
    RECURRENT_MODEL_TYPE,
    WIDTH_KEYS,
    Config,
    config_key,
    layer_counts,
    student_config,
    why_not_packed,
)
from trials.readers import package_folder
from trials.specs import EVALUATION_TOKENS, DatasetSpec, Precision, Split, StudentSpec, TrainingRecipe
from trials.tasks import Head, Task, task_of

CHARACTERS_PER_TOKEN = 4.5
PROCESS_BYTES = 5e8  # python, torch, ray, scikit-learn
HEAP_GAPS = {Precision.FP32: 1.35, Precision.BF16: 1.7}  # heap over what is used of it (python -m benchmarks.memory)

KNOWN_MODELS: dict[str, dict[str, Any]] = {  # of the papers, planned before they are downloaded
    "FacebookAI/roberta-large": {
        "model_type": "roberta",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    },
    "google-bert/bert-base-uncased": {
        "model_type": "bert",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
    "google-bert/bert-large-uncased-whole-word-masking": {
        "model_type": "bert",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
    "FacebookAI/roberta-base": {
        "model_type": "roberta",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    },
    "facebook/mbart-large-cc25": {
        "model_type": "mbart",
        "d_model": 1024,
        "encoder_layers": 12,
        "decoder_layers": 12,
        "encoder_ffn_dim": 4096,
        "vocab_size": 250027,
    },
}


@dataclass(frozen=True)
class DatasetSize:
    """The size of a data set.

    Attributes:
        task: Its task.
        rows: Number of training examples.
        labels: Number of classes, or of a model's outputs at each position.
        characters: Length of each input; None if the texts are not on this machine.
        output_characters: Number of characters that have outputs, if rows have several; None if it is not known.
        transfer: Size of the transfer set, if there is one.
        validation, test: Numbers of examples of the other splits.
    """

    task: Task
    rows: int
    labels: int
    characters: tuple[int, ...] | None = None
    output_characters: int | None = None
    transfer: DatasetSize | None = None
    validation: int = 0
    test: int = 0

    def epoch_tokens(self, max_length: int) -> float:
        """Tokens of one epoch of a student; with a transfer set, of equal numbers of labelled and transfer rows."""
        own = self.tokens(max_length)
        if self.transfer is None:
            return own
        rows = max(self.rows, self.transfer.rows)
        return rows * (own / self.rows + self.transfer.tokens(max_length) / self.transfer.rows)

    def evaluated_tokens(self, recipe: TrainingRecipe) -> float:
        """Tokens of one validation per epoch and one test, if their rows are as long as training rows."""
        return self.row_tokens(recipe.max_length) * (self.validation * recipe.epochs + self.test)

    def row_tokens(self, max_length: int) -> float:
        """Mean number of tokens of a row."""
        return self.tokens(max_length) / self.rows

    def padded_row_tokens(self, max_length: int, batch_size: int) -> float:
        """Mean number of tokens of a row in padded batches, in the order of the data.

        Long texts are truncated or split into windows, so no row is longer than `max_length`.
        """
        lengths = [min(length, max_length) for length in self.lengths(max_length)]
        batches = [lengths[start : start + batch_size] for start in range(0, self.rows, batch_size)]
        return sum(max(batch) * len(batch) for batch in batches) / self.rows

    def tokens(self, max_length: int) -> float:
        """Tokens of one epoch, estimated from the characters; at most `max_length` per row."""
        return sum(self.lengths(max_length))

    def lengths(self, max_length: int) -> list[float]:
        """Tokens of each row, estimated from the characters."""
        if self.characters is None:
            return [float(max_length)] * self.rows
        windows = self.task.head is Head.SPANS  # long texts are split, not truncated
        most = math.inf if windows else max_length
        return [min(length / CHARACTERS_PER_TOKEN + 2, most) for length in self.characters]

    def output_bytes(self, recipe: TrainingRecipe, hidden_size: int) -> float:
        """Bytes of one teacher's outputs."""
        positions: float = self.rows
        if self.task.head is not Head.SEQUENCE:
            known = self.output_characters
            positions = self.rows * recipe.max_length if known is None else known / CHARACTERS_PER_TOKEN
        return positions * self.task.output_bytes(self.labels, hidden_size, recipe.teacher_top_k)


@dataclass(frozen=True)
class StudySizes:
    """Sizes of all data sets and models of a study, as far as they are known on this machine.

    Attributes:
        data: Data sets by name.
        models: Each model's config.json by its reference.
        missing: Names of data sets and models of unknown size.
    """

    data: dict[str, DatasetSize]
    models: dict[str, dict[str, Any]]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, study: Study) -> StudySizes:
        """The sizes of one study."""
        data = {dataset.name: dataset_size(dataset) for dataset in study.config.datasets}
        references = {study.teacher_source(*pair)[0]: pair[0].revision or "" for pair in study.teacher_pairs}
        references |= dict(study.student_source(student) for student in study.config.students)
        models = {reference: model_config(reference, revision) for reference, revision in references.items()}
        return cls(
            {name: size for name, size in data.items() if size},
            {name: config for name, config in models.items() if config},
            tuple(name for found in (data, models) for name, size in found.items() if not size),
        )

    def student(self, study: Study, student: StudentSpec) -> dict[str, Any]:
        """The config.json of a student."""
        return student_config(self.models[study.student_source(student)[0]], student)


def dataset_size(dataset: DatasetSpec) -> DatasetSize | None:
    """The size of a data set, or of its preset if the data are not on this machine; None if neither is known."""
    if dataset.hub is None:
        try:
            return _loaded_size(dataset)
        except InputError:
            pass  # `doctor` and `launch` report the fault
    rows = preset_row_counts(dataset)
    if rows is None:
        return None
    task, examples = task_of(dataset), dataset.examples
    drawn = {split: min(number, examples.get(split, number)) for split, number in rows.items()}  # type: ignore[call-overload]
    labels = len(dataset.labels or task.output_names) or 2
    return DatasetSize(task, drawn["train"], labels, validation=drawn["validation"], test=drawn["test"])


def model_config(reference: str, revision: str) -> dict[str, Any] | None:
    """A model's configuration: its local config.json, or an entry of `KNOWN_MODELS`; None if unknown."""
    try:
        folder = package_folder(reference) if reference.startswith("package:") else Path(reference)
    except InputError:
        return None
    path = folder / "config.json" if folder.is_dir() else _cached_config(reference, revision or None)
    if path is None or not path.is_file():
        return KNOWN_MODELS.get(reference)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # `doctor` and `launch` report the fault
        return None


def is_recurrent(config: Config) -> bool:
    """Whether a student is an LSTM in each direction."""
    return config.get("model_type") == RECURRENT_MODEL_TYPE


def hidden_size(config: Config) -> int:
    """Width of a model."""
    if is_recurrent(config):
        return 2 * int(config["hidden_size"])
    return int(config.get(config_key(config, WIDTH_KEYS), 0))


def feed_forward_size(config: Config) -> int:
    """Width of a model's feed-forward layers."""
    return int(config.get(config_key(config, FEED_FORWARD_KEYS), 4 * hidden_size(config)))


def layer_weights(config: Config) -> float:
    """Weights of all layers. Each has 4 h^2 of attention (8 h^2 in a decoder) and 2 h i of the feed-forward part.

    An LSTM has 4 u (e + u) in each direction, with u units and embeddings of width e.
    """
    if is_recurrent(config):
        units = int(config["hidden_size"])
        return 2.0 * 4 * units * (config["embedding_size"] + units)
    hidden, inner = hidden_size(config), feed_forward_size(config)
    attentions = {key: 2 if key == "decoder_layers" else 1 for key in layer_counts(config)}
    weights = (
        depth * (4 * attentions[key] * hidden**2 + 2 * hidden * inner) for key, depth in layer_counts(config).items()
    )
    return float(sum(weights))


def embedding_weights(config: Config) -> float:
    """Weights of the token embeddings."""
    if is_recurrent(config):
        return float(config["vocab_size"] * config["embedding_size"])
    return float(config.get("vocab_size", 0) * hidden_size(config))


def num_parameters(config: Config) -> int:
    """Parameters of a BERT-like encoder with this config.json, including its pooler and without a head."""
    hidden, inner = hidden_size(config), feed_forward_size(config)
    if is_recurrent(config):  # torch's LSTMs have two biases
        return int(embedding_weights(config) + layer_weights(config)) + 8 * hidden
    embedded = config.get("vocab_size", 0) + config.get("max_position_embeddings", 0) + config.get("type_vocab_size", 0)
    layer = 4 * hidden * (hidden + 1) + inner * (hidden + 1) + hidden * (inner + 1) + 4 * hidden
    return embedded * hidden + 2 * hidden + sum(layer_counts(config).values()) * layer + hidden * (hidden + 1)


def token_weights(config: Config) -> float:
    """Weights that each token is multiplied with: all layers, and the output head of an encoder-decoder."""
    head = embedding_weights(config) if "decoder_layers" in layer_counts(config) else 0.0
    return layer_weights(config) + head


def trial_memory(config: Config, recipe: TrainingRecipe, row_tokens: float) -> float:
    """Rough upper bound on the bytes of a trial: the process, six copies of the weights, and activations.

    The copies are: weights, gradients, two moments, the best checkpoint, and the untrained weights, which the worker
    keeps for its next trial. Activations are those of an evaluation, or of a training batch 1.5 times the mean length;
    an encoder-decoder also has five copies of a batch's logits over the vocabulary.

    Args:
        config: The student's config.json.
        recipe: Its training recipe.
        row_tokens: Mean number of tokens of a training row.
    """
    hidden, inner = hidden_size(config), feed_forward_size(config)
    weights, layers = layer_weights(config) + embedding_weights(config), sum(layer_counts(config).values()) or 1
    of_token = 13 * hidden + 2 * inner + 3 * config.get(config_key(config, HEAD_COUNT_KEYS), 12) * row_tokens
    batch = 1.5 * recipe.batch_size * row_tokens
    logits = 5 * batch * config.get("vocab_size", 0) if "decoder_layers" in layer_counts(config) else 0
    evaluation = EVALUATION_TOKENS * (8 * hidden + 2 * inner)
    used = 4 * (6 * weights + max(batch * layers * of_token + logits, evaluation))
    return PROCESS_BYTES + HEAP_GAPS[recipe.precision] * used


def attention_memory(
    teacher: Config, recipe: TrainingRecipe, row_tokens: float, num_layers: int, *, kept: bool
) -> float:
    """Extra bytes of a trial that compares the teacher's attention, in addition to `trial_memory`.

    A worker keeps the teacher's weights from trial to trial. If maps are computed for each batch, there is a
    second copy that computes them, and a batch's maps: logarithms and probabilities in single precision.

    Args:
        teacher: The teacher's config.json.
        recipe: The student's training recipe.
        row_tokens: Mean number of tokens of a training row.
        num_layers: Number of the teacher's layers that are compared.
        kept: Whether maps are read from a file.
    """
    weights = layer_weights(teacher) + embedding_weights(teacher)
    row = teacher.get(config_key(teacher, HEAD_COUNT_KEYS), 12) * num_layers * row_tokens**2
    maps = 1.5 * recipe.batch_size * row  # a batch half as long again as the mean one, as of `trial_memory`
    return HEAP_GAPS[recipe.precision] * 4 * (weights if kept else 2 * weights + 2 * maps)


def forward_path(config: Config) -> str:
    """Whether a model takes the fast or the slow path, as text."""
    reason = why_not_packed(config)
    return (
        "fast path: packed batches" if reason is None else f"slow path: padded batches through Transformers ({reason})"
    )


def _loaded_size(dataset: DatasetSpec) -> DatasetSize:
    loaded = load_dataset_splits(dataset)
    task, labels = task_of(dataset), len(loaded.label_names)

    def size(split: Split, transfer: DatasetSize | None = None) -> DatasetSize:
        rows = loaded.splits[split]
        characters = tuple(task.characters(rows))
        others = len(loaded.splits["validation"]), len(loaded.splits["test"])
        return DatasetSize(task, len(rows), labels, characters, task.output_characters(rows), transfer, *others)

    return size("train", size("unlabeled") if "unlabeled" in loaded.splits else None)


def _cached_config(reference: str, revision: str | None) -> Path | None:
    """Path of a hub model's config.json in the local cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(reference, "config.json", revision=revision)
    except HFValidationError:  # the path of a folder that is not here
        return None
    return Path(found) if isinstance(found, str) else None
