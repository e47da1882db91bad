"""What a trial occupies, what nodes hold, and where work goes next. Pure: no torch, no ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import Field, ValidationInfo, field_validator

from search_spaces.faults import Fault, nearest
from trials.spec import Part

TYPE = "accelerator_type:"  # how Ray begins the resource that a node of a type has
OTHERS = ""  # the kind of all nodes whose type the study file does not name


class Share(Part):
    """What one trial occupies on nodes of one type.

    Attributes:
        cpu: CPU cores; also the number of torch threads. None: as elsewhere.
        gpu: GPUs; a fraction shares one. None: as elsewhere.
    """

    cpu: float | None = Field(None, gt=0)
    gpu: float | None = Field(None, ge=0)

    @field_validator("gpu")
    @classmethod
    def _several_are_whole(cls, gpu: float | None) -> float | None:
        if gpu is not None and gpu > 1 and gpu % 1:
            raise ValueError("only one GPU can be shared: several are a whole number")
        return gpu


class Resources(Share):
    """What one trial occupies, or the trials of one group side by side.

    Attributes:
        cpu: CPU cores; also the number of torch threads.
        gpu: GPUs; a fraction shares one.
        group: Most trials that share this as one vectorised unit: same data, student, teaching checkpoint and seed.
            More than one need a whole GPU; without any, as in tests, all groups of a node share one process.
        accelerators: What one trial occupies instead on nodes with an accelerator of a type, by the type's name in Ray;
            a trial goes to the first one with room, and elsewhere if there is none.
    """

    cpu: float = Field(1, gt=0)
    gpu: float = Field(0, ge=0)
    group: int = Field(1, gt=0)
    accelerators: Mapping[str, Share] = Field({})

    @field_validator("group")
    @classmethod
    def _of_one_gpu(cls, group: int, info: ValidationInfo) -> int:
        if group > 1 and info.data.get("gpu", 1) not in (0, 1):
            raise ValueError(f"a group shares one whole GPU: set gpu to 1, not {info.data['gpu']:g}, or group to 1")
        return group

    @field_validator("accelerators")
    @classmethod
    def _without_groups(cls, accelerators: Mapping[str, Share], info: ValidationInfo) -> Mapping[str, Share]:
        if accelerators and info.data.get("group", 1) > 1:
            raise ValueError("groups take the same share on all nodes: leave it out, or set group to 1")
        return accelerators

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types that are named, in the file's order, and `OTHERS`."""
        return *self.accelerators, OTHERS

    def on(self, kind: str) -> Occupied:
        """What one trial, or a group, occupies on nodes of a kind."""
        share = self.accelerators.get(kind, self)
        return Occupied(
            self.cpu if share.cpu is None else share.cpu,
            self.gpu if share.gpu is None else share.gpu,
        )


@dataclass(frozen=True)
class Occupied:
    """CPU cores and GPUs."""

    cpu: float
    gpu: float

    def __str__(self) -> str:
        return _said(self.cpu, self.gpu)

    def fits(self, resources: Mapping[str, float]) -> int:
        """How often it fits into a node's resources; a fraction of a GPU lies on one GPU."""
        cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        times = _times(cpus, self.cpu)
        if self.gpu == 0:
            return times
        return min(times, _times(gpus, self.gpu) if self.gpu >= 1 else int(gpus) * _times(1, self.gpu))


@dataclass(frozen=True)
class Node:
    """A node that is alive.

    Attributes:
        name: Its host name or address.
        resources: What it has in all, by Ray's names.
        free: What of that nobody has reserved.
        node_id: Ray's id of it.
        label: The type that Ray has labelled it with; empty for none.
    """

    name: str
    resources: Mapping[str, float]
    free: Mapping[str, float] = field(default_factory=dict)
    node_id: str = ""
    label: str = ""

    def kind(self, resources: Resources) -> str:
        """The named type that it is of, the first of several, or `OTHERS`."""
        return next((name for name in resources.accelerators if f"{TYPE}{name}" in self.resources), OTHERS)


def slots(resources: Resources, nodes: Iterable[Node]) -> dict[str, int]:
    """How many trials the nodes of each kind hold at a time."""
    found = dict.fromkeys(resources.kinds, 0)
    for node in nodes:
        kind = node.kind(resources)
        found[kind] += resources.on(kind).fits(node.resources) * resources.group
    return found


def next_kind(free: Mapping[str, int], *, wait: bool) -> str | None:
    """Where the next piece of work goes: the first kind with a free slot.

    Args:
        free: Slots less work in flight, by kind, in the order of preference.
        wait: Without a free slot it is handed out later (None), not now, to where the fewest wait for a node.
    """
    with_room = next((kind for kind, number in free.items() if number > 0), None)
    return with_room if with_room is not None or wait else max(free, key=lambda kind: free[kind])


def largest(nodes: Sequence[Node], *, gpu: bool) -> str:
    """What the largest of some nodes has, counted in GPUs or in CPUs."""
    if not nodes:
        return "there is none"
    first, second = ("GPU", "CPU") if gpu else ("CPU", "GPU")
    best = max(nodes, key=lambda node: (node.resources.get(first, 0), node.resources.get(second, 0)))
    return f"the largest has {_said(best.resources.get('CPU', 0), best.resources.get('GPU', 0))}"


def misfits(
    resources: Resources, nodes: Sequence[Node], where: object, known: Iterable[str] = ()
) -> tuple[list[Fault], list[Fault]]:
    """Shares that no node holds, and types that no node is of: faults as well if no node is left, else to be noted.

    Args:
        resources: The study's.
        nodes: All nodes that are alive.
        where: The study file.
        known: Types of accelerators that Ray knows.
    """
    room = slots(resources, nodes)
    types = {name.removeprefix(TYPE) for node in nodes for name in node.resources if name.startswith(TYPE)}
    faults, absent = [], []
    for kind in resources.accelerators:
        of_kind, share = [node for node in nodes if node.kind(resources) == kind], resources.on(kind)
        key = f"resources.accelerators.{kind}"
        if not of_kind:
            message = f"no node is of this type; {nearest(kind, types or known)}"
            absent.append(Fault(str(where), key, str(share), message))
        elif not room[kind]:
            message = f"no node of this type holds one trial: {largest(of_kind, gpu=share.gpu > 0)}"
            faults.append(Fault(str(where), key, str(share), message))
    if any(room.values()):
        return faults, absent
    message = f"no node holds one trial: {largest(nodes, gpu=resources.gpu > 0)}"
    return [Fault(str(where), "resources", str(resources.on(OTHERS)), message), *absent, *faults], []


def lacks(resources: Resources, cpus: float, gpus: float) -> Iterator[str]:
    """What a machine lacks for one trial, share by share."""
    here = {"CPU": cpus, "GPU": gpus}
    for kind in resources.kinds:
        share = resources.on(kind)
        if not share.fits(here):
            key = f"resources.accelerators.{kind}" if kind else "resources"
            yield f"{key}: a trial occupies {share}; here are {_said(cpus, gpus)}"


def _said(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU{'s' * (cpus != 1)} and {gpus:g} GPU{'s' * (gpus != 1)}"


def _times(whole: float, part: float) -> int:
    return int(whole / part + 1e-9)
