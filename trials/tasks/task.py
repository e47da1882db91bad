"""The interface of a task: how its data are read and tokenized, its models' outputs, losses and scores.

Torch is imported only where losses are computed, so that a launch can check data without it.

A model's outputs are float32 [positions, width], with the positions of all rows of a batch one after the other. A row
has one position if the task is about whole texts, and one per word or token otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from search_spaces import Configuration, Fault, fault, nearest
from trials.readers import EncodedSplit, Encoder, Examples, Labels, Table, collect_faults, dataset_key, text_column
from trials.specs import TRANSLATION_KEYS, DatasetSpec, Split, TrainingRecipe
from trials.tasks.head import Head

if TYPE_CHECKING:
    from torch import Tensor

    from trials.readers import TokenizedSplit

Scores = dict[str, float]
Targets = Mapping[str, Any]


class Task(ABC):
    """A kind of task.

    Attributes:
        head: The output layer of its models.
        metrics: Names of its scores; greater is better.
        output_names: Names of the outputs if they are not labels, such as start and end.
        same_tokens: Whether outputs belong to tokens, so that teacher and student need the same tokenization.
        softmax: Whether outputs are logits; if not, distances and temperatures have no effect.
    """

    head: ClassVar[Head]
    metrics: ClassVar[tuple[str, ...]]
    output_names: ClassVar[tuple[str, ...]] = ()
    same_tokens: ClassVar[bool] = False
    softmax: ClassVar[bool] = True

    # Data

    def label_names(self, spec: DatasetSpec, tables: Mapping[Split, Table]) -> tuple[str, ...]:
        """Names of the labels in the order of their numbers; () if the task has none.

        Raises:
            InputError: They cannot be determined.
        """
        return self.output_names

    def examples(self, spec: DatasetSpec, table: Table, names: tuple[str, ...], faults: list[Fault]) -> Examples:
        """A split's examples; adds their faults to `faults`, except for missing columns, which the caller reports."""
        read: dict[str, Any] = {"texts": (), "text_pairs": None, "labels": ()}
        readers = {"texts": spec.text, "text_pairs": spec.text_pair, "labels": spec.label}
        for part, column in readers.items():
            if column is None or column not in table.columns or (part == "labels" and not names):
                continue
            with collect_faults(faults):
                read[part] = self._read(part, spec, table, names)
        examples = Examples(**read)
        if not faults:
            with collect_faults(faults):
                self.check(spec, table, examples)
        return examples

    def _read(self, part: str, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> Any:
        if part == "labels":
            return self.labels(spec, table, names)
        if part == "texts":
            return self.texts(spec, table)
        return text_column(table, str(spec.text_pair), dataset_key(spec, "text_pair"))

    def texts(self, spec: DatasetSpec, table: Table) -> tuple[Any, ...]:
        """The texts of a split.

        Raises:
            InputError: A value is not a text.
        """
        return text_column(table, spec.text, dataset_key(spec, "text"))

    @abstractmethod
    def labels(self, spec: DatasetSpec, table: Table, names: tuple[str, ...]) -> Labels:
        """The labels of a split.

        Raises:
            InputError: A label is not valid.
        """

    def check(self, spec: DatasetSpec, table: Table, examples: Examples) -> None:  # noqa: B027 - most need no check
        """Check that texts and labels fit each other.

        Raises:
            InputError: They do not.
        """

    def strata(self, examples: Examples) -> np.ndarray:
        """The strata of a stratified sample, int64 [rows]."""
        return np.zeros(len(examples), np.int64)

    def check_splits(
        self, spec: DatasetSpec, splits: Mapping[Split, Examples], names: tuple[str, ...]
    ) -> Iterable[Fault]:
        """Faults of splits in which there is nothing to learn, or nothing to score."""
        return ()

    def check_metric(self, spec: DatasetSpec, names: tuple[str, ...]) -> None:
        """Check that the data set's metric is one of the task's, and can be computed.

        Raises:
            InputError: It is not.
        """
        if spec.metric not in self.metrics:
            message = f"{spec.task} has no such metric; {nearest(spec.metric, self.metrics)}"
            raise fault("study file", dataset_key(spec, "metric"), spec.metric, message)

    def check_recipe(self, spec: DatasetSpec, recipe: TrainingRecipe) -> None:
        """Check that the task can be trained with a recipe.

        Raises:
            InputError: It cannot.
        """
        given = {name: getattr(recipe, name) for name in TRANSLATION_KEYS if getattr(recipe, name)}
        if given and self.head is not Head.SEQ2SEQ:
            name, value = given.popitem()
            raise fault(
                "study file", dataset_key(spec, f"training.{name}"), value, f"is for translation, not for {spec.task}"
            )

    @abstractmethod
    def encode(self, encoder: Encoder, examples: Examples, spec: DatasetSpec) -> EncodedSplit:
        """Token ids of a split, its labels as numbers, and the data that scoring needs."""

    # Sizes, for planning

    def characters(self, examples: Examples) -> list[int]:
        """Characters of each row's input."""
        pairs = examples.text_pairs or ("",) * len(examples)
        return [len(text) + len(pair) for text, pair in zip(examples.texts, pairs, strict=True)]

    def output_characters(self, examples: Examples) -> int | None:
        """Number of characters whose tokens have an output each; None if each row has one output."""
        return None

    def output_bytes(self, labels: int, hidden_size: int, top_k: int | None = None) -> int:
        """Bytes of a cached teacher output at one position."""
        return 4 * labels

    # Models

    @abstractmethod
    def targets(self, split: TokenizedSplit, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays that losses compare the outputs of some rows with."""

    def hard_loss(self, outputs: Tensor, targets: Targets) -> Tensor:
        """Loss against human labels (A, eq. 1, L1), a scalar; by default cross-entropy."""
        from trials.losses import hard_label_loss

        return hard_label_loss(outputs, targets["labels"])

    def soft_loss(self, outputs: Tensor, teacher: Tensor, targets: Targets, configuration: Configuration) -> Tensor:
        """Loss against the teacher's outputs [positions, width] (A, eq. 1, L2), a scalar.

        By default the configuration's distance at its temperatures.
        """
        from trials.losses import soft_label_loss

        return soft_label_loss(
            outputs,
            teacher,
            distance=configuration.distance,
            student_temperature=configuration.student_temperature_value,
            teacher_temperature=configuration.temperature,
        )

    def kd_loss(self, outputs: Tensor, teacher: Tensor, targets: Targets, configuration: Configuration) -> Tensor:
        """hard_label_weight * L1 + soft_label_weight * L2 (A, eq. 1)."""
        loss = outputs.new_zeros(())
        if configuration.soft_label_weight > 0:
            loss = loss + configuration.soft_label_weight * self.soft_loss(outputs, teacher, targets, configuration)
        if configuration.hard_label_weight > 0:
            loss = loss + configuration.hard_label_weight * self.hard_loss(outputs, targets)
        return loss

    def num_loss_terms(self, split: TokenizedSplit, rows: np.ndarray) -> int:
        """The number of terms that the losses of some rows average over; by default their positions."""
        return len(rows) if split.position_offsets is None else int(np.diff(split.position_offsets)[rows].sum())

    @abstractmethod
    def score(self, outputs: Any, split: TokenizedSplit) -> Scores:
        """All scores of a split's outputs, float32 [positions, width]; for translation of its translated texts."""

    def predictions(self, outputs: np.ndarray) -> np.ndarray | None:
        """The predicted class number or score of each row of outputs [rows, width]; None if the task has neither."""
        return None

    def probabilities(self, outputs: np.ndarray) -> np.ndarray | None:
        """Class probabilities, float32 [rows, classes], of outputs [rows, width]; None if rows have no classes."""
        return None

    def num_examples(self, split: TokenizedSplit) -> int:
        """Number of examples; in question answering one example can have several rows."""
        return len(split)

    def trivial_baseline_score(
        self, metric: str, train: TokenizedSplit, test: TokenizedSplit, names: tuple[str, ...]
    ) -> float:
        """Test score of the best constant prediction; 0 if the task has none that scores."""
        return 0.0


def constant_labels_hint(split: Split) -> str:
    """The consequence for users if all labels of a split are the same."""
    if split == "train":
        return "there is nothing to learn"
    return "there is nothing to score (if it was published without labels, use another split, or carve one)"
