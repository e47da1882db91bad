"""Schedules as data: the stages of a student's training, and a run's position in them. Torch-free.

A stage has the layer pairs that are compared, the labels that count, the student's parts that are trained, and its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from search_spaces import UNFREEZING_SCHEDULES, ClassificationLoss, Configuration, LayerMap, Schedule


@dataclass(frozen=True)
class Stage:
    """A stage of training.

    Attributes:
        pairs: The pairs of the layer map that are compared.
        soft: Whether the teacher's labels count.
        hard: Whether human labels count.
        representation: Whether representations of texts are compared.
        unfrozen_parts: How many of the student's parts are trained, from the top; None means all.
        epochs: Maximal number of epochs; None lasts until training ends.
        cosine_threshold: The stage ends when the cosine term, summed over an epoch's batches, is below this; 0: never.
        converges: Whether the stage ends when its loss on the validation split stops falling; the weights at the lowest
            loss are kept.
    """

    pairs: LayerMap = ()
    soft: bool = True
    hard: bool = True
    representation: bool = False
    unfrozen_parts: int | None = None
    epochs: int | None = None
    cosine_threshold: float = 0.0
    converges: bool = False

    @property
    def trains_classifier(self) -> bool:
        """Whether validation scores of the stage count: it has hard labels, or it is one of C's stages."""
        return self.hard or not self.converges

    def __str__(self) -> str:
        layers = ", ".join(f"{own}-{other}" for own, other in self.pairs)
        labels = {(True, True): "labels", (True, False): "soft labels", (False, True): "hard labels"}
        terms = [
            *([f"layers {layers}"] if layers else []),
            *(["representation"] if self.representation else []),
            *([labels[self.soft, self.hard]] if self.soft or self.hard else []),
        ]
        what = " and ".join(terms)
        if self.unfrozen_parts is not None:
            what += f" ({self.unfrozen_parts} part{'s' * (self.unfrozen_parts > 1)} from the top)"
        if self.epochs is None:
            return what
        limit = f"{self.epochs} epoch{'s' * (self.epochs > 1)} at most"
        early = f", or until its cosine term is below {self.cosine_threshold:g}" if self.cosine_threshold else ""
        return f"{what}: {limit}{early}{', or until it converges' if self.converges else ''}"


def training_stages(configuration: Configuration, pairs: LayerMap = (), parts: int = 1) -> tuple[Stage, ...]:
    """The stages of a configuration (C, algorithm 1, and the list before it; D, section 5).

    A joint schedule has one stage. A progressive one compares one layer of the student per stage, from the bottom up; a
    stacked one keeps comparing the layers below. Both end with a stage of labels alone. D's two schedules start with
    the teacher's signals and then unfreeze the student part by part.

    Args:
        configuration: The configuration, canonical.
        pairs: The layer map; not used if no layers are compared.
        parts: Number of parts of the student that can be frozen.
    """
    representation = configuration.representation_weight > 0
    if configuration.schedule in UNFREEZING_SCHEDULES:
        return _unfreezing_stages(configuration, parts)
    if not configuration.compares_layers:
        return (Stage(representation=representation),)
    if configuration.schedule is Schedule.JOINT:
        return (Stage(pairs, representation=representation),)
    stacked = configuration.schedule is Schedule.STACKED
    throughout = configuration.classification_loss is ClassificationLoss.THROUGHOUT
    limits: dict[str, Any] = {
        "epochs": configuration.layer_epochs,
        "cosine_threshold": configuration.cosine_threshold,
    }
    layers = sorted({own for own, _ in pairs})
    compared = (tuple(p for p in pairs if p[0] == top or (stacked and p[0] < top)) for top in layers)
    return (*(Stage(each, soft=throughout, hard=throughout, **limits) for each in compared), Stage())


def _unfreezing_stages(configuration: Configuration, parts: int) -> tuple[Stage, ...]:
    """D's R_RL | R_LL + R_CE and R_RL + R_LL | R_CE: each until convergence, the second term part by part."""
    limits: dict[str, Any] = {"epochs": configuration.layer_epochs, "converges": True}
    once = configuration.schedule is Schedule.DISTIL_ONCE
    first = Stage(soft=once, hard=False, representation=configuration.representation_weight > 0, **limits)
    unfreezing = [Stage(soft=not once, unfrozen_parts=count, **limits) for count in range(1, parts)]
    has_first = first.representation or (once and configuration.soft_label_weight > 0)
    return (*([first] if has_first else []), *unfreezing, Stage(soft=not once))


class StageProgress:
    """A run's position in its stages.

    Attributes:
        stages: The stages.
        position: Index of the current stage, from 0.
        epochs: Epochs that the current stage has had.
        cosine_sum: The cosine term, summed over the batches of the current epoch: a number, or a scalar tensor.
    """

    def __init__(self, stages: Iterable[Stage] = (Stage(),)):
        self.stages = tuple(stages)
        self.position = 0
        self.epochs = 0
        self.cosine_sum: Any = 0.0

    @property
    def stage(self) -> Stage:
        """The current stage."""
        return self.stages[self.position]

    @property
    def last(self) -> bool:
        """Whether the current stage is the last one."""
        return self.position == len(self.stages) - 1

    def end_epoch(self, *, converged: bool = False) -> bool:
        """Move to the next stage if this one is over (C, algorithm 1, lines 23 to 25); returns whether it was."""
        if self.last:
            return False
        self.epochs += 1
        stage, cosine_sum = self.stage, float(self.cosine_sum)
        self.cosine_sum *= 0
        late = stage.epochs is not None and self.epochs >= stage.epochs
        over = late or cosine_sum < stage.cosine_threshold or (stage.converges and converged)
        if over:
            self.position, self.epochs = self.position + 1, 0
        return over

    def state(self) -> dict[str, Any]:
        """The state that `load_state` restores."""
        return {"position": self.position, "epochs": self.epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.position, self.epochs = int(state["position"]), int(state["epochs"])
