"""Ray's nodes and starting workers, and the resource request of a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray
from ray import tune
from ray._private import state  # what has a public name asks a dashboard, which a local Ray has not
from ray.util.accelerators import accelerators

from study.config import OTHER_NODES, Resources
from study.launching.placement import TYPE_RESOURCE, Node

TYPE_LABEL, NODE_LABEL = "ray.io/accelerator-type", "ray.io/node-id"  # by which Ray labels its nodes
TYPE_RESOURCE_AMOUNT = 0.001  # of the one that each node has of its type: nobody else wants for it
KNOWN_ACCELERATORS = sorted(
    value for value in vars(accelerators).values() if isinstance(value, str) and "." not in value
)


def alive_nodes() -> list[Node]:
    """All nodes that are alive."""
    free = state.available_resources_per_node()
    return [
        Node(
            name=node["NodeManagerHostname"] or node["NodeManagerAddress"],
            resources=node["Resources"],
            free=free.get(node["NodeID"], {}),
            node_id=node["NodeID"],
            label=(node.get("Labels") or {}).get(TYPE_LABEL, ""),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def starting_workers() -> dict[str, str]:
    """Workers of this launch that are still starting: Ray's actor id -> address of the node."""
    job = ray.get_runtime_context().get_job_id()
    return {
        name: actor["Address"]["IPAddress"] or "a node to be chosen"
        for name, actor in state.actors().items()
        if actor["JobID"] == job and actor["State"] in ("DEPENDENCIES_UNREADY", "PENDING_CREATION")
    }


def resource_request(resources: Resources) -> Callable[[dict[str, Any]], tune.PlacementGroupFactory]:
    """A function from a Tune trial's configuration to the resources that it requests on a node of its kind."""

    def place(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        share, kind = resources.for_kind(config["kind"]), config["kind"]
        bundle = {"CPU": share.cpu / resources.group, "GPU": share.gpu / resources.group}
        if not resources.accelerators:
            return tune.PlacementGroupFactory([bundle])
        if kind != OTHER_NODES:
            return tune.PlacementGroupFactory([{**bundle, f"{TYPE_RESOURCE}{kind}": TYPE_RESOURCE_AMOUNT}])
        # Anywhere but on nodes of the named types, some of which may bear no label or another one
        named = [node for node in alive_nodes() if node.kind(resources) != OTHER_NODES]
        elsewhere = {TYPE_LABEL: f"!in({','.join(resources.accelerators)})"}
        if unlabelled := sorted(node.node_id for node in named if node.label not in resources.accelerators):
            elsewhere[NODE_LABEL] = f"!in({','.join(unlabelled)})"
        return tune.PlacementGroupFactory([bundle], bundle_label_selector=[elsewhere])

    return place
