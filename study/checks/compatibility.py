"""Whether the parts of a triple fit together: heads, tokenizers, layers and attention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search_spaces import Configuration, Fault, LayerMap, digest, layer_map
from study.checks.check_cache import CheckCache
from study.checks.transfer_compatibility import transfer_faults
from study.config import Study
from trials.models import (
    ATTENTION_DROPOUTS,
    FAMILIES,
    HEAD_COUNT_KEYS,
    config_key,
    layer_counts,
    model_fingerprint,
    student_config,
    why_not_packed,
)
from trials.readers import dataset_key, load_tokenizer
from trials.specs import DatasetSpec, Triple
from trials.tasks import Head, language_code, task_of
from trials.training import training_stages

MAPPINGS = {  # of Transformers: which model types have a head
    Head.SEQUENCE: "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    Head.TOKENS: "MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES",
    Head.SPANS: "MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES",
    Head.SEQ2SEQ: "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
}


@dataclass(frozen=True)
class TokenizerFacts:
    """Properties of a tokenizer that the checks need.

    Attributes:
        window: Maximum number of tokens.
        behaviour: Hash of everything that decides its tokens.
        aligned: Whether it maps tokens to words and characters.
        first: Whether it adds a start token to each row.
        languages: Its special tokens, if it marks languages; else None.
        masks: Whether it has a mask token.
    """

    window: int
    behaviour: str
    aligned: bool
    first: bool
    languages: tuple[str, ...] | None
    masks: bool


def tokenizer_facts(folder: Path, cache: CheckCache) -> TokenizerFacts:
    """Properties of the tokenizer in a model's folder.

    Raises:
        InputError: It has no usable tokenizer.
    """
    key = digest(["tokenizer facts", 3, model_fingerprint(folder), version("transformers")])
    values = cache.cached(key, lambda: asdict(_facts(load_tokenizer(folder))))
    languages = values["languages"]
    return TokenizerFacts(**{**values, "languages": None if languages is None else tuple(languages)})


def _facts(tokenizer: Any) -> TokenizerFacts:
    ids = tokenizer("a", "b")["input_ids"]
    behaviour = {key: value for key, value in _backend(tokenizer).items() if key not in ("truncation", "padding")}
    return TokenizerFacts(
        window=int(tokenizer.model_max_length),
        behaviour=digest(behaviour),
        aligned=bool(tokenizer.is_fast),
        first=bool(ids) and ids[0] in (tokenizer.cls_token_id, tokenizer.bos_token_id),
        languages=tuple(tokenizer.all_special_tokens) if hasattr(tokenizer, "src_lang") else None,
        masks=tokenizer.mask_token_id is not None,
    )


def _backend(tokenizer: Any) -> dict[str, Any]:
    if tokenizer.is_fast:
        return json.loads(tokenizer.backend_tokenizer.to_str())
    return {"vocabulary": tokenizer.get_vocab(), "class": type(tokenizer).__name__}


def triple_faults(
    study: Study,
    triple: Triple,
    configs: dict[tuple[str, ...], dict[str, Any]],
    facts: dict[tuple[str, ...], TokenizerFacts],
) -> Iterator[Fault]:
    """Faults of a triple whose parts are valid by themselves.

    Args:
        study: The study.
        triple: The triple.
        configs: Each model's config.json, by `Study.teacher_source` or `Study.student_source`.
        facts: Each model's tokenizer, by the same keys.
    """
    task, dataset = task_of(triple.dataset), triple.dataset
    yield from transfer_faults(study, triple)
    yield from _adaptation_faults(study, triple, facts)
    teacher, student = study.teacher_source(triple.teacher, dataset), study.student_source(triple.student)
    of_teacher, of_student = f"teachers.{triple.teacher.name}", f"students.{triple.student.name}"
    for source, key in {student: of_student, teacher: of_teacher}.items():  # a model that is both is the teacher's
        if source not in configs:
            continue
        model_type = configs[source].get("model_type", "unknown")
        if not has_head(model_type, task.head):
            message = f"{model_type} models have no head for {dataset.task} (data set {dataset.name})"
            yield Fault("study file", key, source[0], message)
        elif task.head in (Head.TOKENS, Head.SPANS) and not (facts[source].aligned and facts[source].first):
            message = f"its tokenizer does not map tokens to words and characters, as data set {dataset.name} requires"
            yield Fault("study file", key, source[0], message)
        elif task.head is Head.SEQ2SEQ and (special := facts[source].languages) is not None:
            yield from _language_faults(dataset, special)
    teaching = [each for each in study.tried if each.compares_layers]
    if teaching and {teacher, student} <= configs.keys() and not triple.student.is_recurrent:
        yield from _internal_faults(study, triple, configs[teacher], configs[student], teaching)
        for source, key in {teacher: of_teacher, student: of_student}.items() if task.head is not Head.SEQ2SEQ else ():
            yield from _inside_faults(source[0], key, configs[source], facts.get(source), teaching)
    attention = any(each.attention_weight for each in teaching)
    if (task.same_tokens or attention) and {teacher, student} <= facts.keys():
        yield from _token_faults(study, triple, configs, facts)


def _adaptation_faults(study: Study, triple: Triple, facts: dict[tuple[str, ...], TokenizerFacts]) -> Iterator[Fault]:
    """A teacher that cannot learn to predict masked tokens."""
    if triple.teacher.adapt is None:
        return
    source = study.teacher_source(triple.teacher, triple.dataset)
    if task_of(triple.dataset).head is Head.SEQ2SEQ:
        message = f"only encoders predict masked tokens, but data set {triple.dataset.name} needs an encoder-decoder"
    elif source in facts and not facts[source].masks:
        message = f"the tokenizer of {source[0]} has no mask token"
    else:
        return
    yield Fault("study file", f"teachers.{triple.teacher.name}.adapt", None, message)


def _internal_faults(
    study: Study, triple: Triple, teacher: dict[str, Any], source: dict[str, Any], teaching: list[Configuration]
) -> Iterator[Fault]:
    """Layers that cannot be compared: encoder-decoders, unfit layer maps, unequal heads, or too few epochs."""
    shape = student_config(source, triple.student)
    deep, own = layer_counts(teacher).get("layers"), layer_counts(shape).get("layers")
    if deep is None or own is None:
        message = f"layers are compared for encoders only, and {triple.triple_id} has an encoder-decoder"
        yield Fault("study file", "search.space (layers)", None, message)
        return
    for name in dict.fromkeys(each.layer_map for each in teaching):
        try:
            layer_map(name, own, deep)
        except ValueError as error:
            own_map = name == study.space.internals.layer_map
            key = "search.space.internals.layer_map" if own_map else "search.space.experiments (layer_map)"
            yield Fault("study file", key, name, f"{error} ({triple.triple_id})")
            return
    heads = [config.get(config_key(config, HEAD_COUNT_KEYS)) for config in (teacher, shape)]
    if heads[0] != heads[1] and any(each.attention_weight for each in teaching):
        message = (
            f"attention maps are compared head by head, but the teacher has {heads[0]} heads and the student {heads[1]}"
        )
        yield Fault("study file", f"students.{triple.student.name}.heads", triple.student.heads, message)
    epochs = study.student_recipe(triple.dataset).epochs
    longest = max(_epochs_of_layers(each, layer_map(each.layer_map, own, deep)) for each in teaching)
    if longest >= epochs:
        message = f"leaves no epoch for the last stage of {triple.triple_id}: its layers may take {longest}"
        yield Fault("study file", "training.epochs", epochs, message)


def _inside_faults(
    source: str, key: str, config: dict[str, Any], facts: TokenizerFacts | None, teaching: list[Configuration]
) -> Iterator[Fault]:
    """A model whose hidden states or attention cannot be compared."""
    if facts is not None and not facts.first:
        message = "its tokenizer adds no start token, whose hidden states would be compared"
        yield Fault("study file", key, source, message)
    known = why_not_packed(config) is None or any(name in config for name in ATTENTION_DROPOUTS)
    if not known and any(each.attention_weight for each in teaching):
        message = f"{config.get('model_type')} models give attention after dropout only, which cannot be compared"
        yield Fault("study file", key, source, message)


def _epochs_of_layers(configuration: Configuration, pairs: LayerMap) -> int:
    return sum(stage.epochs or 0 for stage in training_stages(configuration, pairs))


def _token_faults(
    study: Study,
    triple: Triple,
    configs: dict[tuple[str, ...], dict[str, Any]],
    facts: dict[tuple[str, ...], TokenizerFacts],
) -> Iterator[Fault]:
    """Teacher and student that do not read and write the same tokens."""
    dataset = triple.dataset
    teacher, student = study.teacher_source(triple.teacher, dataset), study.student_source(triple.student)
    of_teacher, of_student = f"teachers.{triple.teacher.name}", f"students.{triple.student.name}"
    if facts[teacher].behaviour != facts[student].behaviour:
        other = f"its tokenizer differs from that of teacher {triple.teacher.name}"
        message = f"{other}; on data set {dataset.name} both must read the same tokens"
        yield Fault("study file", of_student, student[0], message)
    outputs = _vocabulary(configs[teacher]), _vocabulary(configs[student])
    if task_of(dataset).head is Head.SEQ2SEQ and outputs[0] != outputs[1]:
        message = f"has a vocabulary of {outputs[1]} tokens, teacher {triple.teacher.name} one of {outputs[0]}"
        yield Fault("study file", of_student, student[0], message)
    lengths = study.teacher_recipe(triple.teacher, dataset).max_length, study.student_recipe(dataset).max_length
    if lengths[0] != lengths[1]:
        message = f"must equal the students' {lengths[1]}: on data set {dataset.name} both must read the same tokens"
        yield Fault("study file", f"{of_teacher}.training.max_length", lengths[0], message)


def _vocabulary(config: dict[str, Any]) -> int | None:
    """Size of the output vocabulary of an encoder-decoder."""
    return config.get("decoder_vocab_size") or config.get("vocab_size")


def head_faults(key: str, folder: Path, dataset: DatasetSpec) -> Iterator[Fault]:
    """Faults of the head of a fine-tuned checkpoint, which is used unchanged.

    Args:
        key: The model's key in the study file.
        folder: The checkpoint.
        dataset: The data set that it is used for.
    """
    config, task = config_of(folder), task_of(dataset)
    if task.head is Head.SEQ2SEQ:  # those have one head
        return
    held, wanted = ", ".join(config.get("architectures") or ("none",)), task.head.removeprefix("AutoModel")
    if wanted not in held:
        message = f"is not fine-tuned for {dataset.task} (data set {dataset.name}): its class must be a ...{wanted}"
        yield Fault(str(folder), key, held, message)
    width = len(config.get("id2label") or range(config.get("num_labels", 2)))
    if task.output_names and width != len(task.output_names):
        message = (
            f"{dataset.task} (data set {dataset.name}) needs {len(task.output_names)}: {', '.join(task.output_names)}"
        )
        yield Fault(str(folder), f"{key} (number of outputs)", width, message)


def config_of(folder: Path) -> dict[str, Any]:
    """A model folder's config.json."""
    return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _language_faults(dataset: DatasetSpec, special: tuple[str, ...]) -> Iterator[Fault]:
    """Languages that a multilingual tokenizer does not know."""
    known, key = ", ".join(token for token in special if "_" in token), dataset_key(dataset, "languages")
    if dataset.languages is None:
        yield Fault("study file", key, None, f"is required because the tokenizer marks languages; known: {known}")
    for language in dataset.languages or ():
        if language_code(special, language) is None:
            yield Fault("study file", key, language, f"the tokenizer does not know this language; known: {known}")


@cache
def has_head(model_type: str, head: Head) -> bool:
    """Whether Transformers has this head for a type of model."""
    if model_type in FAMILIES:
        return head is not Head.SEQ2SEQ
    from transformers.models.auto import modeling_auto  # loads torch, but only for models that are not packed

    return model_type in getattr(modeling_auto, MAPPINGS[head])
