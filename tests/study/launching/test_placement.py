"""Shares by kind of node: what fits, what is refused, where work goes next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from study.config.resources import OTHER_NODES, Resources, TrialResources
from study.launching.placement import Node, missing_resources, next_node_kind, placement_faults, trial_slots

MIXED = Resources.model_validate({"cpu": 1, "gpu": 1, "accelerators": {"A100": {"cpu": 2, "gpu": 0.25}, "T4": {}}})


def node(cpu: float, gpu: float, kind: str = "") -> Node:
    """A node, of a type or of none."""
    return Node("machine", {"CPU": cpu, "GPU": gpu, **({f"accelerator_type:{kind}": 1.0} if kind else {})})


def test_share_of_a_type_takes_what_it_leaves_out_from_the_study() -> None:
    assert MIXED.for_kind("A100") == TrialResources(2, 0.25)
    assert MIXED.for_kind("T4") == MIXED.for_kind(OTHER_NODES) == TrialResources(1, 1)
    assert MIXED.node_kinds == ("A100", "T4", OTHER_NODES)


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"gpu": 1.5}, ("gpu",), "only one GPU can be shared"),
        ({"accelerators": {"T4": {"gpu": 2.5}}}, ("accelerators", "T4", "gpu"), "only one GPU can be shared"),
        ({"accelerators": {"T4": {"cpu": 0}}}, ("accelerators", "T4", "cpu"), "greater than 0"),
        ({"accelerators": {"T4": {"gpus": 1}}}, ("accelerators", "T4", "gpus"), "Extra inputs"),
        ({"gpu": 1, "group": 4, "accelerators": {"T4": {}}}, ("accelerators",), "set group to 1"),
    ],
)
def test_shares_that_cannot_be(values: dict[str, Any], key: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Resources.model_validate(values)
    (error,) = caught.value.errors()
    assert error["loc"] == key
    assert message in error["msg"]


@given(st.integers(1, 64), st.integers(0, 8), st.sampled_from([0.5, 1, 2, 3.5]), st.sampled_from([0.1, 0.3, 0.4, 0.5]))
def test_fractions_of_a_gpu_lie_on_one_gpu(cpus: int, gpus: int, cpu: float, gpu: float) -> None:
    # Laid out one by one: as many as fit on each GPU, as long as there are CPUs
    placed, left = 0, float(cpus)
    for _ in range(gpus):
        room = 1.0
        while room >= gpu - 1e-9 and left >= cpu:
            room, left, placed = room - gpu, left - cpu, placed + 1
    assert TrialResources(cpu, gpu).fits({"CPU": cpus, "GPU": gpus}) == placed


def test_several_gpus_and_none() -> None:
    assert TrialResources(1, 2).fits({"CPU": 9, "GPU": 5}) == 2
    assert TrialResources(2, 0).fits({"CPU": 5}) == 2
    assert TrialResources(1, 0.5).fits({"CPU": 9}) == 0


def test_slots_by_kind() -> None:
    nodes = [node(8, 1, "A100"), node(4, 2, "T4"), node(4, 1, "V100"), node(64, 0)]
    assert trial_slots(MIXED, nodes) == {"A100": 4, "T4": 2, OTHER_NODES: 1}
    assert trial_slots(Resources(cpu=4, gpu=1, group=8), nodes) == {OTHER_NODES: 8 + 8 + 8}


def test_work_goes_to_the_first_kind_with_room() -> None:
    assert next_node_kind({"A100": 1, "T4": 3, OTHER_NODES: 0}, wait=True) == "A100"
    assert next_node_kind({"A100": 0, "T4": 3, OTHER_NODES: 0}, wait=True) == "T4"
    assert next_node_kind({"A100": 0, "T4": -1, OTHER_NODES: 0}, wait=True) is None
    # where nodes are wanted, all kinds alike
    assert next_node_kind({"A100": -2, "T4": -1, OTHER_NODES: -1}, wait=False) == "T4"


def test_share_that_no_node_holds_is_a_fault_with_the_largest_node() -> None:
    faults, notes = placement_faults(Resources(cpu=2, gpu=2), [node(64, 1), node(8, 1), node(96, 0)], "study.yaml")
    assert notes == []
    assert [str(fault) for fault in faults] == [
        "study.yaml: resources = '2 CPUs and 2 GPUs': one trial fits on no node: the largest has 64 CPUs and 1 GPU"
    ]
    (fault,), _ = placement_faults(Resources(cpu=2), [], "study.yaml")
    assert "one trial fits on no node: there is no such node" in str(fault)


def test_type_that_the_cluster_lacks_is_noted_with_the_nearest_one() -> None:
    resources = Resources.model_validate({"gpu": 1, "accelerators": {"A10": {"gpu": 0.5}, "T4": {}}})
    faults, notes = placement_faults(resources, [node(4, 1, "A10G"), node(4, 1, "T4")], "study.yaml")
    assert faults == []
    assert [(note.key, note.message) for note in notes] == [
        ("resources.accelerators.A10", "no node has this type; did you mean 'A10G'? known: A10G, T4")
    ]
    # without any node that is left it is a fault, and Ray's own names are shown
    faults, notes = placement_faults(resources, [node(4, 0)], "study.yaml", ["A10G", "T4"])
    assert [fault.key for fault in faults] == ["resources", "resources.accelerators.A10", "resources.accelerators.T4"]
    assert notes == []


def test_type_whose_nodes_are_too_small_is_a_fault_though_others_are_left() -> None:
    resources = Resources.model_validate({"accelerators": {"T4": {"cpu": 2, "gpu": 2}}})
    (fault,), notes = placement_faults(resources, [node(8, 1, "T4"), node(4, 0)], "study.yaml")
    assert (fault.key, notes) == ("resources.accelerators.T4", [])
    assert "one trial fits on no node of this type: the largest has 8 CPUs and 1 GPU" in fault.message


def test_what_a_machine_lacks() -> None:
    assert list(missing_resources(MIXED, 2, 1)) == []
    assert list(missing_resources(MIXED, 1, 1)) == [
        "resources.accelerators.A100: one trial needs 2 CPUs and 0.25 GPUs, but this machine has 1 CPU and 1 GPU; "
        "launch it on a cluster"
    ]
    assert [line.split(":")[0] for line in missing_resources(MIXED, 8, 0)] == [
        "resources.accelerators.A100",
        "resources.accelerators.T4",
        "resources",
    ]
