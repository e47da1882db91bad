"""What a student is, as study files say it. Torch-free."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trials.specs.dataset import FrozenSpec, Name


class Architecture(StrEnum):
    """What a student is built of."""

    TRANSFORMER = "transformer"  # like its source
    BILSTM = "bilstm"  # word pieces, a bidirectional LSTM, the maximum over positions (D, section 3.1)
    RNN = "rnn"  # lower-cased words, the same LSTM, its last states (D's RNN encoder, section 6)


class Initialisation(StrEnum):
    """What of its source's weights a student starts from."""

    SKIP = "skip"  # layers evenly spaced, the upper one of each group: 6 -> 3 keeps layers 2, 4, 6
    FIRST = "first"  # the first layers
    LAST = "last"  # the last ones
    SLICED = "sliced"  # layers as by skip, of each weight its leading rows and columns
    RANDOM = "random"  # none: all weights are new


RECURRENT_KEYS = ("embeddings", "embedding_size", "dropout", "recurrent_dropout")  # keys of recurrent students


class StudentSpec(FrozenSpec):
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
        architecture: What it is built of. Of a source a ``bilstm`` takes the tokenizer alone, an ``rnn`` nothing.
        embeddings: Of those two: word vectors to start from, a file of GloVe's or .npy with a list of words beside it,
            or ``package:<distribution folder>``; words that it lacks are uniform in (-.1, .1).
        embedding_size: Their width where there is no file.
        dropout, recurrent_dropout: Theirs, after each layer and on the LSTM's states.
        distil: Whether it has a teacher; else it does those experiments alone that have none.
    """

    name: Name
    architecture: Architecture = Architecture.TRANSFORMER
    source: str = Field(alias="from")
    revision: str | None = None
    layers: int | None = Field(None, gt=0)
    encoder_layers: int | None = Field(None, gt=0)
    decoder_layers: int | None = Field(None, gt=0)
    heads: int | None = Field(None, gt=0)
    hidden_size: int | None = Field(None, gt=0)
    init: Initialisation = Initialisation.SKIP
    layer_choice: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] | None = None
    embeddings: str | None = None
    embedding_size: int | None = Field(None, gt=0)
    dropout: float | None = Field(None, ge=0, lt=1)
    recurrent_dropout: float | None = Field(None, ge=0, lt=1)
    distil: bool = True

    @property
    def is_recurrent(self) -> bool:
        """Whether it is a recurrent network."""
        return self.architecture is not Architecture.TRANSFORMER

    @property
    def shape(self) -> dict[str, Any]:
        """What its weights before training follow from, besides those of its source; keys that say nothing left out."""
        if self.is_recurrent:
            own = {"architecture", "hidden_size", *RECURRENT_KEYS} - {"embeddings"}  # of those the content counts
            return self.model_dump(mode="json", include=own, exclude_none=True)
        without = ("name", "source", "revision", "architecture", "distil")
        later = ("encoder_layers", "decoder_layers", "heads", "hidden_size")
        newer = [key for key in later if getattr(self, key) is None]
        return self.model_dump(mode="json", exclude={*without, *RECURRENT_KEYS, *newer})

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
    def _fits_its_architecture(self) -> Self:
        shaping = ("layers", "encoder_layers", "decoder_layers", "heads", "layer_choice")
        foreign = shaping if self.is_recurrent else RECURRENT_KEYS
        if given := [key for key in foreign if getattr(self, key) is not None]:
            raise ValueError(f"{' and '.join(given)}: no such thing in a {self.architecture}")
        if self.embeddings is not None and self.embedding_size is not None:
            raise ValueError("embedding_size is the file's: leave it out, or leave out embeddings")
        return self

    @model_validator(mode="after")
    def _layers_agree(self) -> Self:
        if self.layer_choice is not None and self.init is Initialisation.RANDOM:
            raise ValueError("layer_choice says which layers are copied, but init random copies none: say layers")
        if self.layer_choice is not None and len(set(self.layer_choice)) < len(self.layer_choice):
            raise ValueError(f"layer_choice names a layer twice: {list(self.layer_choice)}")
        if self.layer_choice is not None and self.layers not in (None, len(self.layer_choice)):
            raise ValueError(f"layers ({self.layers}) and the length of layer_choice ({len(self.layer_choice)}) differ")
        return self
