"""In which stages a student learns: a schedule as data, and where in it a run is. Torch-free.

A stage says which layers of the student are compared with the teacher's, which labels count, which parts of the student
learn, and when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from search_spaces import UNFREEZING, ClassificationLoss, Configuration, LayerMap, Schedule


@dataclass(frozen=True)
class Stage:
    """A part of training.

    Attributes:
        pairs: Which pairs of the layer map are compared.
        soft: Whether the teacher's labels count.
        hard: Whether people's labels count.
        representation: Whether representations of texts are compared.
        thawed: How many of the student's parts learn, from the top; None means all.
        epochs: Its epochs at most; None lasts until training ends.
        cosine_threshold: It is over when the cosine term, summed over an epoch's batches, is below this; 0 never is.
        converges: Whether it is over when its own loss on the validation split falls no more; the weights at the lowest
            are kept.
    """

    pairs: LayerMap = ()
    soft: bool = True
    hard: bool = True
    representation: bool = False
    thawed: int | None = None
    epochs: int | None = None
    cosine_threshold: float = 0.0
    converges: bool = False

    @property
    def classifies(self) -> bool:
        """Whether its student learns to classify, so that its scores mean something; those of C's stages are kept."""
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
        if self.thawed is not None:
            what += f" ({self.thawed} part{'s' * (self.thawed > 1)} from the top)"
        if self.epochs is None:
            return what
        limit = f"{self.epochs} epoch{'s' * (self.epochs > 1)} at most"
        early = f", or until its cosine term is below {self.cosine_threshold:g}" if self.cosine_threshold else ""
        return f"{what}: {limit}{early}{', or until it converges' if self.converges else ''}"


def stages_of(configuration: Configuration, pairs: LayerMap = (), parts: int = 1) -> tuple[Stage, ...]:
    """The stages of a configuration (C, algorithm 1, and the list before it; D, section 5).

    Joint has one. Progressive compares one of the student's layers at a time from the bottom up, stacked keeps those
    below; then only the labels count, to the end. D's two begin with what the teacher says, and then thaw the student
    part by part.

    Args:
        configuration: The configuration, canonical.
        pairs: Its layer map; without internal losses it is not asked.
        parts: Parts of the student that can be frozen.
    """
    representation = configuration.representation_weight > 0
    if configuration.schedule in UNFREEZING:
        return _thawing(configuration, parts)
    if not configuration.teaches_layers:
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


def _thawing(configuration: Configuration, parts: int) -> tuple[Stage, ...]:
    """D's R_RL | R_LL + R_CE and R_RL + R_LL | R_CE: each stage until convergence, the second one part by part."""
    limits: dict[str, Any] = {"epochs": configuration.layer_epochs, "converges": True}
    once = configuration.schedule is Schedule.DISTIL_ONCE
    first = Stage(soft=once, hard=False, representation=configuration.representation_weight > 0, **limits)
    thawing = [Stage(soft=not once, thawed=count, **limits) for count in range(1, parts)]
    has_first = first.representation or (once and configuration.soft_label_weight > 0)
    return (*([first] if has_first else []), *thawing, Stage(soft=not once))


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

    def end_epoch(self, *, converged: bool = False) -> bool:
        """Go on to the next stage if this one is over (C, algorithm 1, lines 23 to 25); returns whether it was."""
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
        """What `load_state` takes up."""
        return {"position": self.position, "epochs": self.epochs}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where another one was."""
        self.position, self.epochs = int(state["position"]), int(state["epochs"])
