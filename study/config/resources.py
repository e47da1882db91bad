"""The resources of a trial, as a study file gives them. Without torch and Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field, ValidationInfo, field_validator

from trials.specs import FrozenSpec

OTHER_NODES = ""  # the kind of all nodes without an accelerator type that the study file names


class ResourceShare(FrozenSpec):
    """Resources of one trial on nodes of one accelerator type.

    Attributes:
        cpu: CPU cores; also the number of torch threads. None: as on other nodes.
        gpu: GPUs; a fraction shares one. None: as on other nodes.
    """

    cpu: float | None = Field(None, gt=0)
    gpu: float | None = Field(None, ge=0)

    @field_validator("gpu")
    @classmethod
    def _several_are_whole(cls, gpu: float | None) -> float | None:
        if gpu is not None and gpu > 1 and gpu % 1:
            raise ValueError("must be a whole number above 1: only one GPU can be shared")
        return gpu


class Resources(ResourceShare):
    """Resources of one trial, or of the trials of one group together.

    Attributes:
        cpu: CPU cores; also the number of torch threads.
        gpu: GPUs; a fraction shares one.
        group: Maximum number of trials that are trained together: same data, student, teacher checkpoint and seed.
            More than one need a whole GPU; without a GPU, as in tests, all groups of a node share one process.
        accelerators: Resources of one trial on nodes with an accelerator type, by the type's name in Ray;
            a trial goes to the first type with room, and to other nodes if there is none.
    """

    cpu: float = Field(1, gt=0)
    gpu: float = Field(0, ge=0)
    group: int = Field(1, gt=0)
    accelerators: Mapping[str, ResourceShare] = Field({})

    @field_validator("group")
    @classmethod
    def _of_one_gpu(cls, group: int, info: ValidationInfo) -> int:
        if group > 1 and info.data.get("gpu", 1) not in (0, 1):
            raise ValueError(f"a group shares one whole GPU: set gpu to 1, not {info.data['gpu']:g}, or group to 1")
        return group

    @field_validator("accelerators")
    @classmethod
    def _without_groups(
        cls, accelerators: Mapping[str, ResourceShare], info: ValidationInfo
    ) -> Mapping[str, ResourceShare]:
        if accelerators and info.data.get("group", 1) > 1:
            raise ValueError("groups use the same share on all nodes: leave it out, or set group to 1")
        return accelerators

    @property
    def node_kinds(self) -> tuple[str, ...]:
        """The accelerator types of the study file, in its order, and `OTHER_NODES`."""
        return *self.accelerators, OTHER_NODES

    def for_kind(self, kind: str) -> TrialResources:
        """Resources of one trial, or of a group, on nodes of a kind."""
        share = self.accelerators.get(kind, self)
        return TrialResources(
            self.cpu if share.cpu is None else share.cpu,
            self.gpu if share.gpu is None else share.gpu,
        )


@dataclass(frozen=True)
class TrialResources:
    """CPU cores and GPUs."""

    cpu: float
    gpu: float

    def __str__(self) -> str:
        return resource_text(self.cpu, self.gpu)

    def fits(self, resources: Mapping[str, float]) -> int:
        """How many times it fits into a node's resources; a fraction of a GPU lies on one GPU."""
        cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        times = _times(cpus, self.cpu)
        if self.gpu == 0:
            return times
        return min(times, _times(gpus, self.gpu) if self.gpu >= 1 else int(gpus) * _times(1, self.gpu))


def resource_text(cpus: float, gpus: float) -> str:
    """CPUs and GPUs in words: ``2 CPUs and 1 GPU``."""
    return f"{cpus:g} CPU{'s' * (cpus != 1)} and {gpus:g} GPU{'s' * (gpus != 1)}"


def _times(whole: float, part: float) -> int:
    return int(whole / part + 1e-9)
