"""How large a study's data and models are, for its plan.

Read where they are at hand, else known of the preset or the model; nothing is downloaded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces.faults import InputError
from study.presets import preset_rows
from trials.datasets import load_dataset_splits
from trials.embedded import package_folder
from trials.families import why_not_packed
from trials.spec import EVALUATION_TOKENS, DatasetSpec, StudentSpec, TrainingRecipe

CHARACTERS_PER_TOKEN = 4.5
PROCESS_BYTES = 5e8  # python, torch, ray, scikit-learn
DEPTH_KEYS = ("num_hidden_layers", "n_layers", "num_layers", "n_layer")

KNOWN_MODELS: dict[str, dict[str, Any]] = {  # of paper A, so that its study is planned before they are downloaded
    "FacebookAI/roberta-large": {
        "model_type": "roberta",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "vocab_size": 50265,
    },
    "FacebookAI/roberta-base": {
        "model_type": "roberta",
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "intermediate_size": 3072,
        "vocab_size": 50265,
    },
    "facebook/mbart-large-cc25": {  # both stacks
        "model_type": "mbart",
        "d_model": 1024,
        "num_hidden_layers": 24,
        "vocab_size": 250027,
    },
}


@dataclass(frozen=True)
class DatasetSize:
    """A training split.

    Attributes:
        rows: Its examples.
        labels: Its classes.
        characters: Length of each text (and its pair), where the texts are at hand.
    """

    rows: int
    labels: int
    characters: tuple[int, ...] | None = None

    def tokens(self, max_length: int) -> float:
        """Tokens of one epoch, estimated from the characters; at most `max_length` each."""
        if self.characters is None:
            return float(self.rows * max_length)
        return sum(min(length / CHARACTERS_PER_TOKEN + 2, max_length) for length in self.characters)


def dataset_size(dataset: DatasetSpec) -> DatasetSize | None:
    """The size of a data set; of its preset where the data are not here; None if there is no such preset either."""
    if dataset.hub is None:
        try:
            return _loaded_size(dataset)
        except InputError:
            pass  # `doctor` and `launch` say what is wrong with it
    rows = preset_rows(dataset.name)
    if rows is None:
        return None
    return DatasetSize(min(rows["train"], dataset.examples.get("train", rows["train"])), len(dataset.labels or ()) or 2)


def model_config(reference: str, revision: str) -> dict[str, Any] | None:
    """A model's shape: of its config.json where that is here, of `KNOWN_MODELS` otherwise; None if unknown."""
    try:
        folder = package_folder(reference) if reference.startswith("package:") else Path(reference)
    except InputError:
        return None
    path = folder / "config.json" if folder.is_dir() else _cached_config(reference, revision or None)
    if path is None or not path.is_file():
        return KNOWN_MODELS.get(reference)
    return json.loads(path.read_text(encoding="utf-8"))


def layer_weights(config: dict[str, Any], student: StudentSpec | None = None) -> float:
    """Weights of the layers, embeddings left out: 4 h^2 of attention and 2 h i of the feed-forward part each."""
    hidden = config.get("hidden_size", config.get("dim", config.get("d_model", 0)))
    inner = config.get("intermediate_size", config.get("hidden_dim", 4 * hidden))
    depth = next((config[key] for key in DEPTH_KEYS if key in config), 0)
    if student is not None:
        depth = len(student.layer_choice or ()) or student.layers or depth
    return float(depth * (4 * hidden**2 + 2 * hidden * inner))


def embedding_weights(config: dict[str, Any]) -> float:
    """Weights of the token embeddings."""
    return float(config.get("vocab_size", 0) * config.get("hidden_size", config.get("dim", config.get("d_model", 0))))


def trial_memory(config: dict[str, Any], student: StudentSpec, recipe: TrainingRecipe, row_tokens: float) -> float:
    """Bytes that a trial takes at most, roughly: the process, six copies of the weights, activations.

    The copies: weights, gradients, two moments, the best validation's, and those before training, which the worker
    keeps for its next trial. Activations: of an evaluation, or of a training batch half as long again as the mean one.

    Args:
        config: The config.json of what the student starts from.
        student: The student.
        recipe: Its training recipe.
        row_tokens: Tokens of a training row, in the mean.
    """
    hidden = config.get("hidden_size", config.get("dim", config.get("d_model", 0)))
    inner = config.get("intermediate_size", config.get("hidden_dim", 4 * hidden))
    weights = layer_weights(config, student) + embedding_weights(config)
    layers = layer_weights(config, student) / (4 * hidden**2 + 2 * hidden * inner) if hidden else 0
    of_token = 13 * hidden + 2 * inner + 3 * config.get("num_attention_heads", 12) * row_tokens
    training = 1.5 * recipe.batch_size * row_tokens * layers * of_token
    evaluation = EVALUATION_TOKENS * (8 * hidden + 2 * inner)
    return PROCESS_BYTES + 4 * (6 * weights + max(training, evaluation))


def forward_path(config: dict[str, Any]) -> str:
    """How a model is computed, in words."""
    reason = why_not_packed(config)
    return "packed" if reason is None else f"by Transformers' own forward ({reason})"


def _loaded_size(dataset: DatasetSpec) -> DatasetSize:
    loaded = load_dataset_splits(dataset)
    train = loaded.splits["train"]
    pairs = train.text_pairs or ("",) * len(train)
    lengths = tuple(len(text) + len(pair) for text, pair in zip(train.texts, pairs, strict=True))
    return DatasetSize(len(train), len(loaded.label_names), lengths)


def _cached_config(reference: str, revision: str | None) -> Path | None:
    """The config.json of a hub model in the hub's local cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(reference, "config.json", revision=revision)
    return Path(found) if isinstance(found, str) else None
