"""Checks everything that a study needs before it starts, and computes the fingerprints of its data and models."""

from __future__ import annotations

import os
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from search_spaces import Fault, InputError, digest
from study.checks.check_cache import CheckCache
from study.checks.compatibility import TokenizerFacts, config_of, head_faults, tokenizer_facts, triple_faults
from study.config import Study
from study.search import Fingerprints
from trials.datasets import load_dataset_splits
from trials.models import FAMILIES, model_fingerprint, model_folder, models_fingerprint, shape_faults
from trials.readers import collect_faults, load_word_vectors, source_digest, vectors_fingerprint
from trials.specs import DatasetSpec, Split, StudentSpec, TeacherSpec, TrainingRecipe
from trials.storage import SharedFolder, StoreError, Workspace
from trials.tasks import task_of

CHECKS = 1  # raise it when the checks or fingerprints change: earlier findings are then dropped


@dataclass(frozen=True)
class CheckedDataset:
    """A data set without faults.

    Attributes:
        label_names: Labels in the order of their numbers.
        rows: Examples per split.
        fingerprint: Hash of its content.
    """

    label_names: tuple[str, ...]
    rows: dict[Split, int]
    fingerprint: str


@dataclass
class StudyFindings:
    """The result of a study's checks.

    Attributes:
        faults: All faults.
        data: Data sets by name.
        models: Each model's config.json, by `Study.teacher_source` or `Study.student_source`.
        tokenizers: Properties of each model's tokenizer, by the same keys.
        fingerprints: Content hashes of data and models.
        cache: Findings of earlier launches about the same files.
    """

    faults: list[Fault] = field(default_factory=list)
    data: dict[str, CheckedDataset] = field(default_factory=dict)
    models: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    tokenizers: dict[tuple[str, ...], TokenizerFacts] = field(default_factory=dict)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    cache: CheckCache = field(default_factory=CheckCache)


def check_study(study: Study, workspace: Workspace | None = None, cache: CheckCache | None = None) -> StudyFindings:
    """Check all data and models of a study. All faults are collected; none is raised.

    Args:
        study: The study.
        workspace: Its directory, which may be missing, and must be writable; None skips this check.
        cache: Findings of earlier launches; None reads everything again.
    """
    found = StudyFindings(cache=cache or CheckCache())
    for dataset in study.config.datasets:
        _check_dataset(dataset, study.student_recipe(dataset), found)
    for teacher, dataset in study.teacher_pairs:
        _check_teacher(study, teacher, dataset, found)
    for student in study.config.students:
        _check_student(study, student, found)
    for triple in study.triples:
        if triple.dataset.name in found.data:
            found.faults += triple_faults(study, triple, found.models, found.tokenizers)
    if workspace is not None:
        found.faults += writable_faults(workspace)
    found.faults = list({str(fault): fault for fault in found.faults}.values())
    return found


def writable_faults(workspace: Workspace) -> list[Fault]:
    """A fault if records cannot be written into a study's directory, or into its parent if it does not exist yet."""
    if workspace.shared is not None:
        return _shared_faults(workspace.shared)
    storage = workspace.root if workspace.root.exists() else workspace.root.parent
    probe = storage / f".probe-{uuid.uuid4().hex}"
    try:
        storage.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        os.link(probe, f"{probe}-link")
        os.unlink(f"{probe}-link")
        probe.unlink()
    except OSError as error:
        return [Fault("command line", "--storage", str(storage), f"is not writable: {error.strerror or error}")]
    return []


def _shared_faults(folder: SharedFolder) -> list[Fault]:
    """A fault if objects cannot be written, or if the store overwrites existing ones."""
    probe = f".probe-{uuid.uuid4().hex}"
    try:
        kept = folder.create(probe, b"") and not folder.create(probe, b"")
        folder.remove(probe)
    except StoreError as error:
        return [Fault("command line", "--storage", str(folder), f"is not writable: {error}")]
    message = "ignores `If-None-Match: *` and replaces objects, so that records could be lost; use another store"
    return [] if kept else [Fault("command line", "--storage", str(folder), message)]


def _check_dataset(dataset: DatasetSpec, recipe: TrainingRecipe, found: StudyFindings) -> None:
    try:
        checked = _checked(dataset, found.cache)
    except InputError as error:
        found.faults += error.faults
        return
    with collect_faults(found.faults):
        task_of(dataset).check_metric(dataset, checked.label_names)
    with collect_faults(found.faults):
        task_of(dataset).check_recipe(dataset, recipe)
    found.data[dataset.name] = checked
    found.fingerprints.data[dataset.name] = checked.fingerprint


def _checked(dataset: DatasetSpec, cache: CheckCache) -> CheckedDataset:
    """The checked data set, from this launch or from an earlier one that read the same files."""

    def look() -> dict[str, Any]:
        loaded = load_dataset_splits(dataset)
        rows = {split: len(examples) for split, examples in loaded.splits.items()}
        return asdict(CheckedDataset(loaded.label_names, rows, loaded.fingerprint))

    content = source_digest(dataset)
    key = None if content is None else digest([CHECKS, dataset.model_dump(mode="json"), content])
    values = cache.cached(key, look)
    return CheckedDataset(**{**values, "label_names": tuple(values["label_names"])})


def _check_teacher(study: Study, teacher: TeacherSpec, dataset: DatasetSpec, found: StudyFindings) -> None:
    source = study.teacher_source(teacher, dataset)
    given = teacher.checkpoints.get(dataset.name)
    references = [(folder, None) for folder in given] if given else [(teacher.model, teacher.revision)]
    max_length = study.teacher_recipe(teacher, dataset).max_length
    folders = [_check_model(f"teachers.{teacher.name}", *reference, max_length, found) for reference in references]
    present = [folder for folder in folders if folder is not None]
    if len(present) < len(folders):
        return
    found.models[source] = config_of(present[0])
    found.tokenizers[source] = tokenizer_facts(present[0], found.cache)
    found.fingerprints.models[source] = models_fingerprint(present)
    if given and dataset.name in found.data:
        for folder in present:
            found.faults += head_faults(f"teachers.{teacher.name}", folder, dataset)
            if not task_of(dataset).output_names:
                _check_labels(folder, found.data[dataset.name], found)


def _check_student(study: Study, student: StudentSpec, found: StudyFindings) -> None:
    source = study.student_source(student)
    key = f"students.{student.name}"
    datasets = {triple.dataset.name: triple.dataset for triple in study.triples if triple.student == student}
    longest = max((study.student_recipe(dataset).max_length for dataset in datasets.values()), default=0)
    folder = _check_model(key, source[0], source[1] or None, longest, found)
    if folder is None:
        return
    found.models[source] = config = config_of(folder)
    found.tokenizers[source] = tokenizer_facts(folder, found.cache)
    found.fingerprints.models[source] = model_fingerprint(folder)
    if student.is_recurrent:
        _check_vectors(student, found)
    else:
        found.faults += shape_faults(student, source[0], config)


def _check_vectors(student: StudentSpec, found: StudyFindings) -> None:
    """Check the word vectors of a recurrent student, if it has some."""
    if student.embeddings is None:
        return
    try:
        load_word_vectors(student.embeddings)
        found.fingerprints.vectors[student.embeddings] = vectors_fingerprint(student.embeddings)
    except InputError as error:
        key = f"students.{student.name}.embeddings"
        found.faults += [Fault("study file", key, item.value, f"{item.where}: {item.message}") for item in error.faults]


def _check_model(key: str, reference: str, revision: str | None, max_length: int, found: StudyFindings) -> Path | None:
    """The model's folder, if model, tokenizer and maximum length have no faults."""
    try:
        folder = model_folder(reference, revision)
        facts = tokenizer_facts(folder, found.cache)
    except InputError as error:
        found.faults += [Fault("study file", key, item.value, f"{item.where}: {item.message}") for item in error.faults]
        return None
    window = min(_positions(config_of(folder), max_length), facts.window)
    if max_length > window:
        message = f"{reference} reads {window} tokens at most"
        found.faults.append(Fault("study file", f"{key}.training.max_length", max_length, message))
    return folder


def _positions(config: dict[str, Any], default: int) -> int:
    """Number of token positions of a model; those of RoBERTa and MPNet start after the padding token's."""
    positions = int(config.get("max_position_embeddings", default))
    family = FAMILIES.get(config.get("model_type", ""))
    if family is None or "max_position_embeddings" not in config:
        return positions
    return positions - (
        int(config.get("pad_token_id") or 0) + 1 if family.first_position is None else family.first_position
    )


def _check_labels(folder: Path, checked: CheckedDataset, found: StudyFindings) -> None:
    from trials.datasets import match_labels

    config = config_of(folder)
    unnamed = {str(index): f"LABEL_{index}" for index in range(config.get("num_labels", 2))}  # Transformers' default
    names = config.get("id2label") or unnamed
    try:
        match_labels(names, checked.label_names, folder)
    except InputError as error:
        found.faults += error.faults
