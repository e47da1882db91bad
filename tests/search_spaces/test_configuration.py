"""Configurations: what is merged, what is not, and their names."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.configuration import Configuration, Distance, StudentTemperature, TeacherCheckpoint, digest

CE, MSE = Distance.CE, Distance.MSE
HIGHEST, LOWEST = TeacherCheckpoint
EQUAL, ONE = StudentTemperature

DEFAULT = Configuration(CE, HIGHEST, EQUAL, 1.0, 4.0, 1e-4)

configurations = st.builds(
    Configuration,
    distance=st.sampled_from(Distance),
    teacher_checkpoint=st.sampled_from(TeacherCheckpoint),
    student_temperature=st.sampled_from(StudentTemperature),
    soft_label_weight=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    temperature=st.sampled_from([1.0, 1.5, 2.0, 64.0]),
    learning_rate=st.sampled_from([1e-5, 3e-5]),
)


def meaning(c: Configuration, one_checkpoint: bool) -> tuple[object, ...]:
    """What the loss reads, written down independently: learning rate, weight, then the teacher's term."""
    if c.soft_label_weight == 0:
        return (c.learning_rate, 0.0)
    teacher = "only" if one_checkpoint else c.teacher_checkpoint
    student = c.temperature if c.student_temperature == "equal" else 1.0
    # MSE with ts = tt = t: t^2 mean((z_s / t - z_t / t)^2) = mean((z_s - z_t)^2)
    free = c.distance in ("logits", "hard") or (c.distance == "mse" and student == c.temperature)
    temperatures = (1.0, 1.0) if free else (c.temperature, student)
    return (c.learning_rate, c.soft_label_weight, teacher, c.distance, *temperatures)


@given(configurations, st.booleans())
def test_canonical_is_idempotent(configuration: Configuration, one_checkpoint: bool) -> None:
    once = configuration.canonical(one_checkpoint=one_checkpoint)
    assert once.canonical(one_checkpoint=one_checkpoint) == once
    assert once.canonical() == once  # so that a trial's specification takes it


@given(configurations, configurations, st.booleans())
def test_canonical_merges_exactly_what_means_the_same(a: Configuration, b: Configuration, one: bool) -> None:
    merged = a.canonical(one_checkpoint=one) == b.canonical(one_checkpoint=one)
    assert merged == (meaning(a, one) == meaning(b, one))


@given(configurations)
def test_canonical_keeps_weight_and_learning_rate(configuration: Configuration) -> None:
    same = configuration.canonical()
    assert (same.soft_label_weight, same.learning_rate) == (
        configuration.soft_label_weight,
        configuration.learning_rate,
    )


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        # MSE with equal temperatures does not depend on them
        (replace(DEFAULT, distance=MSE), replace(DEFAULT, distance=MSE, temperature=1.0)),
        # at temperature 1 both student temperatures are 1
        (replace(DEFAULT, student_temperature=ONE, temperature=1.0), replace(DEFAULT, temperature=1.0)),
        # so that MSE with student temperature 1 at temperature 1 is MSE with equal ones
        (
            replace(DEFAULT, distance=MSE, student_temperature=ONE, temperature=1.0),
            replace(DEFAULT, distance=MSE, temperature=1.0),
        ),
        # without the teacher's term all of its settings are void
        (
            Configuration(MSE, LOWEST, ONE, 0.0, 8.0, 1e-4),
            Configuration(CE, HIGHEST, EQUAL, 0.0, 1.0, 1e-4),
        ),
        # and these stay as they are
        (DEFAULT, DEFAULT),
        (
            replace(DEFAULT, distance=MSE, student_temperature=ONE),
            replace(DEFAULT, distance=MSE, student_temperature=ONE),
        ),
        (replace(DEFAULT, teacher_checkpoint=LOWEST), replace(DEFAULT, teacher_checkpoint=LOWEST)),
    ],
)
def test_canonical_of_each_rule(configuration: Configuration, expected: Configuration) -> None:
    assert configuration.canonical() == expected


def test_canonical_of_one_checkpoint_is_the_highest_score() -> None:
    lowest = replace(DEFAULT, teacher_checkpoint=LOWEST)
    assert lowest.canonical(one_checkpoint=True) == DEFAULT
    assert lowest.canonical(one_checkpoint=False) == lowest


def test_config_id_is_stable() -> None:
    # a change of this name would make every ledger run again
    assert DEFAULT.config_id == "60981ce326cd"
    assert len(DEFAULT.config_id) == 12


def test_config_id_differs_wherever_a_field_does() -> None:
    grid = list(
        itertools.product(Distance, TeacherCheckpoint, StudentTemperature, [0.1, 1.0], [1.0, 2.0], [1e-5, 1e-4])
    )
    assert len({Configuration(*values).config_id for values in grid}) == len(grid) == 128


def test_config_id_sees_the_number_and_not_its_type() -> None:
    parsed = Configuration.from_dict({**DEFAULT.as_dict(), "temperature": 4, "soft_label_weight": 1})
    assert parsed.config_id == DEFAULT.config_id


@given(configurations)
def test_dict_roundtrip_through_json(configuration: Configuration) -> None:
    back = Configuration.from_dict(json.loads(json.dumps(configuration.as_dict())))
    assert back == configuration
    assert back.config_id == configuration.config_id


def test_from_dict_refuses_an_unknown_choice() -> None:
    with pytest.raises(ValueError, match="cosine"):
        Configuration.from_dict({**DEFAULT.as_dict(), "distance": "cosine"})


def test_weights_sum_to_one() -> None:
    # A, eq. 1: (1 - alpha) L1 + alpha L2
    configuration = replace(DEFAULT, soft_label_weight=0.25)
    assert configuration.hard_label_weight == 0.75


def test_student_temperature_value() -> None:
    assert DEFAULT.student_temperature_value == 4.0
    assert replace(DEFAULT, student_temperature=ONE).student_temperature_value == 1.0


def test_digest_ignores_the_order_of_keys_and_refuses_nan() -> None:
    assert digest({"a": 1, "b": 2.5}) == digest({"b": 2.5, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))
