"""The search space: which values each parameter may take, in which order greedy search visits them.

Choices are what a study compares; learning rate and temperature are tuned inside each choice (A, section 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from search_spaces.configuration import Configuration, Distance, Projection, StudentTemperature, TeacherCheckpoint
from search_spaces.faults import InputError, fault, faults_of, nearest, read_yaml

PRESETS = Path(__file__).parent

Choice = Literal["distance", "teacher_checkpoint", "student_temperature"]
CHOICE_TYPES: dict[str, type] = {
    "distance": Distance,
    "teacher_checkpoint": TeacherCheckpoint,
    "student_temperature": StudentTemperature,
}


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("values must differ from each other")
    return values


DISTINCT = AfterValidator(_distinct)
Weight = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, lt=1)]
Pairs = Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1), DISTINCT]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TemperatureSearch(_Model):
    """A's two-stage search: a geometric grid, then a linear one around its best value.

    Attributes:
        start, stop, num: The geometric grid: `num` values from `start` to `stop`.
        fine: How many values the linear grid has, between the best value's two neighbours.
        default: The temperature at which learning rates are compared; must be on the geometric grid.
    """

    start: float = Field(1.0, ge=1)
    stop: float = Field(64.0, ge=1)
    num: int = Field(7, ge=1)
    fine: int = Field(4, ge=0)
    default: float = Field(2.0, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.num > 1 and self.stop <= self.start:
            raise ValueError(f"stop ({self.stop:g}) must be above start ({self.start:g})")
        if self.default not in self.coarse():
            values = ", ".join(f"{value:g}" for value in self.coarse())
            raise ValueError(f"default ({self.default:g}) must be one of the geometric grid: {values}")
        return self

    def coarse(self) -> tuple[float, ...]:
        """Stage 1: the geometric grid, `num` values."""
        return tuple(round(float(value), 6) for value in np.geomspace(self.start, self.stop, self.num))

    def fine_around(self, best: float) -> tuple[float, ...]:
        """Stage 2: `fine` evenly spaced values inside the interval between the neighbours of `best`.

        At an end of the geometric grid the interval has one neighbour and `best` itself as its ends.
        """
        grid = self.coarse()
        index = grid.index(best)
        low, high = grid[max(index - 1, 0)], grid[min(index + 1, len(grid) - 1)]
        inner = np.linspace(low, high, self.fine + 2)[1:-1]
        return tuple(dict.fromkeys(value for value in (round(float(v), 4) for v in inner) if value != best))


class SoftLabelWeights(_Model):
    """A's alpha: the value that the other choices are compared at, and those tried on the winner."""

    default: Weight = 1.0
    then: Annotated[tuple[Weight, ...], DISTINCT] = ()


class HiddenStates(_Model):
    """The intermediate loss: the squared error between hidden states of mapped layers (B, section 4).

    Attributes:
        weight: Its share of the loss; soft labels have theirs, hard labels the rest.
        layer_map: A name of `layer_maps`, or pairs of (student's, teacher's) layer, counted from 1.
        projection: What makes states comparable where widths differ: ``learned``, or ``leading`` ones alone.
    """

    weight: Weight = 0.0
    layer_map: Literal["uniform", "ends", "pkd_skip", "pkd_last", "paper_b", "distilbert", "bart"] | Pairs = "uniform"
    projection: Projection = Projection.LEARNED


class Choices(_Model):
    """The compared choices. Each list's first value is the default; greedy search changes them in file order."""

    distance: Annotated[tuple[Distance, ...], Field(min_length=1), DISTINCT] = (Distance.CE,)
    teacher_checkpoint: Annotated[tuple[TeacherCheckpoint, ...], Field(min_length=1), DISTINCT] = (
        TeacherCheckpoint.HIGHEST_SCORE,
    )
    student_temperature: Annotated[tuple[StudentTemperature, ...], Field(min_length=1), DISTINCT] = (
        StudentTemperature.EQUAL,
    )


class SearchSpace(_Model):
    """All configurations of a study.

    Attributes:
        name: Its name, as study files refer to it.
        order: The order in which greedy search changes the choices.
        choices: Values of each compared choice.
        soft_label_weight: Values of A's alpha.
        learning_rates: Learning rates tried inside each choice.
        temperature: The temperature search inside each choice.
        hidden_states: The intermediate loss, the same in all configurations.
    """

    name: str
    order: Annotated[tuple[Choice, ...], DISTINCT] = (
        "distance",
        "teacher_checkpoint",
        "student_temperature",
    )
    choices: Choices
    soft_label_weight: SoftLabelWeights = SoftLabelWeights()
    learning_rates: Annotated[tuple[LearningRate, ...], Field(min_length=1), DISTINCT]
    temperature: TemperatureSearch = TemperatureSearch()
    hidden_states: HiddenStates = HiddenStates()

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        most = max(self.soft_label_weight.default, *self.soft_label_weight.then, 0.0)
        if most + self.hidden_states.weight > 1 + 1e-9:
            raise ValueError(
                f"hidden_states.weight ({self.hidden_states.weight:g}) and soft_label_weight ({most:g}) are shares of "
                "one loss: together at most 1"
            )
        return self

    def default(self) -> Configuration:
        """The configuration that the search starts from: each choice's first value."""
        return Configuration(
            distance=self.choices.distance[0],
            teacher_checkpoint=self.choices.teacher_checkpoint[0],
            student_temperature=self.choices.student_temperature[0],
            soft_label_weight=self.soft_label_weight.default,
            temperature=self.temperature.default,
            learning_rate=self.learning_rates[0],
            hidden_weight=self.hidden_states.weight,
            layer_map=self.hidden_states.layer_map,
            projection=self.hidden_states.projection,
        )

    def alternatives(self) -> Iterator[tuple[str, Any]]:
        """(choice, alternative value) pairs in the order of the search."""
        for name in self.order:
            for value in getattr(self.choices, name)[1:]:
                yield name, value

    def combinations(self) -> Iterator[Configuration]:
        """Every combination of choices at the default alpha, temperature and learning rate."""
        values = [getattr(self.choices, name) for name in CHOICE_TYPES]
        for combination in itertools.product(*values):
            yield replace(self.default(), **dict(zip(CHOICE_TYPES, combination, strict=True)))

    def grid_size(self, *, scaled_mse: bool = True) -> int:
        """Distinct (canonical) configurations of the full grid, before learning rates.

        The temperature grid counts `num + fine` values, as A does in section 3. With `scaled_mse=False`
        MSE compares unscaled logits and has no temperature: A's own arithmetic, 440 for its Table 2.
        """
        coarse = self.temperature.coarse()
        fine = [coarse[-1] + 1 + step for step in range(self.temperature.fine)]  # stand for the local values
        weights = {self.soft_label_weight.default, *self.soft_label_weight.then}
        grid = set()
        for choice, weight, value in itertools.product(self.combinations(), weights, [*coarse, *fine]):
            plain_mse = choice.distance is Distance.MSE and not scaled_mse
            grid.add(replace(choice, soft_label_weight=weight, temperature=1.0 if plain_mse else value).canonical())
        return len(grid)


def load_space(name: str, folder: Path | None = None, where: object = "study file") -> SearchSpace:
    """Load a space by preset name, or by path relative to `folder` when the name ends in ``.yaml``.

    Raises:
        InputError: No such preset or file, or faults in it, all at once.
    """
    if not name.endswith((".yaml", ".yml")):
        path = PRESETS / f"{name}.yaml"
        if "/" in name or not path.is_file():
            known = [file.stem for file in PRESETS.glob("*.yaml")]
            raise fault(where, "search.space", name, f"no such search space; {nearest(name, known)}, or a .yaml path")
    else:
        path = (folder or Path()) / name
    try:
        return SearchSpace.model_validate({"name": path.stem, **read_yaml(path)})
    except ValidationError as error:
        raise InputError(faults_of(error, SearchSpace, path)) from None
