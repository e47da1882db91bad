"""How large data are taken to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from study.config.study_file import load_study
from study.planning.model_sizes import DatasetSize
from study.planning.study_plan import PlannedSeconds, planned_seconds
from trials.specs.dataset import DatasetSpec
from trials.tasks.registry import task_of

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


def test_response_times_are_planned_with_the_padding_of_their_forward_and_count(
    tiny_study: Callable[..., Path],
) -> None:
    def planned(forward: str, batch_size: int) -> PlannedSeconds:
        found = planned_seconds(load_study(tiny_study(speed={"forward": forward, "batch_size": batch_size})))
        assert found is not None
        return found

    single, padded, packed = planned("transformers", 1), planned("transformers", 32), planned("kdstudy", 32)
    assert packed.speeds == single.speeds
    assert all(padded.speeds[pair] > seconds > 0 for pair, seconds in packed.speeds.items())
    study = load_study(tiny_study(speed={}))
    more = padded.total_seconds(study) - packed.total_seconds(study)
    assert more == pytest.approx(sum(padded.speeds.values()) - sum(packed.speeds.values()))
