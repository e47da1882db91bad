"""How large data are taken to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from study.sizes import DatasetSize
from trials.spec import DatasetSpec
from trials.tasks import task_of

NEWS = DatasetSpec(name="news", task="classification", path="/nowhere")
SIZE = DatasetSize(task_of(NEWS), rows=4, labels=2, characters=(9, 45, 9, 90))  # of 4, 12, 4 and 22 tokens


@pytest.mark.parametrize(
    ("max_length", "batch_size", "tokens"),
    [
        (64, 2, (2 * 12 + 2 * 22) / 4),
        (64, 3, (3 * 12 + 22) / 4),
        (64, 9, 22),
        (16, 2, (2 * 12 + 2 * 16) / 4),
        (64, 1, SIZE.row_tokens(64)),
        (5, 1, (4 + 5 + 4 + 5) / 4),
    ],
)
def test_padded_rows_are_as_long_as_their_batch(max_length: int, batch_size: int, tokens: float) -> None:
    assert SIZE.padded_row_tokens(max_length, batch_size) == tokens


def test_windows_of_long_texts_are_no_longer_than_may_be() -> None:
    answers = DatasetSpec(name="answers", task="question_answering", path="/nowhere")
    long = replace(SIZE, task=task_of(answers))
    assert long.row_tokens(16) == (4 + 12 + 4 + 22) / 4
    assert long.padded_row_tokens(16, 2) == (2 * 12 + 2 * 16) / 4


def test_rows_of_unknown_texts_are_as_long_as_may_be() -> None:
    assert replace(SIZE, characters=None).padded_row_tokens(64, 3) == 64
