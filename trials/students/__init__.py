"""Students, by architecture: how each is built from its specification."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from trials.spec import StudentSpec
from trials.students.truncated import build_truncated

STUDENTS = {"truncated": build_truncated}


def build_student(student: StudentSpec, source: Path, label_names: tuple[str, ...], seed: int) -> PreTrainedModel:
    """A new student; equal arguments give equal weights.

    Args:
        student: What to build.
        source: Folder of the pretrained model that it starts from.
        label_names: Labels in the order of the model's outputs.
        seed: Seed of the weights that the source does not have.
    """
    return STUDENTS["truncated"](student, source, label_names, seed)
