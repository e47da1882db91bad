"""Stages as data: which layers, in which order, until when."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.configuration import ClassificationLoss, Projection, Schedule
from search_spaces.space import load_space
from trials.training.schedules import Stage, StageProgress, training_stages

PAIRS = ((1, 2), (2, 4), (3, 6))
DEFAULT = load_space("internal").default()


def configuration(**changes):
    return replace(DEFAULT, **{"attention_weight": 1.0, "layer_epochs": 2, **changes}).canonical()


def test_one_stage_without_layers_and_with_all_at_once():
    assert training_stages(DEFAULT.canonical(), PAIRS) == (Stage(),)
    assert training_stages(configuration(), PAIRS) == (Stage(PAIRS),)


@pytest.mark.parametrize("when", ClassificationLoss)
@pytest.mark.parametrize("schedule", [Schedule.PROGRESSIVE, Schedule.STACKED])
def test_layers_come_from_the_bottom_up_and_labels_last(schedule, when):
    found = training_stages(configuration(schedule=schedule, classification_loss=when, cosine_threshold=0.5), PAIRS)
    compared = [stage.pairs for stage in found]
    if schedule is Schedule.PROGRESSIVE:
        assert compared == [PAIRS[:1], PAIRS[1:2], PAIRS[2:], ()]
    else:
        assert compared == [PAIRS[:1], PAIRS[:2], PAIRS, ()]
    throughout = when is ClassificationLoss.THROUGHOUT
    assert [stage.soft and stage.hard for stage in found] == [throughout] * 3 + [True]
    assert [(stage.epochs, stage.cosine_threshold) for stage in found] == [(2, 0.5)] * 3 + [(None, 0)]


@given(st.lists(st.floats(0, 2), max_size=12), st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0]))
def test_stages_end_by_epochs_or_threshold_whichever_comes_first(sums, epochs, threshold):
    changes = {"schedule": Schedule.STACKED, "layer_epochs": epochs, "cosine_threshold": threshold}
    progress = StageProgress(training_stages(configuration(**changes), PAIRS))
    position, spent = 0, 0
    for cosine_sum in sums:
        progress.cosine_sum = cosine_sum
        progress.end_epoch()
        spent += 1
        if position < 3 and (cosine_sum < threshold or spent >= epochs):  # algorithm 1, line 24
            position, spent = position + 1, 0
        assert (progress.position, progress.last) == (position, position == 3)
        assert position == 3 or progress.cosine_sum == 0


def test_maps_are_learned_from_the_bottom_up_however_they_are_written():
    changes = {"layer_map": ((3, 6), (1, 2), (1, 4)), "schedule": Schedule.PROGRESSIVE}
    own = configuration(**changes)
    found = training_stages(own, own.layer_map)
    assert [stage.pairs for stage in found] == [((1, 2), (1, 4)), ((3, 6),), ()]
    assert own == configuration(**{**changes, "layer_map": ((1, 4), (1, 2), (3, 6))})


def test_settings_that_decide_nothing_make_no_other_configuration():
    one_epoch = configuration(schedule=Schedule.STACKED, layer_epochs=1)
    assert configuration(schedule=Schedule.STACKED, layer_epochs=1, cosine_threshold=0.5) == one_epoch
    # states decide when stages end, so that their projection counts
    watched = configuration(schedule=Schedule.STACKED, cosine_threshold=0.5, projection=Projection.LEADING)
    assert watched.projection is Projection.LEADING
    assert configuration(projection=Projection.LEADING).projection is Projection.LEARNED


def test_progress_goes_on_where_another_was():
    stages = training_stages(configuration(schedule=Schedule.PROGRESSIVE), PAIRS)
    first, second = StageProgress(stages), StageProgress(stages)
    for _ in range(3):
        first.end_epoch()
    second.load_state(first.state())
    assert (second.position, second.epochs) == (first.position, first.epochs) == (1, 1)


def test_stages_in_words():
    found = training_stages(configuration(schedule=Schedule.STACKED, cosine_threshold=0.5, cosine_weight=1.0), PAIRS)
    assert [str(stage) for stage in found[1:]] == [
        "layers 1-2, 2-4 and labels: 2 epochs at most, or until its cosine term is below 0.5",
        "layers 1-2, 2-4, 3-6 and labels: 2 epochs at most, or until its cosine term is below 0.5",
        "labels",
    ]
