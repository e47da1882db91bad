"""Students, by architecture: how each is made from its specification, before its training."""

from __future__ import annotations

from pathlib import Path

from search_spaces.configuration import digest
from trials.families import Head
from trials.models import model_fingerprint
from trials.spec import StudentSpec
from trials.workspace import Workspace, build_once


def initial_student(
    student: StudentSpec,
    source: Path,
    label_names: tuple[str, ...],
    seed: int,
    workspace: Workspace,
    head: Head = Head.SEQUENCE,
) -> Path:
    """The folder of a student as it is before training, from the cache or made now; equal arguments, equal weights.

    Args:
        student: What to make.
        source: Folder of the pretrained model that it starts from.
        label_names: Labels in the order of the model's outputs.
        seed: Seed of the weights that the source does not have.
        workspace: The study's directory.
        head: What it puts out.

    Raises:
        InputError: The source cannot give such a student.
    """
    key = digest([student.shape, model_fingerprint(source), head, label_names, seed])[:24]

    def build(target: Path) -> None:
        from trials.students.encoder import build_encoder  # loads transformers: only where the cache lacks it
        from trials.students.encoder_decoder import build_encoder_decoder

        if head is Head.SEQ2SEQ:
            build_encoder_decoder(student, source, seed).save_pretrained(target)
            return
        build_encoder(student, source, label_names, seed, head).save_pretrained(target)

    return build_once(workspace.initial(key), build)
