"""cluster.yaml as Ray itself reads it: everything that can be checked without an account or a network."""

import copy
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.resource_demand_scheduler import _default_utilization_scorer, get_nodes_for
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
ENVIRONMENT_OF_RAY_START = {"RAY_worker_niceness": "0"}


def read_cluster_file() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture
def cluster() -> dict[str, Any]:
    """The file with Ray's defaults filled in, validated by Ray."""
    prepared = prepare_config(read_cluster_file())
    validate_config(prepared)
    return prepared


def break_key(config: dict[str, Any]) -> None:
    config["max_wokers"] = config.pop("max_workers")


def break_resource(config: dict[str, Any]) -> None:
    config["available_node_types"]["worker-spot"]["resources"] = {"GPU": "one"}


def break_head(config: dict[str, Any]) -> None:
    config["head_node_type"] = "haed"


def break_limits(config: dict[str, Any]) -> None:
    config["available_node_types"]["worker-on-demand"]["min_workers"] = config["max_workers"] + 1


@pytest.mark.parametrize("break_it", [break_key, break_resource, break_head, break_limits])
def test_cluster_yaml_broken_on_purpose_is_refused(break_it):
    config = copy.deepcopy(read_cluster_file())
    break_it(config)
    with pytest.raises((jsonschema.ValidationError, ValueError)):
        validate_config(prepare_config(config))


def test_cluster_yaml_head_takes_no_trials(cluster):
    head = cluster["available_node_types"][cluster["head_node_type"]]
    # Nothing to give away, and never more than the one head.
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert head["max_workers"] == 0
    # The driver lives there: AWS must not take it back.
    assert "InstanceMarketOptions" not in head["node_config"]


def test_cluster_yaml_on_demand_workers_stand_in_for_spot_workers(cluster):
    node_types = cluster["available_node_types"]
    spot, on_demand = node_types["worker-spot"], node_types["worker-on-demand"]
    assert spot["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in on_demand["node_config"]
    # Equal resources: a trial that fits one fits the other.
    assert spot["resources"] == on_demand["resources"]
    # One worker stays, however scarce spot nodes are.
    assert on_demand["min_workers"] >= 1
    # Both at their floor and spot at its limit still fit under the global limit.
    assert spot["max_workers"] + on_demand["min_workers"] <= cluster["max_workers"]


@pytest.mark.parametrize(("spot_running", "expected"), [(0, "worker-spot"), (8, "worker-on-demand")])
def test_cluster_yaml_ray_starts_spot_workers_first(cluster, spot_running, expected):
    nodes, unmet = get_nodes_for(
        cluster["available_node_types"],
        existing_nodes={"head": 1, "worker-on-demand": 1, "worker-spot": spot_running},
        head_node_type=cluster["head_node_type"],
        max_to_add=3,
        resources=[{"CPU": 1, "GPU": 1}] * 3,
        utilization_scorer=partial(_default_utilization_scorer, node_availability_summary=None),
    )
    assert nodes == {expected: 3}
    assert unmet == []


@pytest.mark.parametrize("node", ["head", "worker"])
def test_cluster_yaml_sets_the_environment_in_the_shell_that_starts_ray(cluster, node):
    starts = [command for command in cluster[f"{node}_start_ray_commands"] if "ray start" in command]
    assert len(starts) == 1
    # Ray runs each command in a shell of its own: an export in another command, or after `ray start`, has no effect.
    before_start = starts[0].partition("ray start")[0]
    assert dict(re.findall(r"export (\w+)=(\w+)", before_start)) == ENVIRONMENT_OF_RAY_START


def test_cluster_yaml_copies_all_that_an_installation_needs(cluster):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    folders = {package.partition(".")[0] for package in project["tool"]["setuptools"]["packages"]}
    mounted = {Path(local).name for local in cluster["file_mounts"].values()}
    assert mounted == folders | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    # Nodes get the same versions as everybody.
    assert any("-c ~/kdstudy/constraints.txt" in command for command in cluster["setup_commands"])


def test_cluster_yaml_mounts_shared_storage_on_every_node(cluster):
    # Initialization commands run on the head and on the workers, unless a node type has its own.
    assert any(re.search(r"mount -t nfs4 .*:/ /shared$", command) for command in cluster["initialization_commands"])
    assert not any("initialization_commands" in node_type for node_type in cluster["available_node_types"].values())
