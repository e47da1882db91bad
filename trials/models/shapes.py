"""Shapes of students: the source's config.json with fewer layers or heads, or another width. Torch-free."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from search_spaces import Fault, InputError, counted, fault
from trials.readers import vectors_size
from trials.specs import Initialisation, StudentSpec

SHARED = ("albert",)  # architectures with one layer's weights for all
INNER_FACTOR = 4  # the feed-forward part's width over the model's, where a student names its width (B, section 4)
LAYER_COUNT_KEYS = (
    "num_hidden_layers",
    "n_layers",
    "num_layers",
    "n_layer",
)  # of encoders in config.json, by architecture
HEAD_COUNT_KEYS = ("num_attention_heads", "n_heads", "num_heads")
WIDTH_KEYS = ("hidden_size", "dim", "d_model")
SAME_WIDTH_KEYS = (
    "embedding_size",
    "pooler_hidden_size",
)  # of ELECTRA and DeBERTa; they follow where they are the width
FEED_FORWARD_KEYS = ("intermediate_size", "hidden_dim", "encoder_ffn_dim", "d_ff")

RECURRENT_DEFAULTS = {  # D, section 6
    "hidden_size": 600,
    "embedding_size": 300,
    "dropout": 0.4,
    "recurrent_dropout": 0.2,
}
NUM_RECURRENT_PARTS = 3  # that gradual unfreezing thaws: classifier, LSTMs, embeddings
RECURRENT_MODEL_TYPE = "kdstudy_recurrent"  # their model type

Config = Mapping[str, Any]  # a config.json
Stack = Literal["encoder", "decoder"]


def config_key(config: Config, names: tuple[str, ...]) -> str:
    """The first of the keys that a config.json has; the first key if it has none."""
    return next((name for name in names if name in config), names[0])


def layer_counts(config: Config) -> dict[str, int]:
    """Numbers of layers by the student's key, such as ``layers``; empty if the configuration does not have them."""
    decoder = config.get("decoder_layers", config.get("num_decoder_layers"))
    if decoder is not None:
        return {"encoder_layers": config.get("encoder_layers", config.get("num_layers", 0)), "decoder_layers": decoder}
    return next(({"layers": config[key]} for key in LAYER_COUNT_KEYS if key in config), {})


def student_config(config: Config, student: StudentSpec) -> dict[str, Any]:
    """The config.json of a student, derived from its source's; a recurrent student has the source's vocabulary."""
    if student.is_recurrent:
        size = None
        with contextlib.suppress(InputError):  # `doctor` and `launch` report faults of the vectors
            size = None if student.embeddings is None else vectors_size(student.embeddings)
        return recurrent_config(student, vocabulary=config.get("vocab_size", 0), embedding_size=size)
    found = layer_counts(config)
    chosen = len(student.layer_choice or ()) or student.layers
    counts = {key: getattr(student, key) or chosen or depth for key, depth in found.items()}
    if "decoder_layers" in counts:
        names = {"encoder_layers": config_key(config, ("encoder_layers", "num_layers"))}
        names["decoder_layers"] = config_key(config, ("decoder_layers", "num_decoder_layers"))
    else:
        names = {"layers": config_key(config, LAYER_COUNT_KEYS)}
    return {**config, **{names[key]: count for key, count in counts.items()}, **width_changes(config, student)}


def recurrent_config(student: StudentSpec, *, vocabulary: int, embedding_size: int | None = None) -> dict[str, Any]:
    """The config.json of a recurrent student.

    Args:
        student: The student.
        vocabulary: Number of tokens.
        embedding_size: Width of the word vectors, if they come from a file.
    """
    given = {name: getattr(student, name) for name in RECURRENT_DEFAULTS if getattr(student, name) is not None}
    size = {} if embedding_size is None else {"embedding_size": embedding_size}
    kind = student.architecture
    shape = {"model_type": RECURRENT_MODEL_TYPE, "architecture": str(kind), "pooling": kind.pooling}
    return shape | {"vocab_size": vocabulary} | RECURRENT_DEFAULTS | given | size


def width_changes(config: Config, student: StudentSpec) -> dict[str, int]:
    """The changes of an encoder's config.json for other heads or another width."""
    changes: dict[str, int] = {}
    if student.heads is not None:
        changes[config_key(config, HEAD_COUNT_KEYS)] = student.heads
    if student.hidden_size is not None:
        changes[config_key(config, WIDTH_KEYS)] = student.hidden_size
        changes[config_key(config, FEED_FORWARD_KEYS)] = INNER_FACTOR * student.hidden_size
        width = config.get(config_key(config, WIDTH_KEYS))
        same = [name for name in SAME_WIDTH_KEYS if config.get(name) == width]
        changes |= dict.fromkeys(same, student.hidden_size)
    return changes


def kept_layers(student: StudentSpec, depth: int, stack: Stack | None = None) -> tuple[int, ...]:
    """The layers of the source, or of one of its stacks, that the student keeps; counted from 0.

    ``skip`` takes the upper layer of each of n equal groups: of 6 layers, a student of 3 keeps 1, 3, 5.

    Raises:
        InputError: The student is deeper than its source.
    """
    wanted = student.layer_choice or ()
    of_stack = getattr(student, f"{stack}_layers") if stack else None
    count = len(wanted) or of_stack or student.layers or depth
    if count > depth or any(layer >= depth for layer in wanted):
        asked = list(wanted) or count
        message = f"the source has only {counted(depth, 'layer')}"
        key = "layer_choice" if wanted else f"{stack}_layers" if of_stack else "layers"
        raise fault("study file", f"students.{student.name}.{key}", asked, message)
    if wanted:
        return wanted
    if student.init is Initialisation.FIRST:
        return tuple(range(count))
    if student.init is Initialisation.LAST:
        return tuple(range(depth - count, depth))
    return tuple((index + 1) * depth // count - 1 for index in range(count))


def shape_faults(student: StudentSpec, source: str, config: Config) -> Iterator[Fault]:
    """Faults of a student's shape, given its source.

    Args:
        student: The student.
        source: Name of the model that it starts from.
        config: Its config.json.
    """
    key = f"students.{student.name}"
    yield from _layer_count_faults(student, source, layer_counts(config))
    if config.get("model_type") in SHARED and (student.layers or student.layer_choice):
        message = (
            f"the layers of {config['model_type']} models share their weights and cannot be left out: remove layers"
        )
        yield Fault("study file", f"{key}.layers", student.layers or student.layer_choice, message)
    if student.heads is None and student.hidden_size is None:
        return
    if "decoder_layers" in layer_counts(config):
        asked = "heads" if student.heads else "hidden_size"
        message = f"{source} is an encoder-decoder, for which only the number of layers can be changed"
        yield Fault("study file", f"{key}.{asked}", getattr(student, asked), message)
        return
    shape = student_config(config, student)
    width, heads = (shape.get(config_key(shape, names)) for names in (WIDTH_KEYS, HEAD_COUNT_KEYS))
    if width and heads and width % heads:
        asked = "hidden_size" if student.hidden_size else "heads"
        message = f"a width of {width} cannot be divided among {counted(heads, 'head')}"
        yield Fault("study file", f"{key}.{asked}", getattr(student, asked), message)
    most = config.get(config_key(config, WIDTH_KEYS))
    if student.init is Initialisation.SLICED and width and most and width > most:
        message = f"{source} has only a width of {most}, so that it cannot be sliced: set init to random"
        yield Fault("study file", f"{key}.hidden_size", width, message)


def _layer_count_faults(student: StudentSpec, source: str, layer_counts: dict[str, int]) -> Iterator[Fault]:
    """Faults of layers that the source does not have."""
    chosen = max([student.layers or 0, *(layer + 1 for layer in student.layer_choice or ())])
    for stack in ("encoder_layers", "decoder_layers"):
        if getattr(student, stack) and stack not in layer_counts:
            message = f"{source} is not an encoder-decoder: use layers instead"
            yield Fault("study file", f"students.{student.name}.{stack}", getattr(student, stack), message)
    for stack, depth in layer_counts.items():
        wanted = getattr(student, stack) or chosen
        if wanted > depth:
            key = stack if getattr(student, stack) else "layers"
            what = counted(depth, "layer" if stack == "layers" else stack.removesuffix("s").replace("_", " "))
            yield Fault("study file", f"students.{student.name}.{key}", wanted, f"{source} has only {what}")
