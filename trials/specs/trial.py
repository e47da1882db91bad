"""Specifications of teachers, triples, training recipes and trials. Torch-free."""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_serializer, field_validator, model_validator

from search_spaces import LAYER_FIELDS, UNFREEZING_SCHEDULES, Configuration, Optimizer, digest
from trials.specs.dataset import (
    DatasetSpec,
    FrozenSpec,
    Name,
)
from trials.specs.early_stopping import StoppingRule
from trials.specs.student import StudentSpec

PROTOCOL_VERSION = 2  # increase it when a change makes equal specifications give other results
EVALUATION_TOKENS = 4096  # per evaluation batch, padding included; larger batches are slower, because of page faults


class Precision(StrEnum):
    """The type of activations; weights, optimizer state and losses are always float32."""

    FP32 = "fp32"
    BF16 = "bf16"


TRANSLATION_KEYS = ("sequence_level", "teacher_top_k")  # keys of the recipe for translation only


class TrainingRecipe(FrozenSpec):
    """How a model is trained. A student's learning rate is part of its configuration instead.

    Attributes:
        epochs: Maximal number of passes over the training split.
        batch_size: Examples per optimizer step.
        max_length: Longest input in tokens; longer ones are truncated.
        learning_rate: Peak learning rate; used for teachers only.
        evaluate_every: ``epoch``, or the number of optimizer steps between validations.
        early_stopping: Patience: training stops after this many validations without a better score, and a stage of D's
            ends after this many without a lower loss. None disables it.
        warmup_fraction: Fraction of the steps over which the learning rate rises linearly.
        decay: Whether the learning rate then falls linearly to 0.
        weight_decay: AdamW's weight decay; biases and norms are not decayed.
        max_grad_norm: Gradients are clipped to this global norm.
        sequence_level: Translation: students train on the teacher's translations instead of the references.
        teacher_top_k: Translation: cache the teacher's k likeliest tokens and one bucket for all others, instead of its
            hidden states; for cross-entropy at temperature 1.
        precision: ``fp32``, or ``bf16``: activations and working copies of weights in bfloat16, faster and less exact.
    """

    epochs: float = Field(3, gt=0)
    batch_size: int = Field(32, gt=0)
    max_length: int = Field(128, gt=2)
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    evaluate_every: Literal["epoch"] | Annotated[int, Field(gt=0)] = "epoch"
    early_stopping: Annotated[int, Field(gt=0)] | None = None
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    decay: bool = True
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    sequence_level: bool = False
    teacher_top_k: Annotated[int, Field(gt=0)] | None = None
    precision: Precision = Precision.FP32

    def identity(self, exclude: Set[str] = frozenset()) -> dict[str, Any]:
        """The keys that decide a result. Keys of later versions are left out at their defaults, so that ids stay."""
        newer = {key for key in TRANSLATION_KEYS if not getattr(self, key)} | ({"decay"} if self.decay else set())
        return self.model_dump(mode="json", exclude={*exclude, *newer})


class Adaptation(FrozenSpec):
    """Masked-language-model training of a teacher on train and transfer texts, before fine-tuning (D, section 6.4).

    Attributes:
        epochs: Passes over those texts.
        learning_rate: Peak learning rate.
        masked: Fraction of the tokens to predict: 80 % of them masked, 10 % replaced by another token, 10 % kept.
    """

    epochs: float = Field(3, gt=0)
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    masked: float = Field(0.15, gt=0, lt=1)


class TeacherSpec(FrozenSpec):
    """A teacher: a pretrained model to fine-tune on each data set, or existing checkpoints.

    Attributes:
        name: Its name in the study.
        model: Local folder, hub name, or ``package:<distribution folder>`` for a model inside a Python package.
        revision: The hub model's revision.
        training: Keys of the training recipe that differ from the study's.
        seed: Seed of its fine-tuning.
        checkpoints: Existing fine-tuned checkpoint folders by data set name; nothing is trained for these data sets.
        adapt: Masked-language-model training before fine-tuning; None skips it.
    """

    name: Name
    model: str
    revision: str | None = None
    training: dict[str, Any] = Field({})
    seed: int = 13
    checkpoints: dict[str, tuple[str, ...]] = Field({})
    adapt: Adaptation | None = None

    @model_validator(mode="after")
    def _fine_tuned_here(self) -> Self:
        if self.adapt is not None and self.checkpoints:
            raise ValueError(
                "adapt comes before fine-tuning, but the checkpoints are fine-tuned already: give one of the two"
            )
        return self


class Triple(FrozenSpec):
    """One (teacher, student, data set): a test case."""

    teacher: TeacherSpec
    student: StudentSpec
    dataset: DatasetSpec

    @property
    def triple_id(self) -> str:
        """``teacher/student/dataset``."""
        return f"{self.teacher.name}/{self.student.name}/{self.dataset.name}"


def _canonical(configuration: Configuration) -> Configuration:
    if configuration != configuration.canonical():
        raise ValueError("a trial's configuration must be canonical")
    return configuration


class TrialSpec(FrozenSpec):
    """The complete specification of one student's training: nothing else decides the result.

    Attributes:
        triple: Teacher, student and data set.
        configuration: The KD configuration, canonical.
        seed: Seed of the batch order, dropout and new weights.
        training: The student's training recipe.
        data_fingerprint: Content hash of the data set's splits.
        teacher_fingerprint: Content hash of the teaching checkpoint's weights.
        source_fingerprint: Content hash of the model that the student starts from, and of its word vectors.
        stopping: The rule that may stop it early; None for trials that are never stopped. It is no part of `trial_id`,
            because it does not change the result of a completed trial.
    """

    triple: Triple
    configuration: Annotated[Configuration, AfterValidator(_canonical)]
    seed: int
    training: TrainingRecipe
    data_fingerprint: str
    teacher_fingerprint: str
    source_fingerprint: str
    stopping: StoppingRule | None = None

    @field_validator("configuration", mode="before")
    @classmethod
    def _parse_configuration(cls, value: Any) -> Any:
        return Configuration.from_dict(value) if isinstance(value, dict) else value

    @field_serializer("configuration")
    def _dump_configuration(self, value: Configuration) -> dict[str, Any]:
        return value.as_dict()

    @cached_property
    def group_id(self) -> str:
        """Trials of one group can be trained together: same data, student, teacher checkpoint, recipe and seed.

        Two kinds of trials form groups of their own: those whose stages end by a threshold, because the others would be
        in other stages; and those with `TransferObjective`, because they train on rows of their own.
        """
        alone = self.configuration.cosine_threshold or self.uses_transfer_objective
        if alone:
            return self.trial_id
        observed = {name: value for name, value in self.configuration.as_dict().items() if name in LAYER_FIELDS}
        return digest([self.model_dump(mode="json", exclude={"configuration", "stopping"}), observed])[:24]

    @property
    def uses_transfer_objective(self) -> bool:
        """Whether it trains with `TransferObjective`: a recurrent student, a transfer set, or a setting of D's."""
        ours = self.configuration
        own = ours.representation_weight or ours.distance.by_regression or ours.schedule in UNFREEZING_SCHEDULES
        own = own or ours.labelled_per_class or ours.optimizer is not Optimizer.ADAMW
        return bool(own or self.triple.student.is_recurrent or self.triple.dataset.has_transfer_set)

    @cached_property
    def trial_id(self) -> str:
        """24 hexadecimal digits: hash of everything that decides the result; paths are no part of it."""
        identity = {
            **self._case,
            "configuration": self.configuration.as_dict(),
            "seed": self.seed,
            "fingerprints": [self.data_fingerprint, self.teacher_fingerprint, self.source_fingerprint],
        }
        return digest(identity)[:24]

    @cached_property
    def stopped_id(self) -> str:
        """24 hexadecimal digits: the record's key if the rule stopped the trial early, which is another result."""
        rule = None if self.stopping is None else self.stopping.model_dump(mode="json")
        return digest(["stopped", self.trial_id, rule])[:24]

    @cached_property
    def case_id(self) -> str:
        """24 hexadecimal digits: trials with the same value have comparable scores."""
        return digest({**self._case, "fingerprints": [self.data_fingerprint, self.source_fingerprint]})[:24]

    @property
    def _case(self) -> dict[str, Any]:
        return {
            "protocol": PROTOCOL_VERSION,
            "triple": self.triple.triple_id,
            "student": self.triple.student.shape,
            "task": [self.triple.dataset.task, self.triple.dataset.metric, *self.triple.dataset.encoding_options],
            "training": self.training.identity(exclude={"learning_rate"}),
        }


class TeacherTask(FrozenSpec):
    """The preparation of one teacher for one data set: fine-tuned (or given), scored, selected, cached.

    Attributes:
        teacher, dataset: The pair.
        training: The teacher's training recipe.
        data_fingerprint: Content hash of the data set's splits.
        model_fingerprint: Content hash of the pretrained model (or of the given checkpoints).
    """

    teacher: TeacherSpec
    dataset: DatasetSpec
    training: TrainingRecipe
    data_fingerprint: str
    model_fingerprint: str

    @cached_property
    def teacher_id(self) -> str:
        """24 hexadecimal digits: hash of everything that decides the teacher."""
        identity = {
            "protocol": PROTOCOL_VERSION,
            "pair": [self.teacher.name, self.dataset.name],
            "task": [self.dataset.task, self.dataset.metric, *self.dataset.encoding_options],
            "seed": [self.teacher.seed, self.teacher.adapt.model_dump()] if self.teacher.adapt else self.teacher.seed,
            "training": self.training.identity(exclude={"teacher_top_k"}),
            "fingerprints": [self.data_fingerprint, self.model_fingerprint],
        }
        return digest(identity)[:24]
