"""Reads and checks the specification of a model from scratch, and makes the model in a folder.

It loads torch and Transformers; the command line imports it only for `kdstudy make-model`.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers.utils.logging import disable_progress_bar

from search_spaces import Fault, InputError, fault, read_yaml, validation_faults
from study.config.presets import expand_dataset
from trials.models import CreatedModel, ModelSpec, architecture_faults, make_model, training_texts
from trials.readers import collect_faults

STAND_IN = {"name": "data", "task": "classification", "path": "."}  # for faulty data, so that the rest is checked too


def load_model_spec(path: Path) -> ModelSpec:
    """Read and check a specification.

    Raises:
        InputError: All faults of the file at once, each with key, value and what would be right.
    """
    values, faults = read_yaml(path), list[Fault]()
    if "data" in values:
        entry, values["data"] = values["data"], STAND_IN
        with collect_faults(faults):
            values["data"] = _dataset(entry, path)
    try:
        ModelSpec.model_validate(values)
    except ValidationError as error:
        faults += validation_faults(error, ModelSpec, path)
        faulty = {item["loc"][0] for item in error.errors()}
        values = {"data": STAND_IN} | {key: value for key, value in values.items() if key not in faulty}
    if "architecture" in values:
        faults += architecture_faults(ModelSpec.model_validate(values), path)
    if faults:
        raise InputError(faults)
    return ModelSpec.model_validate(values)


def make_model_from_file(path: Path, folder: Path) -> tuple[ModelSpec, CreatedModel]:
    """Make the model that a specification says; the folder appears complete or not at all.

    Raises:
        InputError: The specification, the data or the folder has faults.
    """
    spec = load_model_spec(path)
    if folder.exists():
        raise fault("command line", "--output", str(folder), "already exists; give a new folder")
    texts = _texts(spec, path)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # of a single file
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        temporary.mkdir(parents=True)
        made = make_model(spec, texts, temporary, path)
        temporary.rename(folder)
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise fault("command line", "--output", str(folder), message) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return spec, made


def _dataset(entry: Any, path: Path) -> dict[str, Any]:
    """The values of a `DatasetSpec` for an entry, whose name may be left out."""
    expanded = expand_dataset(entry, folder=path.parent, mirror=None, where=path, key="data")
    return {"name": STAND_IN["name"], **expanded}


def _texts(spec: ModelSpec, path: Path) -> list[str]:
    """The training texts; faults of the data name the specification's keys."""
    study_key = f"datasets.{spec.data.name}."
    try:
        return training_texts(spec.data)
    except InputError as error:
        raise InputError(
            Fault(found.where, found.key.replace(study_key, "data.", 1), found.value, found.message)
            for found in error.faults
        ) from None
