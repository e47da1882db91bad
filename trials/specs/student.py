"""Specification of a student. Torch-free."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from trials.specs.dataset import FrozenSpec, Name


class Architecture(StrEnum):
    """The kind of network of a student, a line each: its name in study files, then its attributes.

    Attributes:
        network: Name of the file in `trials.networks` that has its network; "" for Transformers models.
        pooling: How a network over positions comes to a text: their maximum (``max``) or the last states (``last``).
        has_own_words: Whether it reads the lower-cased words of its data, not the tokens of its source.
    """

    network: str
    pooling: str
    has_own_words: bool

    def __new__(cls, value: str, network: str = "", pooling: str = "max", has_own_words: bool = False) -> Architecture:
        """A member: its name in study files and its attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.network, member.pooling, member.has_own_words = network, pooling, has_own_words
        return member

    TRANSFORMER = "transformer"  # like its source
    BILSTM = "bilstm", "recurrent_network"  # a bidirectional LSTM over word pieces (D, section 3.1)
    RNN = "rnn", "recurrent_network", "last", True  # the same LSTM over words (D's RNN encoder, section 6)


class Initialisation(StrEnum):
    """The weights that a student copies from its source."""

    SKIP = "skip"  # evenly spaced layers, the upper one of each group: 6 -> 3 keeps layers 2, 4, 6
    FIRST = "first"  # the first layers
    LAST = "last"  # the last layers
    SLICED = "sliced"  # layers as for skip; the leading rows and columns of each weight
    RANDOM = "random"  # none: all weights are new


RECURRENT_KEYS = ("embeddings", "embedding_size", "dropout", "recurrent_dropout")  # keys of recurrent students


class StudentSpec(FrozenSpec):
    """A student: a shallower, narrower or fewer-head model like a pretrained one, or a pretrained one as it is.

    Attributes:
        name: Its name in the study.
        source: Key ``from``: a teacher's name (for its pretrained model), or a model as in `TeacherSpec.model`.
        revision: The hub model's revision.
        layers: Number of layers, for an encoder-decoder of each stack; None keeps all of them.
        encoder_layers, decoder_layers: Numbers of layers of an encoder-decoder, instead of `layers`.
        heads: Attention heads per layer; None means the source's.
        hidden_size: Width; the feed-forward layers become four times as wide (B, section 4). None means the source's.
        init: The copied weights; ``random`` by default if `heads` or `hidden_size` is given.
        layer_choice: The copied layers, counted from 0, instead of those of `init`.
        architecture: The kind of network. A ``bilstm`` takes only the tokenizer from its source, an ``rnn`` nothing.
        embeddings: Recurrent students: initial word vectors: a GloVe file, a .npy file with a word list beside it, or
            ``package:<distribution folder>``. Words without a vector are uniform in (-.1, .1).
        embedding_size: Recurrent students: width of the word vectors, where `embeddings` is not given.
        dropout, recurrent_dropout: Recurrent students: dropout after each layer, and on the LSTM's states.
        distil: Whether it has a teacher; without one it runs only the experiments that need none.
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
        """The settings that decide its initial weights, besides the source; keys at their defaults are left out."""
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
            raise ValueError(f"init {init} needs the source's {' and '.join(reshaped)}: set init to random or sliced")
        return init

    @model_validator(mode="after")
    def _fits_its_architecture(self) -> Self:
        shaping = ("layers", "encoder_layers", "decoder_layers", "heads", "layer_choice")
        foreign = shaping if self.is_recurrent else RECURRENT_KEYS
        if given := [key for key in foreign if getattr(self, key) is not None]:
            raise ValueError(f"{' and '.join(given)}: a {self.architecture} student does not have this: leave it out")
        if self.embeddings is not None and self.embedding_size is not None:
            raise ValueError("embedding_size follows from the file of embeddings: leave one of the two out")
        return self

    @model_validator(mode="after")
    def _layers_agree(self) -> Self:
        if self.layer_choice is not None and self.init is Initialisation.RANDOM:
            raise ValueError("layer_choice selects layers to copy, but init random copies none: use layers instead")
        if self.layer_choice is not None and len(set(self.layer_choice)) < len(self.layer_choice):
            raise ValueError(f"layer_choice names a layer twice: {list(self.layer_choice)}")
        if self.layer_choice is not None and self.layers not in (None, len(self.layer_choice)):
            raise ValueError(f"layers ({self.layers}) and the length of layer_choice ({len(self.layer_choice)}) differ")
        return self
