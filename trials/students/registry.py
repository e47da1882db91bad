"""Untrained students of all architectures, from the cache or built now."""

from __future__ import annotations

from pathlib import Path

from search_spaces import digest
from trials.models import model_fingerprint
from trials.readers import tokenizer_fingerprint, vectors_fingerprint
from trials.specs import DatasetSpec, StudentSpec
from trials.storage import Workspace
from trials.tasks import Head


def initial_student(
    student: StudentSpec,
    source: Path,
    label_names: tuple[str, ...],
    seed: int,
    workspace: Workspace,
    head: Head = Head.SEQUENCE,
) -> Path:
    """The folder of an untrained student, from the cache or built now; equal arguments give equal weights.

    Args:
        student: The student.
        source: Folder of its pretrained model; for a recurrent student the `tokenizer_folder`.
        label_names: Labels in the order of the model's outputs.
        seed: Seed of the weights that the source does not have.
        workspace: The study's directory.
        head: The output layer.

    Raises:
        InputError: The student does not fit its source.
    """
    if student.is_recurrent:
        return _recurrent_student(student, source, label_names, seed, workspace, head)
    key = digest([student.shape, model_fingerprint(source), head, label_names, seed])[:24]

    def build(target: Path) -> None:
        from trials.students.encoder import build_encoder  # loads transformers, which is not needed on a cache hit
        from trials.students.encoder_decoder import build_encoder_decoder

        if head is Head.SEQ2SEQ:
            build_encoder_decoder(student, source, seed).save_pretrained(target)
            return
        build_encoder(student, source, label_names, seed, head).save_pretrained(target)

    return workspace.build_once(workspace.initial(key), build)


def _recurrent_student(
    student: StudentSpec, source: Path, label_names: tuple[str, ...], seed: int, workspace: Workspace, head: Head
) -> Path:
    key = digest([student.shape, _vectors(student), tokenizer_fingerprint(source), head, label_names, seed])[:24]

    def build(target: Path) -> None:
        from trials.students.recurrent import build_recurrent  # loads torch

        build_recurrent(student, source, label_names, seed, head, target)

    return workspace.build_once(workspace.initial(key), build)


def tokenizer_folder(
    student: StudentSpec, source: Path, dataset: DatasetSpec, data_fingerprint: str, workspace: Workspace
) -> Path:
    """The folder of a student's tokenizer: its source's, or for an ``rnn`` one with the words of its data.

    Raises:
        InputError, InputsChanged: The data for the words cannot be read, or changed.
    """
    if not student.architecture.has_own_words:
        return source

    def build(target: Path) -> None:
        from trials.students.recurrent import write_word_tokenizer

        write_word_tokenizer(dataset, data_fingerprint, target)

    return workspace.build_once(workspace.initial(digest(["words", data_fingerprint])[:24]), build)


def source_fingerprint(student: StudentSpec, source: Path) -> str:
    """Hash of the content that a student starts from: its source's files and its word vectors.

    Raises:
        InputError: The file of vectors does not exist.
    """
    return "+".join([model_fingerprint(source), *_vectors(student)])


def _vectors(student: StudentSpec) -> list[str]:
    return [] if student.embeddings is None else [vectors_fingerprint(student.embeddings)]
