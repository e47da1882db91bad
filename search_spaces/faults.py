"""Faults of user input, collected so that one error reports all of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError


@dataclass(frozen=True)
class Fault:
    """One fault of the input.

    Attributes:
        where: The file, or another source.
        key: Dotted path of the key, such as ``students[1].layers``.
        value: The value; None if there is none to show.
        message: What is wrong, and what to do.
    """

    where: str
    key: str
    value: Any
    message: str

    def __str__(self) -> str:
        shown = "" if self.value is None else f" = {self.value!r}"
        return f"{self.where}: {self.key}{shown}: {self.message}"


class InputError(Exception):
    """The user's input is wrong. The command line prints all faults and exits with 2."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def fault(where: object, key: str, value: Any, message: str) -> InputError:
    """An `InputError` with a single fault."""
    return InputError([Fault(str(where), key, value, message)])


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest match, and the list of known names."""
    options = sorted(known)
    match = difflib.get_close_matches(str(name), options, n=1, cutoff=0.5)
    hint = f"did you mean {match[0]!r}? " if match else ""
    return f"{hint}known: {', '.join(options) or 'none'}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InputError: The file is missing, is not YAML, or does not hold a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise fault(path, "(file)", None, "no such file") from None
    except IsADirectoryError:
        raise fault(path, "(file)", None, "is a folder, not a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise fault(path, "(file)", None, f"cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise fault(path, "(file)", None, f"is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise fault(path, "(file)", None, "must hold `key: value` pairs")
    return content


def validation_faults(error: ValidationError, model: type[BaseModel], where: object) -> list[Fault]:
    """Pydantic's errors as faults, with dotted keys, and the nearest match for unknown keys."""
    errors = error.errors()
    return [
        Fault(str(where), dotted(item["loc"]), _value_of(item), _message_of(item, model))
        for item in errors
        if not (item["type"] == "too_short" and any(_inside(other["loc"], item["loc"]) for other in errors))
    ]


def _inside(location: Sequence[int | str], outer: Sequence[int | str]) -> bool:
    """Whether one error lies inside another: a list with faulty entries need not be reported as too short, too."""
    return len(location) > len(outer) and tuple(location[: len(outer)]) == tuple(outer)


def dotted(location: Sequence[int | str]) -> str:
    """``("students", 1, "layers")`` as ``students[1].layers``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "(file)"


def _value_of(item: Any) -> Any:
    value = item["input"]
    return None if item["type"] == "missing" or isinstance(value, dict) else value


def _message_of(item: Any, model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        return f"unknown key; {nearest(str(item['loc'][-1]), _keys_at(model, item['loc'][:-1]))}"
    if item["type"] == "missing":
        return "is required"
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "must", 1)
    return message.replace("a valid tuple", "a list").replace("a valid dictionary", "a mapping")


def _keys_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys of the model that is nested at `location`."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and current is not None and part in _fields(current):
            current = _nested_model(_fields(current)[part])
    return list(_fields(current)) if current else []


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {info.alias or name: info.annotation for name, info in model.model_fields.items()}


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _nested_model(argument):
            return found
    return None
