"""How many trials fit on the nodes of a cluster, and which kind of node the next one goes to. Without torch and Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from search_spaces import Fault, nearest
from study.config import OTHER_NODES, Resources, resource_text

TYPE_RESOURCE = "accelerator_type:"  # how Ray begins the resource that a node of a type has


@dataclass(frozen=True)
class Node:
    """A live node.

    Attributes:
        name: Its host name or address.
        resources: Its total resources, by Ray's names.
        free: Its unreserved resources.
        node_id: Its id in Ray.
        label: The accelerator type in its Ray label; empty for none.
    """

    name: str
    resources: Mapping[str, float]
    free: Mapping[str, float] = field(default_factory=dict)
    node_id: str = ""
    label: str = ""

    def kind(self, resources: Resources) -> str:
        """The first accelerator type of the study file that it has, or `OTHER_NODES`."""
        return next(
            (name for name in resources.accelerators if f"{TYPE_RESOURCE}{name}" in self.resources), OTHER_NODES
        )


def trial_slots(resources: Resources, nodes: Iterable[Node]) -> dict[str, int]:
    """Number of trials that fit at a time, for each kind of node."""
    found = dict.fromkeys(resources.node_kinds, 0)
    for node in nodes:
        kind = node.kind(resources)
        found[kind] += resources.for_kind(kind).fits(node.resources) * resources.group
    return found


def next_node_kind(free: Mapping[str, int], *, wait: bool) -> str | None:
    """The kind of node that the next piece of work goes to: the first kind with a free slot.

    Args:
        free: Slots minus work in flight, by kind, in the order of preference.
        wait: If no slot is free, return None instead of the kind with the shortest queue.
    """
    with_room = next((kind for kind, number in free.items() if number > 0), None)
    return with_room if with_room is not None or wait else max(free, key=lambda kind: free[kind])


def describe_largest_node(nodes: Sequence[Node], *, gpu: bool) -> str:
    """The resources of the largest node, by GPUs or by CPUs, as text."""
    if not nodes:
        return "there is no such node"
    first, second = ("GPU", "CPU") if gpu else ("CPU", "GPU")
    best = max(nodes, key=lambda node: (node.resources.get(first, 0), node.resources.get(second, 0)))
    return f"the largest has {resource_text(best.resources.get('CPU', 0), best.resources.get('GPU', 0))}"


def placement_faults(
    resources: Resources, nodes: Sequence[Node], where: object, known: Iterable[str] = ()
) -> tuple[list[Fault], list[Fault]]:
    """Faults, if trials fit on no node, and notes on accelerator types without a node, if trials fit elsewhere.

    Args:
        resources: The study's.
        nodes: All nodes that are alive.
        where: The study file.
        known: Accelerator types that Ray knows.
    """
    room = trial_slots(resources, nodes)
    types = {
        name.removeprefix(TYPE_RESOURCE) for node in nodes for name in node.resources if name.startswith(TYPE_RESOURCE)
    }
    faults, absent = [], []
    for kind in resources.accelerators:
        of_kind, share = [node for node in nodes if node.kind(resources) == kind], resources.for_kind(kind)
        key = f"resources.accelerators.{kind}"
        if not of_kind:
            message = f"no node has this type; {nearest(kind, types or known)}"
            absent.append(Fault(str(where), key, str(share), message))
        elif not room[kind]:
            message = f"one trial fits on no node of this type: {describe_largest_node(of_kind, gpu=share.gpu > 0)}"
            faults.append(Fault(str(where), key, str(share), message))
    if any(room.values()):
        return faults, absent
    message = f"one trial fits on no node: {describe_largest_node(nodes, gpu=resources.gpu > 0)}"
    return [Fault(str(where), "resources", str(resources.for_kind(OTHER_NODES)), message), *absent, *faults], []


def missing_resources(resources: Resources, cpus: float, gpus: float) -> Iterator[str]:
    """Resources of one trial that this machine does not have, one message for each kind of node."""
    here = {"CPU": cpus, "GPU": gpus}
    for kind in resources.node_kinds:
        share = resources.for_kind(kind)
        if not share.fits(here):
            key = f"resources.accelerators.{kind}" if kind else "resources"
            held = resource_text(cpus, gpus)
            yield f"{key}: one trial needs {share}, but this machine has {held}; launch it on a cluster"
