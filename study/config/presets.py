"""Expands the data set entries of a study file: presets, absolute paths, local copies instead of the hub's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from search_spaces import InputError, fault, nearest, read_yaml
from trials.readers import SPLITS, UNLABELLED, Table, folder_splits, read_table
from trials.specs import DatasetSpec, TaskName

PRESETS_FILE = Path(__file__).parents[1] / "files" / "datasets.yaml"
SOURCE_KEYS = ("path", "hub", "embedded")
OF_THE_HUB = ("config", "revision", "parts")
COLUMNS = ("text", "text_pair", "label")


def expand_dataset(
    entry: str | dict[str, Any], *, folder: Path, mirror: Path | None, where: object, key: str
) -> dict[str, Any]:
    """The values of a `DatasetSpec` for an entry of a study file's ``datasets``.

    Args:
        entry: A preset's name, a mapping with ``preset`` and overrides, or a full mapping.
        folder: Relative paths start here.
        mirror: Folder of local copies by preset name; used instead of the hub where it has one.
        where: The study file, for messages.
        key: The entry's key in it.

    Raises:
        InputError: The entry has the wrong form, its preset is unknown, or the preset's data are not public.
    """
    given = {"preset": entry} if isinstance(entry, str) else entry
    if not isinstance(given, dict):
        raise fault(where, key, entry, "must be a preset's name or a mapping")
    values: dict[str, Any] = dict(given)
    if isinstance(values.get("path"), str):
        values["path"] = str((folder / Path(values["path"]).expanduser()).resolve())
    if "preset" not in values:
        return values
    name = values.pop("preset")
    preset = _preset(name, where, key if isinstance(entry, str) else f"{key}.preset")
    if not any(values.get(source) for source in SOURCE_KEYS) and mirror is not None and (mirror / name).is_dir():
        values["path"] = str((mirror / name).resolve())
    if any(values.get(source) for source in SOURCE_KEYS):
        preset = {k: v for k, v in preset.items() if k not in (*SOURCE_KEYS, *OF_THE_HUB)}
    elif not any(preset.get(source) for source in SOURCE_KEYS):
        raise fault(where, key, name, "its data are not public: give the path of your copy as `path`")
    if isinstance(values.get("path"), str):
        preset = _fit(preset, Path(values["path"]))
    if isinstance(values.get("splits"), dict):  # which may add the transfer set alone
        values["splits"] = {**preset.get("splits", {}), **values["splits"]}
    return {"name": name, **preset, **values}


def preset_rows(name: str) -> dict[str, int] | None:
    """Numbers of rows of a preset's splits, after carving, for estimates; None if there is no such preset."""
    preset = presets().get(name)
    return dict(preset["rows"]) if preset else None


def preset_row_counts(dataset: DatasetSpec) -> dict[str, int] | None:
    """Numbers of rows of the preset of a data set, whatever its name, before sampling; None if it is not a preset."""
    if dataset.hub is None:
        return preset_rows(dataset.name)
    place = dataset.hub, dataset.config
    same = [preset for preset in presets().values() if (preset.get("hub"), preset.get("config")) == place]
    return preset_rows(dataset.name) or (dict(same[0]["rows"]) if same else None)


@cache
def presets() -> dict[str, dict[str, Any]]:
    """All presets by name."""
    return read_yaml(PRESETS_FILE)


def _preset(name: Any, where: object, key: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in presets():
        raise fault(where, key, name, f"no such preset; {nearest(name, presets())}")
    return {key: value for key, value in presets()[name].items() if key != "rows"}


def _fit(preset: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The preset adapted to a local copy, whose splits and columns may have the usual names instead of the hub's.

    Faults of the copy are left to the loader, which reports them.
    """
    try:
        held = folder_splits(folder)
        tables = {
            split: read_table(held[split], str(folder), "label", "path") for split in ("train", "test") if split in held
        }
    except InputError:
        return preset
    columns = next((table.columns for table in tables.values()), {})
    fitted = preset | _columns(preset, columns)
    if "only" in preset:
        fitted["only"] = {column: value for column, value in preset["only"].items() if column in columns}
    if all(split in held for split in SPLITS) and not _is_as_the_hub(fitted, tables["test"]):
        fitted = {key: value for key, value in fitted.items() if key not in ("splits", "carve")}
    return fitted


def _columns(preset: dict[str, Any], columns: Mapping[str, Any]) -> dict[str, str]:
    """A copy's columns: the hub's names, else the task's usual names, else the languages of a translation."""
    usual, languages = TaskName(preset["task"]).dataset_defaults, preset.get("languages", (None, None))
    fitted: dict[str, str] = {}
    for key, language in zip(COLUMNS, (languages[0], None, languages[1]), strict=True):
        names = [preset.get(key, usual.get(key)), usual.get(key), key, language]
        found = next((name for name in names if name in columns), None)
        if names[0] is not None and found is not None:
            fitted[key] = found
    return fitted


def _is_as_the_hub(preset: dict[str, Any], test: Table) -> bool:
    """Whether a copy with three splits is the hub's own, so that its ``test`` is not the preset's test split.

    Then the labels of its ``test`` are hidden, or the hub keeps other data in the same place.
    """
    if preset.get("splits", {}).get("test", "test") == "test":
        return False
    label = preset.get("label", TaskName(preset["task"]).dataset_defaults["label"])
    hidden = label in test.columns and all(value == UNLABELLED for value in test.values(label))
    return hidden or bool(preset.get("only"))
