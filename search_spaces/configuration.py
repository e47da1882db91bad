"""A configuration of knowledge distillation: one point of a search space, with its canonical form and its id.

Configurations that compute the same loss have the same canonical form, so that no trial runs twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, asdict, dataclass, fields, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

from search_spaces.layer_maps import LayerMap

LAYER_FIELDS = (  # the fields about learning from the teacher's layers
    "hidden_weight",
    "attention_weight",
    "cosine_weight",
    "layer_map",
    "projection",
    "schedule",
    "classification_loss",
    "layer_epochs",
    "cosine_threshold",
)


class TeacherCheckpoint(StrEnum):
    """The checkpoint of the teacher's fine-tuning that is used (A, section 2); both are selected on validation."""

    HIGHEST_SCORE = "highest_score"
    LOWEST_LOSS = "lowest_loss"


class StudentTemperature(StrEnum):
    """The student's temperature: the teacher's own, or 1 (A, section 2)."""

    EQUAL = "equal"
    ONE = "one"


class Distance(StrEnum):
    """Distance between teacher and student predictions (A, section 2, L2 of eq. 1): a line each.

    The value is the name in study files, and the name of the file in `trials.losses.distances` that computes it.

    Attributes:
        tempered_at: The student temperatures at which the teacher's temperature changes the loss; by default both.
        by_regression: Whether a separate regression layer of the student is compared instead of its logits.
    """

    tempered_at: tuple[StudentTemperature, ...]
    by_regression: bool

    def __new__(
        cls, value: str, tempered_at: Iterable[StudentTemperature] = StudentTemperature, by_regression: bool = False
    ) -> Distance:
        """A member: its name in study files and its attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.tempered_at, member.by_regression = tuple(tempered_at), by_regression
        return member

    CE = "ce"  # cross-entropy between softened distributions
    MSE = "mse", (StudentTemperature.ONE,)  # of scaled logits; t^2 * mean((z_s/t - z_t/t)^2) is free of t
    LOGITS = "logits", (), True  # half the squared error between log-odds, by a regression (D, eq. 5)
    HARD = "hard", ()  # cross-entropy with the teacher's likeliest class (D, section 4.1)


class Projection(StrEnum):
    """How hidden states of teacher and student are compared where their widths differ."""

    LEARNED = "learned"  # a linear layer, trained with the student
    LEADING = "leading"  # only the leading states that both have, which suits students sliced from their teacher


class Schedule(StrEnum):
    """The order in which a student learns the teacher's layers (C), or the terms of the loss (D, section 5)."""

    JOINT = "joint"  # all at once
    PROGRESSIVE = "progressive"  # one layer at a time from the bottom up (C's PID)
    STACKED = "stacked"  # likewise, and layers below stay in the loss (C's SID, algorithm 1)
    STAGED = "staged"  # first the representation, then labels and logits with gradual unfreezing (D, section 5.2)
    DISTIL_ONCE = (
        "distil_once"  # first all signals of the teacher, then labels with gradual unfreezing (D, section 5.3)
    )


UNFREEZING_SCHEDULES = (Schedule.STAGED, Schedule.DISTIL_ONCE)  # schedules that unfreeze a student from the top down


class Optimizer(StrEnum):
    """The optimizer of a student."""

    ADAMW = "adamw"  # with the recipe's weight decay
    ADAM = "adam"  # without weight decay
    ADADELTA = "adadelta"  # Zeiler's, which has no learning rate (D, section 6); recorded as 1


class ClassificationLoss(StrEnum):
    """When labels count for a student that learns layer by layer."""

    THROUGHOUT = "throughout"
    LAST = "last"  # only after the layers


@dataclass(frozen=True)
class Configuration:
    """One KD configuration.

    Attributes:
        distance: Distance between teacher and student.
        teacher_checkpoint: The teacher's checkpoint.
        student_temperature: Whether the student's logits are also divided by the teacher's temperature.
        soft_label_weight: Weight of the soft labels, A's alpha, in [0, 1]; the hard labels get the rest.
        temperature: The teacher's temperature, at least 1.
        learning_rate: Peak learning rate of the student; 1 for Adadelta.
        hidden_weight: Weight of the squared error between hidden states, in [0, 1]; with the soft labels' at most 1.
        layer_map: The layers that are compared: a name of `layer_maps`, or (student, teacher) pairs of layers.
        projection: How hidden states are compared where widths differ.
        attention_weight: Weight of the divergence between attention maps of those layers (C, eq. 2).
        cosine_weight: Weight of one minus the cosine between hidden states of those layers (C, eq. 3).
        schedule: The order in which layers, or terms of the loss, are learned.
        classification_loss: When labels count, for schedules other than joint.
        layer_epochs: Maximal number of epochs of each stage before the last, for schedules other than joint.
        cosine_threshold: A layer's stage ends when the cosine term, summed over an epoch's batches, is below this; 0
            disables the threshold.
        hard_lambda: C's lambda (eq. 1): weight of the hard labels in addition to what the other weights leave them.
        representation_weight: Weight of half the squared error between the teacher's last representation of a text and
            a projection of the student's, D's beta (eq. 7).
        optimizer: The optimizer.
        transfer_rows: Number of rows of the transfer set that the student trains on; 0 means all.
        labelled_per_class: Labelled examples per class that the student trains on; 0 means all. The teacher uses all.
    """

    distance: Distance
    teacher_checkpoint: TeacherCheckpoint
    student_temperature: StudentTemperature
    soft_label_weight: float
    temperature: float
    learning_rate: float
    hidden_weight: float = 0.0
    layer_map: str | LayerMap = "uniform"
    projection: Projection = Projection.LEARNED
    attention_weight: float = 0.0
    cosine_weight: float = 0.0
    schedule: Schedule = Schedule.JOINT
    classification_loss: ClassificationLoss = ClassificationLoss.THROUGHOUT
    layer_epochs: int = 1
    cosine_threshold: float = 0.0
    hard_lambda: float = 0.0
    representation_weight: float = 0.0
    optimizer: Optimizer = Optimizer.ADAMW
    transfer_rows: int = 0
    labelled_per_class: int = 0

    @property
    def hard_label_weight(self) -> float:
        """Weight of the human labels: 1 minus the other weights (A, eq. 1; B, section 4), plus C's lambda (eq. 1).

        In A that is 1 - alpha, in B a third. In C soft labels and layers have the weight 1 each.
        """
        return 1.0 - self.soft_label_weight - self.hidden_weight + self.hard_lambda

    @property
    def compares_layers(self) -> bool:
        """Whether layers of student and teacher are compared."""
        return bool(self.hidden_weight or self.attention_weight or self.cosine_weight)

    @property
    def uses_teacher(self) -> bool:
        """Whether any term of the loss depends on the teacher."""
        return bool(self.soft_label_weight or self.representation_weight or self.compares_layers)

    @property
    def student_temperature_value(self) -> float:
        """The temperature of the student's logits."""
        return self.temperature if self.student_temperature is StudentTemperature.EQUAL else 1.0

    @lru_cache(maxsize=4096)  # noqa: B019 - configurations are few and small, and asked again and again
    def canonical(self, *, one_checkpoint: bool = False) -> Self:
        """The canonical form: equal for all configurations that compute the same loss.

        Args:
            one_checkpoint: Whether the teacher's highest-score and lowest-loss checkpoints are the same.
        """
        same = self
        if one_checkpoint or not same.uses_teacher:
            same = _with(same, teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE)
        if not same.uses_teacher:  # no teacher, no transfer set
            same = _with(same, transfer_rows=0)
        if same.hard_label_weight == 0:
            same = _with(same, labelled_per_class=0)
        if same.soft_label_weight == 0:  # without soft labels their settings have no effect
            same = _with(same, distance=Distance.CE, temperature=1.0)
        if same.optimizer is Optimizer.ADADELTA:
            same = _with(same, learning_rate=1.0)
        if same.student_temperature not in same.distance.tempered_at:
            same = _with(same, temperature=1.0)
        if same.temperature == 1:
            same = _with(same, student_temperature=StudentTemperature.EQUAL)
        if not same.compares_layers:  # without compared layers their settings have no effect
            of_stages = ("schedule", "layer_epochs") if same.schedule in UNFREEZING_SCHEDULES else ()
            same = _with(same, **{name: DEFAULTS[name] for name in LAYER_FIELDS if name not in of_stages})
        if not isinstance(same.layer_map, str):
            same = _with(same, layer_map=tuple(sorted(same.layer_map)))  # the order of the pairs has no effect
        if same.layer_epochs == 1:  # a stage of one epoch ends in any case
            same = _with(same, cosine_threshold=0.0)
        if same.schedule is Schedule.JOINT:
            void = ("classification_loss", "layer_epochs", "cosine_threshold")
            same = _with(same, **{name: DEFAULTS[name] for name in void})
        if (
            same.hidden_weight == same.cosine_weight == same.cosine_threshold == 0
        ):  # attention maps do not depend on the width
            same = _with(same, projection=Projection.LEARNED)
        return same

    def without_softmax(self) -> Self:
        """The canonical form for tasks without softmax, where both terms are squared errors, as in regression."""
        plain = replace(self, distance=Distance.MSE, student_temperature=StudentTemperature.EQUAL, temperature=1.0)
        return plain.canonical()

    def for_task(self, softmax: bool) -> Self:
        """This configuration on a task: unchanged where the outputs are logits, else `without_softmax`."""
        return self if softmax else self.without_softmax()

    @property
    def config_id(self) -> str:
        """12 hexadecimal digits that name this configuration."""
        return digest(self.as_dict())[:12]

    def as_dict(self) -> dict[str, Any]:
        """As JSON values; fields of later versions are left out at their defaults, so that ids stay."""
        return {name: value for name, value in asdict(self).items() if name not in DEFAULTS or value != DEFAULTS[name]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`.

        Raises:
            ValueError: A choice is not one of its enum's values.
        """
        return cls(**{name: PARSERS.get(name, float)(values[name]) for name in values})

    def __str__(self) -> str:
        return (
            f"{self.distance} {self.teacher_checkpoint} ts={self.student_temperature} "
            f"alpha={self.soft_label_weight:g} t={self.temperature:g} lr={self.learning_rate:g}"
            + "".join(f" {name}={_short(value)}" for name, value in self.as_dict().items() if name in DEFAULTS)
        )


def _with(configuration: Configuration, **values: Any) -> Any:
    """`dataclasses.replace`, but the configuration itself if nothing changes: searches call this often."""
    changed = {name: value for name, value in values.items() if getattr(configuration, name) != value}
    return replace(configuration, **changed) if changed else configuration


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parsed_map(value: Any) -> str | LayerMap:
    return value if isinstance(value, str) else tuple((int(own), int(other)) for own, other in value)


DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(Configuration) if field.default is not MISSING
}
PARSERS: dict[str, Callable[[Any], Any]] = {  # of fields that are not floats
    "distance": Distance,
    "teacher_checkpoint": TeacherCheckpoint,
    "student_temperature": StudentTemperature,
    "layer_map": _parsed_map,
    "projection": Projection,
    "schedule": Schedule,
    "classification_loss": ClassificationLoss,
    "layer_epochs": int,
    "optimizer": Optimizer,
    "transfer_rows": int,
    "labelled_per_class": int,
}


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value: keys sorted, floats as their shortest exact form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
