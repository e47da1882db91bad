"""One point of the search space: a KD configuration, its canonical form and its identity.

Two configurations that compute the same loss have one canonical form, so that equal trials are one trial.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

from search_spaces.layer_maps import LayerMap

OF_HIDDEN_STATES = ("hidden_weight", "layer_map", "projection")


class Distance(StrEnum):
    """Distance between teacher and student predictions (A, section 2, L2 of eq. 1)."""

    CE = "ce"  # cross-entropy between softened distributions
    MSE = "mse"  # mean squared error between scaled logits


class TeacherCheckpoint(StrEnum):
    """Which checkpoint of the teacher's fine-tuning teaches (A, section 2); both are selected on validation."""

    HIGHEST_SCORE = "highest_score"
    LOWEST_LOSS = "lowest_loss"


class StudentTemperature(StrEnum):
    """The student's temperature: the teacher's own, or 1 (A, section 2)."""

    EQUAL = "equal"
    ONE = "one"


class Projection(StrEnum):
    """What makes hidden states of teacher and student comparable where their widths differ."""

    LEARNED = "learned"  # a linear layer, trained with the student
    LEADING = "leading"  # given: the leading states that both have, fit for students sliced from their teacher


@dataclass(frozen=True)
class Configuration:
    """One KD configuration.

    Attributes:
        distance: Distance between teacher and student.
        teacher_checkpoint: The teaching checkpoint.
        student_temperature: Whether the student's logits are divided by the teacher's temperature too.
        soft_label_weight: Weight of the teacher's term, A's alpha, in [0, 1]; the hard labels get the rest.
        temperature: The teacher's temperature, at least 1.
        learning_rate: Peak learning rate of the student's training.
        hidden_weight: Weight of the squared error between hidden states, in [0, 1]; with the soft labels' at most 1.
        layer_map: Which layers that error compares: a name of `layer_maps`, or pairs of (student's, teacher's) layer.
        projection: What makes hidden states comparable where widths differ.
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

    @property
    def hard_label_weight(self) -> float:
        """Weight of the human labels: what the other terms leave, 1 - alpha in A (eq. 1), a third in B (section 4)."""
        return 1.0 - self.soft_label_weight - self.hidden_weight

    @property
    def student_temperature_value(self) -> float:
        """The number that the student's logits are divided by."""
        return self.temperature if self.student_temperature is StudentTemperature.EQUAL else 1.0

    def canonical(self, *, one_checkpoint: bool = False) -> Self:
        """The representative of all configurations that compute the same loss.

        Args:
            one_checkpoint: The teacher's highest-score and lowest-loss checkpoints are one and the same.
        """
        same = self
        if one_checkpoint or same.soft_label_weight == same.hidden_weight == 0:
            same = replace(same, teacher_checkpoint=TeacherCheckpoint.HIGHEST_SCORE)
        if same.soft_label_weight == 0:  # no soft labels: their settings are void
            same = replace(same, distance=Distance.CE, temperature=1.0)
        if same.distance is Distance.MSE and same.student_temperature is StudentTemperature.EQUAL:
            same = replace(same, temperature=1.0)  # t^2 * mean((z_s/t - z_t/t)^2) is free of t
        if same.temperature == 1:
            same = replace(same, student_temperature=StudentTemperature.EQUAL)
        if same.hidden_weight == 0:
            same = replace(same, layer_map="uniform", projection=Projection.LEARNED)
        return same

    def without_softmax(self) -> Self:
        """The representative of all that compute the same where outputs are no logits and both terms squared errors."""
        plain = replace(self, distance=Distance.MSE, student_temperature=StudentTemperature.EQUAL, temperature=1.0)
        return plain.canonical()

    @property
    def config_id(self) -> str:
        """12 hexadecimal digits that name this configuration."""
        return digest(self.as_dict())[:12]

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values; what came later says nothing where it is not used."""
        values = asdict(self)
        return values if self.hidden_weight else {name: values[name] for name in values if name not in OF_HIDDEN_STATES}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`.

        Raises:
            ValueError: A choice is not one of its enum's values.
        """
        return cls(
            distance=Distance(values["distance"]),
            teacher_checkpoint=TeacherCheckpoint(values["teacher_checkpoint"]),
            student_temperature=StudentTemperature(values["student_temperature"]),
            soft_label_weight=float(values["soft_label_weight"]),
            temperature=float(values["temperature"]),
            learning_rate=float(values["learning_rate"]),
            hidden_weight=float(values.get("hidden_weight", 0)),
            layer_map=_parsed_map(values.get("layer_map", "uniform")),
            projection=Projection(values.get("projection", Projection.LEARNED)),
        )

    def __str__(self) -> str:
        return (
            f"{self.distance} {self.teacher_checkpoint} ts={self.student_temperature} "
            f"alpha={self.soft_label_weight:g} t={self.temperature:g} lr={self.learning_rate:g}"
            + (f" hidden={self.hidden_weight:g} {self.layer_map}" if self.hidden_weight else "")
        )


def _parsed_map(value: Any) -> str | LayerMap:
    return value if isinstance(value, str) else tuple((int(own), int(other)) for own, other in value)


def digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value: keys sorted, floats as their shortest exact form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
