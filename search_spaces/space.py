"""Search spaces: the values of each parameter, and the order in which greedy search visits them.

A study compares choices; learning rate and temperature are tuned for each choice (A, section 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from search_spaces.configuration import (
    UNFREEZING_SCHEDULES,
    ClassificationLoss,
    Configuration,
    Distance,
    Optimizer,
    Projection,
    Schedule,
    StudentTemperature,
    TeacherCheckpoint,
)
from search_spaces.faults import InputError, fault, nearest, read_yaml, validation_faults

PRESETS = Path(__file__).parent

Choice = Literal[
    "distance",
    "teacher_checkpoint",
    "student_temperature",
    "attention_weight",
    "cosine_weight",
    "schedule",
    "classification_loss",
    "representation_weight",
    "optimizer",
    "transfer_rows",
    "labelled_per_class",
]
CHOICE_ORDER: tuple[Choice, ...] = get_args(Choice)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise ValueError("values must differ from each other")
    return values


DISTINCT_VALUES = AfterValidator(_distinct)
Weight = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, lt=1)]
Rows = Annotated[int, Field(ge=0)]
Pairs = Annotated[tuple[tuple[PositiveInt, PositiveInt], ...], Field(min_length=1), DISTINCT_VALUES]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TemperatureSearch(_Model):
    """A's search in two stages: a geometric grid, then a linear grid around its best value.

    Attributes:
        start, stop, num: The geometric grid: `num` values from `start` to `stop`.
        fine: Number of values of the linear grid, which lies between the two neighbours of the best value.
        default: The temperature at which learning rates are compared; a value of the geometric grid.
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
        """Stage 1: the `num` values of the geometric grid."""
        return tuple(round(float(value), 6) for value in np.geomspace(self.start, self.stop, self.num))

    def fine_around(self, best: float) -> tuple[float, ...]:
        """Stage 2: `fine` evenly spaced values inside the interval between the neighbours of `best`.

        If `best` is the first or the last value of the geometric grid, it is itself one end of the interval.
        """
        grid = self.coarse()
        index = grid.index(best)
        low, high = grid[max(index - 1, 0)], grid[min(index + 1, len(grid) - 1)]
        inner = np.linspace(low, high, self.fine + 2)[1:-1]
        return tuple(dict.fromkeys(value for value in (round(float(v), 4) for v in inner) if value != best))

    def reachable(self) -> tuple[float, ...]:
        """All temperatures that the search can visit: the default first, the others in ascending order.

        These are the geometric grid and the linear grid around each of its values.
        """
        fine = (value for best in self.coarse() for value in self.fine_around(best))
        return tuple(dict.fromkeys((self.default, *sorted({*self.coarse(), *fine}))))


class SoftLabelWeights(_Model):
    """A's alpha: the value at which the other choices are compared, and the values tried on the best of them."""

    default: Weight = 1.0
    then: Annotated[tuple[Weight, ...], DISTINCT_VALUES] = ()

    def values(self) -> tuple[float, ...]:
        """All values, the default first."""
        return tuple(dict.fromkeys((self.default, *self.then)))


Factor = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MapName = Literal["uniform", "ends", "pkd_skip", "pkd_last", "paper_b", "distilbert", "bart"]


class Internals(_Model):
    """Learning from the teacher's layers. A value in `Choices` takes precedence over the one here.

    Attributes:
        hidden_weight: Weight of the squared error between hidden states (B, section 4); hard labels get the rest.
        attention_weight: Weight of the divergence between attention maps (C, eq. 2).
        cosine_weight: Weight of one minus the cosine between hidden states (C, eq. 3).
        layer_map: A name of `layer_maps`, or (student, teacher) pairs of layers, counted from 1.
        projection: How states are compared where widths differ: by a ``learned`` layer, or the ``leading`` states only.
        schedule: All layers at once (``joint``), one at a time (``progressive``), or ``stacked`` (C, algorithm 1); or
            D's ``staged`` and ``distil_once``, which compare no layers.
        classification_loss: Whether labels count ``throughout``, or ``last``, after the layers.
        layer_epochs: Maximal number of epochs of each stage before the last, for schedules other than joint.
        cosine_threshold: A layer's stage ends when the cosine term, summed over an epoch's batches, is below this; 0
            disables the threshold.
    """

    hidden_weight: Weight = 0.0
    attention_weight: Factor = 0.0
    cosine_weight: Factor = 0.0
    layer_map: MapName | Pairs = "uniform"
    projection: Projection = Projection.LEARNED
    schedule: Schedule = Schedule.JOINT
    classification_loss: ClassificationLoss = ClassificationLoss.THROUGHOUT
    layer_epochs: PositiveInt = 1
    cosine_threshold: Factor = 0.0


class Transfer(_Model):
    """Learning from a transfer set (D). A value in `Choices` takes precedence over the one here.

    Attributes:
        representation_weight: Weight of the squared error between representations of texts, D's beta (eq. 7).
        optimizer: The optimizer.
        transfer_rows: Rows of the transfer set that students train on; 0 means all.
        labelled_per_class: Labelled examples per class that students train on; 0 means all.
    """

    representation_weight: Factor = 0.0
    optimizer: Optimizer = Optimizer.ADAMW
    transfer_rows: Rows = 0
    labelled_per_class: Rows = 0


class Experiment(_Model):
    """A named configuration: its differences from the space's default."""

    name: Annotated[str, Field(min_length=1)]
    distance: Distance | None = None
    teacher_checkpoint: TeacherCheckpoint | None = None
    student_temperature: StudentTemperature | None = None
    soft_label_weight: Weight | None = None
    hard_lambda: Factor | None = None
    hidden_weight: Weight | None = None
    attention_weight: Factor | None = None
    cosine_weight: Factor | None = None
    layer_map: MapName | Pairs | None = None
    projection: Projection | None = None
    schedule: Schedule | None = None
    classification_loss: ClassificationLoss | None = None
    layer_epochs: PositiveInt | None = None
    cosine_threshold: Factor | None = None
    representation_weight: Factor | None = None
    optimizer: Optimizer | None = None
    transfer_rows: Rows | None = None
    labelled_per_class: Rows | None = None


class Choices(_Model):
    """The compared choices. The first value of a list is the default; an empty list leaves the choice out."""

    distance: Annotated[tuple[Distance, ...], Field(min_length=1), DISTINCT_VALUES] = (Distance.CE,)
    teacher_checkpoint: Annotated[tuple[TeacherCheckpoint, ...], Field(min_length=1), DISTINCT_VALUES] = (
        TeacherCheckpoint.HIGHEST_SCORE,
    )
    student_temperature: Annotated[tuple[StudentTemperature, ...], Field(min_length=1), DISTINCT_VALUES] = (
        StudentTemperature.EQUAL,
    )
    attention_weight: Annotated[tuple[Factor, ...], DISTINCT_VALUES] = ()
    cosine_weight: Annotated[tuple[Factor, ...], DISTINCT_VALUES] = ()
    schedule: Annotated[tuple[Schedule, ...], DISTINCT_VALUES] = ()
    classification_loss: Annotated[tuple[ClassificationLoss, ...], DISTINCT_VALUES] = ()
    representation_weight: Annotated[tuple[Factor, ...], DISTINCT_VALUES] = ()
    optimizer: Annotated[tuple[Optimizer, ...], DISTINCT_VALUES] = ()
    transfer_rows: Annotated[tuple[Rows, ...], DISTINCT_VALUES] = ()
    labelled_per_class: Annotated[tuple[Rows, ...], DISTINCT_VALUES] = ()


class SearchSpace(_Model):
    """The configurations of a study.

    Attributes:
        name: Its name, as study files refer to it.
        order: The order in which greedy search changes the choices.
        choices: Values of each compared choice.
        soft_label_weight: Values of A's alpha.
        learning_rates: Learning rates tried inside each choice.
        temperature: The temperature search inside each choice.
        hard_lambda: Weight of the hard labels in addition to what the other weights leave them (C, eq. 1).
        internals: Learning from the teacher's layers.
        transfer: Learning from transfer sets (D).
        experiments: Named configurations, each by its differences from the default.
    """

    name: str
    order: Annotated[tuple[Choice, ...], DISTINCT_VALUES] = CHOICE_ORDER
    choices: Choices
    soft_label_weight: SoftLabelWeights = SoftLabelWeights()
    learning_rates: Annotated[tuple[LearningRate, ...], Field(min_length=1), DISTINCT_VALUES]
    temperature: TemperatureSearch = TemperatureSearch()
    hard_lambda: Factor = 0.0
    internals: Internals = Internals()
    transfer: Transfer = Transfer()
    experiments: tuple[Experiment, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _earlier_names(cls, values: Any) -> Any:
        """Study directories from before 2026-11-21 have the key `hidden_states` for what is now in `internals`."""
        if not isinstance(values, dict) or not isinstance(values.get("hidden_states"), dict):
            return values
        names = {"weight": "hidden_weight"}
        moved = {names.get(name, name): value for name, value in values["hidden_states"].items()}
        others = {name: value for name, value in values.items() if name != "hidden_states"}
        return {**others, "internals": {**moved, **values.get("internals", {})}}

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if len(self.named()) < len(self.experiments):
            raise ValueError("two experiments have the same name: rename one")
        weights = self.soft_label_weight.values()
        searched = [replace(each, soft_label_weight=weight) for each in self.combinations() for weight in weights]
        for name, tried in (*(("", each) for each in searched), *self.named().items()):
            soft, hidden = tried.soft_label_weight, tried.hidden_weight
            where = f"experiment {name}: " if name else ""
            if soft + hidden > 1 + 1e-9:
                message = f"hidden_weight ({hidden:g}) and soft_label_weight ({soft:g})"
                raise ValueError(f"{where}{message} must add up to at most 1")
            if tried.compares_layers and (foreign := _of_transfer(tried)):
                raise ValueError(f"{where}{' and '.join(foreign)} cannot be combined with the teacher's layers")
            if tried.distance.by_regression and soft and tried.hard_label_weight < 1e-9:
                message = "distance logits trains the classifier on hard labels only, but their weight is 0"
                raise ValueError(f"{where}{message}: set hard_lambda")
            if tried.schedule is Schedule.DISTIL_ONCE and tried.hard_label_weight < 1e-9:
                message = "the last stages of distil_once use hard labels only, but their weight is 0"
                raise ValueError(f"{where}{message}: set hard_lambda")
            if tried.schedule is not Schedule.JOINT and max(soft, tried.hard_label_weight) < 1e-9:
                message = "the last stage uses soft and hard labels only, but their weights are 0"
                raise ValueError(f"{where}{message}: lower hidden_weight, or set schedule to joint")
        return self

    def default(self) -> Configuration:
        """The configuration that the search starts from: the first value of each choice."""
        first: dict[str, Any] = {name: values[0] for name, values in self.choice_values().items()}
        return Configuration(
            **{
                **dict(self.internals),
                **dict(self.transfer),
                **first,
                "soft_label_weight": self.soft_label_weight.default,
                "temperature": self.temperature.default,
                "learning_rate": self.learning_rates[0],
                "hard_lambda": self.hard_lambda,
            }
        )

    def choice_values(self) -> dict[Choice, tuple[Any, ...]]:
        """The values of each choice that is compared, the default first."""
        return {name: getattr(self.choices, name) for name in CHOICE_ORDER if getattr(self.choices, name)}

    def alternatives(self) -> Iterator[tuple[str, Any]]:
        """(choice, alternative value) pairs in the order of the search."""
        for name in self.order:
            for value in getattr(self.choices, name)[1:]:
                yield name, value

    def combinations(self) -> Iterator[Configuration]:
        """Every combination of choices at the default alpha, temperature and learning rate."""
        choices = self.choice_values()
        for combination in itertools.product(*choices.values()):
            values: dict[str, Any] = dict(zip(choices, combination, strict=True))
            yield replace(self.default(), **values)

    def named(self) -> dict[str, Configuration]:
        """The experiments' configurations, by name."""
        default = self.default()
        given = {each.name: each.model_dump(exclude_none=True, exclude={"name"}) for each in self.experiments}
        return {name: replace(default, **values) for name, values in given.items()}

    def without_teacher(self) -> Self:
        """The space of the experiments that need no teacher."""
        untaught = {name for name, configuration in self.named().items() if not configuration.uses_teacher}
        kept = tuple(each for each in self.experiments if each.name in untaught)
        return self.model_copy(update={"experiments": kept})

    def tried(self, *, experiments: bool) -> tuple[Configuration, ...]:
        """The configurations that a study tries, apart from soft-label weights, temperatures and learning rates.

        Args:
            experiments: Whether the study tries the named configurations instead of the combinations of choices.
        """
        return tuple(self.named().values()) if experiments else tuple(self.combinations())

    def grid(self, *, one_checkpoint: bool = False, softmax: bool = True) -> tuple[Configuration, ...]:
        """All canonical configurations that greedy search could visit on its grids, those of the default first.

        That is the product of all choices, soft-label weights, learning rates and `TemperatureSearch.reachable`.

        Args:
            one_checkpoint: Whether the teacher's highest-score and lowest-loss checkpoints are the same.
            softmax: Whether the task's outputs are logits; if not, distance and temperatures have no effect.
        """
        axes = (self.soft_label_weight.values(), self.learning_rates, self.temperature.reachable())
        grid: dict[Configuration, None] = {}
        for choice, weight, rate, value in itertools.product(self.combinations(), *axes):
            point = replace(choice, soft_label_weight=weight, learning_rate=rate, temperature=value)
            point = point if softmax else point.without_softmax()
            grid[point.canonical(one_checkpoint=one_checkpoint)] = None
        return tuple(grid)

    def grid_size(self, *, scaled_mse: bool = True) -> int:
        """Number of canonical configurations of the full grid, without learning rates.

        The temperature grid counts `num + fine` values, as in A (section 3). With `scaled_mse=False` MSE compares
        unscaled logits, so that temperatures do not count: this is A's arithmetic, 440 for its Table 2.
        """
        coarse = self.temperature.coarse()
        fine = [
            coarse[-1] + 1 + step for step in range(self.temperature.fine)
        ]  # placeholders for the values of the linear grid
        weights = self.soft_label_weight.values()
        grid = set()
        for choice, weight, value in itertools.product(self.combinations(), weights, [*coarse, *fine]):
            plain_mse = choice.distance is Distance.MSE and not scaled_mse
            grid.add(replace(choice, soft_label_weight=weight, temperature=1.0 if plain_mse else value).canonical())
        return len(grid)


def _of_transfer(configuration: Configuration) -> list[str]:
    """Keys of a configuration that need D's objective."""
    given = {
        "schedule": configuration.schedule in UNFREEZING_SCHEDULES,
        "distance": configuration.distance.by_regression,
        "representation_weight": configuration.representation_weight > 0,
        "optimizer": configuration.optimizer is not Optimizer.ADAMW,
        "labelled_per_class": configuration.labelled_per_class > 0,
        "transfer_rows": configuration.transfer_rows > 0,
    }
    return [name for name, is_given in given.items() if is_given]


def load_space(
    name: str, folder: Path | None = None, where: object = "study file", changes: Mapping[str, Any] | None = None
) -> SearchSpace:
    """Load a space by preset name, or by path relative to `folder` when the name ends in ``.yaml``.

    Args:
        name: Name or path.
        folder: Folder that paths are relative to.
        where: The file that names the space, for messages.
        changes: Keys that replace keys of the space.

    Raises:
        InputError: There is no such preset or file, or it has faults; all of them are reported.
    """
    if not name.endswith((".yaml", ".yml")):
        path = PRESETS / f"{name}.yaml"
        if "/" in name or not path.is_file():
            known = [file.stem for file in PRESETS.glob("*.yaml")]
            raise fault(where, "search.space", name, f"no such search space; {nearest(name, known)}, or a .yaml path")
    else:
        path = (folder or Path()) / name
    try:
        return SearchSpace.model_validate({"name": path.stem, **read_yaml(path), **(changes or {})})
    except ValidationError as error:
        faults = validation_faults(error, SearchSpace, where if changes else path)
        prefix = "search.space." if changes else ""
        raise InputError([replace(found, key=f"{prefix}{found.key}") for found in faults]) from None
