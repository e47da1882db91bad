"""One point of the search space: a KD configuration, its canonical form and its identity.

Two configurations that compute the same loss have one canonical form, so that equal trials are one trial.
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

LAYER_FIELDS = (  # fields that say how a student learns from its teacher's layers
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
    """Which checkpoint of the teacher's fine-tuning teaches (A, section 2); both are selected on validation."""

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
        tempered_at: Student temperatures at which the teacher's temperature changes the loss. At others it is void.
            By default it counts at both.
        by_regression: Whether outputs of a regression of the student's own are compared instead of its logits.
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
    """What makes hidden states of teacher and student comparable where their widths differ."""

    LEARNED = "learned"  # a linear layer, trained with the student
    LEADING = "leading"  # given: the leading states that both have, fit for students sliced from their teacher


class Schedule(StrEnum):
    """In which order a student learns: its teacher's layers (C), or what its terms ask for (D, section 5)."""

    JOINT = "joint"  # all at once
    PROGRESSIVE = "progressive"  # one layer at a time from the bottom up (C's PID)
    STACKED = "stacked"  # likewise, keeping those below (C's SID, algorithm 1)
    STAGED = "staged"  # the representation, then labels and logits with gradual unfreezing (D, section 5.2)
    DISTIL_ONCE = "distil_once"  # the teacher, then labels with gradual unfreezing (D, section 5.3)


UNFREEZING_SCHEDULES = (Schedule.STAGED, Schedule.DISTIL_ONCE)  # schedules that thaw a student from the top down


class Optimizer(StrEnum):
    """What a student is trained by."""

    ADAMW = "adamw"  # with the recipe's weight decay
    ADAM = "adam"  # with none
    ADADELTA = "adadelta"  # Zeiler's, which has no learning rate (D, section 6): it counts as 1


class ClassificationLoss(StrEnum):
    """When a student that learns layer by layer also learns to classify."""

    THROUGHOUT = "throughout"
    LAST = "last"  # after its layers


@dataclass(frozen=True)
class Configuration:
    """One KD configuration.

    Attributes:
        distance: Distance between teacher and student.
        teacher_checkpoint: The teaching checkpoint.
        student_temperature: Whether the student's logits are divided by the teacher's temperature too.
        soft_label_weight: Weight of the teacher's term, A's alpha, in [0, 1]; the hard labels get the rest.
        temperature: The teacher's temperature, at least 1.
        learning_rate: Peak learning rate of the student's training; 1 of Adadelta.
        hidden_weight: Weight of the squared error between hidden states, in [0, 1]; with the soft labels' at most 1.
        layer_map: Which layers that error compares: a name of `layer_maps`, or pairs of (student's, teacher's) layer.
        projection: What makes hidden states comparable where widths differ.
        attention_weight: Factor of the divergence between attention maps of those layers (C, eq. 2).
        cosine_weight: Factor of one minus the cosine between hidden states of those layers (C, eq. 3).
        schedule: In which order the layers are learned.
        classification_loss: When the terms of labels count, of schedules that are not joint.
        layer_epochs: Epochs that each stage before the last has at most, likewise.
        cosine_threshold: A layer is done when the cosine term, summed over an epoch's batches, is below this; 0 never.
        hard_lambda: C's lambda (eq. 1): weight of the hard labels on top of what the shares leave them.
        representation_weight: Factor of half the squared error between the teacher's last representation of a text and
            a transformation of the student's, D's beta (eq. 7).
        optimizer: What the student is trained by.
        transfer_rows: Rows of the transfer set that it sees; 0 means all.
        labelled_per_class: Labelled examples of each class that it sees; 0 means all. Its teacher sees all.
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
        """Weight of the human labels: what the shares leave, 1 - alpha in A (eq. 1), a third in B (section 4).

        C's lambda (eq. 1) is added: there soft labels and layers have the weight 1 each.
        """
        return 1.0 - self.soft_label_weight - self.hidden_weight + self.hard_lambda

    @property
    def compares_layers(self) -> bool:
        """Whether the student learns from the insides of its teacher."""
        return bool(self.hidden_weight or self.attention_weight or self.cosine_weight)

    @property
    def uses_teacher(self) -> bool:
        """Whether the teacher has any say."""
        return bool(self.soft_label_weight or self.representation_weight or self.compares_layers)

    @property
    def student_temperature_value(self) -> float:
        """The number that the student's logits are divided by."""
        return self.temperature if self.student_temperature is StudentTemperature.EQUAL else 1.0

    @lru_cache(maxsize=4096)  # noqa: B019 - configurations are few and small, and asked again and again
    def canonical(self, *, one_checkpoint: bool = False) -> Self:
        """The representative of all configurations that compute the same loss.

        Args:
            one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        """
        same = self
        if one_checkpoint or not same.uses_teacher:
            same = _with(same, teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE)
        if not same.uses_teacher:  # nothing is transferred
            same = _with(same, transfer_rows=0)
        if same.hard_label_weight == 0:
            same = _with(same, labelled_per_class=0)
        if same.soft_label_weight == 0:  # no soft labels: their settings are void
            same = _with(same, distance=Distance.CE, temperature=1.0)
        if same.optimizer is Optimizer.ADADELTA:
            same = _with(same, learning_rate=1.0)
        if same.student_temperature not in same.distance.tempered_at:
            same = _with(same, temperature=1.0)
        if same.temperature == 1:
            same = _with(same, student_temperature=StudentTemperature.EQUAL)
        if not same.compares_layers:  # no layers: their settings are void
            of_stages = ("schedule", "layer_epochs") if same.schedule in UNFREEZING_SCHEDULES else ()
            same = _with(same, **{name: DEFAULTS[name] for name in LAYER_FIELDS if name not in of_stages})
        if not isinstance(same.layer_map, str):
            same = _with(same, layer_map=tuple(sorted(same.layer_map)))  # of pairs the order says nothing
        if same.layer_epochs == 1:  # a layer's one epoch is its last, whatever it learns
            same = _with(same, cosine_threshold=0.0)
        if same.schedule is Schedule.JOINT:
            void = ("classification_loss", "layer_epochs", "cosine_threshold")
            same = _with(same, **{name: DEFAULTS[name] for name in void})
        if same.hidden_weight == same.cosine_weight == same.cosine_threshold == 0:  # attention alone knows no widths
            same = _with(same, projection=Projection.LEARNED)
        return same

    def without_softmax(self) -> Self:
        """The representative of all that compute the same where outputs are no logits and both terms squared errors."""
        plain = replace(self, distance=Distance.MSE, student_temperature=StudentTemperature.EQUAL, temperature=1.0)
        return plain.canonical()

    def for_task(self, softmax: bool) -> Self:
        """What stands for this configuration on a task: itself where outputs are logits."""
        return self if softmax else self.without_softmax()

    @property
    def config_id(self) -> str:
        """12 hexadecimal digits that name this configuration."""
        return digest(self.as_dict())[:12]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; what came later says nothing at its default."""
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
    """The configuration with other values; itself where it has them: `replace` takes its time, searches ask often."""
    changed = {name: value for name, value in values.items() if getattr(configuration, name) != value}
    return replace(configuration, **changed) if changed else configuration


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _parsed_map(value: Any) -> str | LayerMap:
    return value if isinstance(value, str) else tuple((int(own), int(other)) for own, other in value)


DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(Configuration) if field.default is not MISSING
}
PARSERS: dict[str, Callable[[Any], Any]] = {  # of what is no plain number
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
