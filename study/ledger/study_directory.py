"""The study file in a study's directory: saved at the first launch, compared at later ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from search_spaces import Fault, InputError, fault
from study.config import Study, load_study
from trials.storage import Workspace

# Places and formats of data and models may change; fingerprints make sure that their contents do not
FREE_KEYS = {
    *("path", "hub", "config", "revision", "embedded", "splits", "carve", "parts", "only"),
    *("skip_empty", "text", "text_pair", "label", "labels", "languages"),
    *("from", "model", "checkpoints"),
}


def open_study(target: str | Path) -> tuple[Study, Workspace | None]:
    """A study from its file, or from its directory, which may be in an object store; a directory also has a workspace.

    Raises:
        InputError: The target does not exist, or the file has faults.
        StoreError: The object store cannot be reached.
    """
    if "://" not in str(target) and not Path(target).is_dir():
        return load_study(Path(target)), None
    workspace = Workspace.at(str(target))
    workspace.fetch(workspace.study_file)
    if not workspace.study_file.is_file():
        raise fault(target, "(folder)", None, "is not a study's directory: it holds no study.yaml")
    return load_study(workspace.study_file, find_models=False), workspace


def save_study_file(study: Study, workspace: Workspace) -> None:
    """Write the study file into the study's directory, if the directory is new or holds the same study.

    Adding data sets, teachers, students, triples, seeds or values of the search space extends a study. Changing
    the meaning of an existing name, or the training recipe, makes it another study.

    Raises:
        InputError: The directory was made by another study file; each difference is named.
    """
    workspace.fetch(workspace.study_file)
    if workspace.study_file.is_file():
        differences = _differences(load_study(workspace.study_file, find_models=False), study, workspace)
        if differences:
            raise InputError(differences)
    workspace.root.mkdir(parents=True, exist_ok=True)
    temporary = workspace.study_file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(study.to_yaml(), encoding="utf-8")
    os.replace(temporary, workspace.study_file)
    workspace.share(workspace.study_file)


def _differences(there: Study, here: Study, workspace: Workspace) -> list[Fault]:
    old, new = there.config.model_dump(mode="json", by_alias=True), here.config.model_dump(mode="json", by_alias=True)
    pairs = [("training", old["training"], new["training"])]
    for kind in ("datasets", "teachers", "students"):
        known = {part["name"]: part for part in old[kind]}
        pairs += [(f"{kind}.{p['name']}", known[p["name"]], p) for p in new[kind] if p["name"] in known]
    return [
        Fault(str(here.path), f"{where}.{key}", value, _other(workspace, before[key]))
        for where, before, after in pairs
        for key, value in after.items()
        if key not in FREE_KEYS and before[key] != value
    ]


def _other(workspace: Workspace, before: Any) -> str:
    return f"was {before!r} when the ledger in {workspace.place} was made; give this study another name or --storage"
