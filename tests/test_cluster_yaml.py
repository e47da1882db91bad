"""cluster.yaml and its siblings as Ray itself reads them: what can be checked without an account or a network."""

import copy
import re
import tomllib
from functools import partial, reduce
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml
from kubernetes.client.models import V1PodTemplateSpec
from pydantic import BaseModel, ConfigDict
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler._private.resource_demand_scheduler import _default_utilization_scorer, get_nodes_for
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
INSTALLED_FOLDERS = {each.rstrip("*") for each in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
ENVIRONMENT_OF_RAY_START = {"RAY_worker_niceness": "0", "RAY_AUTH_MODE": "token"}
AWS, GCP, ON_PREMISES = "cluster.yaml", "docs/clusters/gcp.yaml", "docs/clusters/onprem.yaml"
TOKEN = "~/.ray/auth_token"  # where Ray looks for it


def read_cluster_file(name: str = AWS) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=[AWS, GCP, ON_PREMISES])
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A file with Ray's defaults filled in, validated by Ray."""
    prepared = prepare_config(read_cluster_file(request.param))
    validate_config(prepared)
    return prepared


clouds = pytest.mark.parametrize("cluster", [AWS, GCP], indirect=True)


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


@clouds
def test_cluster_yaml_head_takes_no_trials(cluster):
    head = cluster["available_node_types"][cluster["head_node_type"]]
    # Nothing to give away, and never more than the one head.
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert head["max_workers"] == 0
    # The driver lives there: AWS must not take it back.
    assert not is_spot(head)


@clouds
def test_cluster_yaml_on_demand_workers_stand_in_for_spot_workers(cluster):
    node_types = cluster["available_node_types"]
    spot, on_demand = node_types["worker-spot"], node_types["worker-on-demand"]
    assert is_spot(spot)
    assert not is_spot(on_demand)
    # Equal resources: a trial that fits one fits the other.
    assert spot["resources"] == on_demand["resources"]
    # One worker stays, however scarce spot nodes are.
    assert on_demand["min_workers"] >= 1
    # Both at their floor and spot at its limit still fit under the global limit.
    assert spot["max_workers"] + on_demand["min_workers"] <= cluster["max_workers"]


def is_spot(node_type: dict[str, Any]) -> bool:
    config = node_type["node_config"]
    aws, gcp = config.get("InstanceMarketOptions", {}), config.get("scheduling", {})
    return aws == {"MarketType": "spot"} or gcp.get("provisioningModel") == "SPOT"


@clouds
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
    exported = re.findall(r"export ([^;]*);", before_start)
    assert dict(re.findall(r"(\w+)=(\w+)", " ".join(exported))) == ENVIRONMENT_OF_RAY_START


def test_cluster_yaml_gives_every_node_the_token_and_nobody_else(cluster):
    assert cluster["file_mounts"][TOKEN] == TOKEN
    assert f"chmod 600 {TOKEN}" in cluster["setup_commands"]
    # The dashboard, which takes jobs, is reached by a forwarded port alone.
    assert any("--dashboard-host=127.0.0.1" in command for command in cluster["head_start_ray_commands"])


def test_on_premises_head_takes_no_trials():
    (start,) = (
        command for command in read_cluster_file(ON_PREMISES)["head_start_ray_commands"] if "ray start" in command
    )
    assert "--num-cpus=0 --num-gpus=0" in start


def test_cluster_yaml_copies_all_that_an_installation_needs(cluster):
    mounted = {Path(local).name for local in cluster["file_mounts"].values() if local != TOKEN}
    assert mounted == INSTALLED_FOLDERS | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    # Nodes get the same versions as everybody.
    assert any("-c ~/kdstudy/constraints.txt" in command for command in cluster["setup_commands"])


@clouds
def test_cluster_yaml_mounts_shared_storage_on_every_node(cluster):
    # Initialization commands run on the head and on the workers, unless a node type has its own.
    assert any(re.search(r"mount -t nfs4? .*:/(shared)? /shared$", line) for line in cluster["initialization_commands"])
    assert not any("initialization_commands" in node_type for node_type in cluster["available_node_types"].values())


@pytest.mark.parametrize("name", [GCP, ON_PREMISES])
def test_siblings_install_and_start_as_cluster_yaml(name):
    ours, other = read_cluster_file(AWS), read_cluster_file(name)
    for key in ("file_mounts", "rsync_exclude", "setup_commands", "head_setup_commands", "worker_start_ray_commands"):
        assert other[key] == ours[key]


# Kubernetes. The schema of what we use of KubeRay's own fields (its types for ray.io/v1, as of 1.5.1), whose pod
# templates are Kubernetes' own.


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class AutoscalerOptions(Fields):
    idleTimeoutSeconds: int


class AuthOptions(Fields):
    mode: Literal["disabled", "token"]


class HeadGroup(Fields):
    rayStartParams: dict[str, str]
    template: dict[str, Any]


class WorkerGroup(HeadGroup):
    groupName: str
    replicas: int
    minReplicas: int
    maxReplicas: int


class RayCluster(Fields):
    rayVersion: str
    enableInTreeAutoscaling: bool
    autoscalerOptions: AutoscalerOptions
    authOptions: AuthOptions
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup]


class RayJobSpec(Fields):
    entrypoint: str
    shutdownAfterJobFinishes: bool
    rayClusterSpec: RayCluster


def check_rayjob(job: dict[str, Any]) -> RayJobSpec:
    """A job's fields.

    Raises:
        ValueError: A field is unknown or of a wrong type.
    """
    spec = RayJobSpec.model_validate(job["spec"])
    for group in (spec.rayClusterSpec.headGroupSpec, *spec.rayClusterSpec.workerGroupSpecs):
        known = V1PodTemplateSpec.model_validate(group.template, strict=True)
        if known.model_dump(by_alias=True, exclude_none=True) != group.template:
            raise ValueError("the pod template has fields that Kubernetes does not know")
    return spec


@pytest.fixture
def job() -> dict[str, Any]:
    return read_cluster_file("docs/clusters/rayjob.yaml")


def test_rayjob_has_only_known_fields(job):
    assert (job["apiVersion"], job["kind"], job["metadata"]) == ("ray.io/v1", "RayJob", {"name": "kdstudy"})
    cluster = check_rayjob(job).rayClusterSpec
    for group in (cluster.headGroupSpec, *cluster.workerGroupSpecs):
        (container,) = group.template["spec"]["containers"]
        assert {"name": "RAY_worker_niceness", "value": "0"} in container["env"]
        mounts, volumes = container["volumeMounts"], group.template["spec"]["volumes"]
        assert [mount["name"] for mount in mounts] == [volume["name"] for volume in volumes]
    assert cluster.authOptions.mode == "token"
    assert cluster.rayVersion == version_of("ray")


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        (("rayClusterSpec",), "rayversion", "2.60.0"),
        (("rayClusterSpec", "authOptions"), "mode", "tokens"),
        (("rayClusterSpec", "workerGroupSpecs", 0), "maxReplicas", "8"),
        (("rayClusterSpec", "headGroupSpec", "rayStartParams"), "num-cpus", 0),
        (("rayClusterSpec", "headGroupSpec", "template", "spec"), "container", []),
        (("rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0), "volumeMount", []),
        (("rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0, "env", 0), "value", 0),
        (("rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0, "resources"), "limits", ["4"]),
    ],
)
def test_mistakes_in_a_rayjob_are_found(job, where, key, value):
    reduce(lambda part, name: part[name], where, job["spec"])[key] = value
    with pytest.raises(ValueError, match=r"pod template|validation error"):
        check_rayjob(job)


def test_rayjob_is_a_cluster_to_rays_autoscaler(job):
    read = _derive_autoscaling_config_from_ray_cr(
        {"metadata": {"name": "kdstudy", "namespace": "default"}, "spec": job["spec"]["rayClusterSpec"]}
    )  # what the autoscaler's container does, validation included
    head, gpu = read["available_node_types"]["headgroup"], read["available_node_types"]["gpu"]
    assert (head["resources"]["CPU"], head["resources"]["GPU"]) == (0, 0)
    assert (gpu["resources"]["CPU"], gpu["resources"]["GPU"], gpu["max_workers"]) == (4, 1, 8)
    assert f"--workers {gpu['max_workers']} " in job["spec"]["entrypoint"]


def test_containerfile_copies_all_that_an_installation_needs():
    text = (ROOT / "docs" / "clusters" / "Containerfile").read_text()
    copied = {name for line in re.findall(r"^COPY --\S+ (.*) \S+$", text, re.MULTILINE) for name in line.split()}
    assert copied == INSTALLED_FOLDERS | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    # The base image brings the Ray that constraints.txt pins
    assert re.search(r"^FROM rayproject/ray:([\d.]+)-", text, re.MULTILINE)[1] == version_of("ray")
    assert dict(re.findall(r"(RAY_\w+)=(\w+)", text)) == ENVIRONMENT_OF_RAY_START


def version_of(package: str) -> str:
    return re.search(rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
