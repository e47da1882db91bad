"""In which stages a student learns: a schedule as data, and where in it a run is. Torch-free.

A stage says which layers of the student are compared with the teacher's, whether the labels count, and when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from search_spaces.configuration import ClassificationLoss, Configuration, Schedule
from search_spaces.layer_maps import LayerMap


@dataclass(frozen=True)
class Stage:
    """A part of training.

    Attributes:
        pairs: Which pairs of the layer map are compared.
        classification: Whether the terms of soft and hard labels count.
        epochs: Its epochs at most; None lasts until training ends.
        cosine_threshold: It is over when the cosine term, summed over an epoch's batches, is below this; 0 never is.
    """

    pairs: LayerMap = ()
    classification: bool = True
    epochs: int | None = None
    cosine_threshold: float = 0.0

    def __str__(self) -> str:
        layers = ", ".join(f"{own}-{other}" for own, other in self.pairs)
        what = " and ".join([*([f"layers {layers}"] if layers else []), *(["labels"] if self.classification else [])])
        if self.epochs is None:
            return what
        limit = f"{self.epochs} epoch{'s' * (self.epochs > 1)} at most"
        early = f", or until its cosine term is below {self.cosine_threshold:g}" if self.cosine_threshold else ""
        return f"{what}: {limit}{early}"


def stages_of(configuration: Configuration, pairs: LayerMap) -> tuple[Stage, ...]:
    """The stages of a configuration (C, algorithm 1, and the list before it).

    Joint has one. Progressive compares one of the student's layers at a time from the bottom up, stacked keeps those
    below; then only the labels count, to the end.

    Args:
        configuration: The configuration, canonical.
        pairs: Its layer map; without internal losses it is not asked.
    """
    if not configuration.teaches_layers:
        return (Stage(),)
    if configuration.schedule is Schedule.JOINT:
        return (Stage(pairs),)
    stacked = configuration.schedule is Schedule.STACKED
    throughout = configuration.classification_loss is ClassificationLoss.THROUGHOUT
    limits = configuration.layer_epochs, configuration.cosine_threshold
    layers = sorted({own for own, _ in pairs})
    compared = (tuple(p for p in pairs if p[0] == top or (stacked and p[0] < top)) for top in layers)
    return (*(Stage(each, throughout, *limits) for each in compared), Stage())


class Progress:
    """Where in its stages a run is; epochs move it on.

    Attributes:
        stages: The stages.
        position: The present one's, from 0.
        epochs: How many it has had.
        cosine_sum: The cosine term, summed over the present epoch's batches: a number, or a tensor of one.
    """

    def __init__(self, stages: Iterable[Stage] = (Stage(),)):
        self.stages = tuple(stages)
        self.position = 0
        self.epochs = 0
        self.cosine_sum: Any = 0.0

    @property
    def stage(self) -> Stage:
        """The present stage."""
        return self.stages[self.position]

    @property
    def last(self) -> bool:
        """Whether no other stage follows."""
        return self.position == len(self.stages) - 1

    def end_epoch(self) -> None:
        """Go on to the next stage if this one is over (C, algorithm 1, lines 23 to 25)."""
        if self.last:
            return
        self.epochs += 1
        stage, cosine_sum = self.stage, float(self.cosine_sum)
        self.cosine_sum *= 0
        if cosine_sum < stage.cosine_threshold or (stage.epochs is not None and self.epochs >= stage.epochs):
            self.position, self.epochs = self.position + 1, 0

    def state(self) -> dict[str, Any]:
        """What `load_state` takes up."""
        return {"position": self.position, "epochs": self.epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where another one was."""
        self.position, self.epochs = int(state["position"]), int(state["epochs"])
