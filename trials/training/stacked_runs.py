"""Runs that are trained together: the parameters of their networks are stacked, for one forward and backward of all.

On a GPU each step of a packed network is captured as a CUDA graph, one graph per shape of batch, and replayed. Other
networks are not captured: their forwards may wait for the GPU, and a loss on layers changes with its stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils import _pytree as pytree

from trials.networks import PackedNetwork
from trials.training.training_run import Batch, TermCounts, TrainingRun

MAX_GRAPHS = 64  # one per shape of batch; they share a memory pool as large as the largest step needs


class StackedRuns:
    """Runs that train on the same batches, each with its own loss, learning rate, clipping and optimizer.

    Args:
        runs: The runs. Several runs need networks of one shape; a single network is not stacked.
        captured: Whether steps may be captured as CUDA graphs, which take memory of their own.
    """

    def __init__(self, runs: list[TrainingRun], *, captured: bool = True):
        self.runs = runs
        self._stack = _Stack([run.network for run in runs]) if len(runs) > 1 else None
        captured = captured and bool(runs)
        self._captured = captured and runs[0].device.type == "cuda" and isinstance(runs[0].network, PackedNetwork)
        self._graphs: dict[Any, _Graph] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._captured else None

    def step(self, batch: Batch, rate_factor: float) -> None:
        """One optimizer step of all runs, at this fraction of their peak learning rates."""
        for run in self.runs:
            run.set_rate(rate_factor)
            run.result.examples_seen += batch.size
        if self._captured:
            self._replay(batch)
        else:
            self._update(batch.inputs, batch.targets)

    def step_in_micro_batches(self, parts: Iterable[tuple[Batch, TermCounts]], rate_factor: float) -> None:
        """One optimizer step with the summed gradients of micro-batches; each comes with its share of the batch."""
        for run in self.runs:
            run.set_rate(rate_factor)
            run.optimizer.zero_grad()
        for batch, counts in parts:
            for run, loss in zip(self.runs, self._backward(batch.inputs, batch.targets, counts), strict=True):
                run.result.examples_seen += batch.size
                run.loss_sum += loss
        self._optimize()

    def without(self, ended: Sequence[TrainingRun]) -> StackedRuns:
        """The other runs. Networks that leave the stack get copies of their parameters, so that the stack is freed."""
        others = [run for run in self.runs if run not in ended]
        if others and self._stack is not None:
            for run in ended if len(others) > 1 else self.runs:
                run.optimizer.zero_grad()
                for parameter in run.network.parameters():
                    parameter.data = parameter.data.clone()
        return StackedRuns(others, captured=self._captured)

    def _update(self, inputs: Any, targets: Any) -> None:
        for run in self.runs:
            run.optimizer.zero_grad()
        losses = self._backward(inputs, targets)
        self._optimize()
        for run, loss in zip(self.runs, losses, strict=True):
            run.loss_sum += loss

    def _backward(self, inputs: Any, targets: Any, *share: TermCounts) -> list[Tensor]:
        """Add each run's gradients to the existing ones; returns each run's loss."""
        outputs = zip(self.runs, self._outputs(inputs), strict=True)
        losses = [run.loss(output, targets, *share) for run, output in outputs]
        torch.stack(losses).sum().backward()
        return [loss.detach() for loss in losses]

    def _optimize(self) -> None:
        if self._stack is not None:
            self._stack.assign_gradients()
        for run in self.runs:
            run.optimizer.step(run.rate)

    def _outputs(self, inputs: Any) -> Sequence[Any]:
        if self._stack is None:
            return [self.runs[0].network(inputs)]
        leaves, spec = pytree.tree_flatten(self._stack(inputs))
        members = zip(*(leaf.unbind() for leaf in leaves), strict=True)
        return [pytree.tree_unflatten(member, spec) for member in members]

    def _replay(self, batch: Batch) -> None:
        """Run the first batch of a shape normally, capture the second one, and replay the graph from then on."""
        leaves, spec = pytree.tree_flatten((batch.inputs, batch.targets))
        key = (str(spec), *(leaf.shape if isinstance(leaf, Tensor) else leaf for leaf in leaves))
        if key in self._graphs:
            self._graphs[key].run(leaves, lambda static: self._update(*pytree.tree_unflatten(static, spec)))
            return
        if len(self._graphs) < MAX_GRAPHS:
            self._graphs[key] = _Graph(self._pool)
        self._update(batch.inputs, batch.targets)


class _Stack:
    """Networks of one shape with stacked parameters [networks, ...], of which each network's parameters are views."""

    def __init__(self, networks: list[nn.Module]):
        self._networks = networks
        self._stacked: dict[str, Tensor] = {}
        members = [dict(network.named_parameters()) for network in networks]
        for name in members[0]:
            stacked = torch.stack([parameters[name].detach() for parameters in members]).requires_grad_()
            self._stacked[name] = stacked
            for parameters, value in zip(members, stacked.detach(), strict=True):
                parameters[name].data = value

    def __call__(self, inputs: Any) -> Any:
        """Outputs of all networks, [networks, ...]. All have the dropout masks of a network alone."""
        shape = self._networks[0]

        def one(parameters: dict[str, Tensor]) -> Any:
            return functional_call(shape, parameters, (inputs,))

        return torch.func.vmap(one, randomness="same")(self._stacked)

    def assign_gradients(self) -> None:
        """Give each network its part of the gradients."""
        for index, network in enumerate(self._networks):
            for name, parameter in network.named_parameters():
                gradient = self._stacked[name].grad
                parameter.grad = None if gradient is None else gradient[index]
        for stacked in self._stacked.values():
            stacked.grad = None


class _Graph:
    """A captured step. Each batch is copied to the memory of the inputs that it was captured with.

    Args:
        pool: The memory pool that all graphs of the runs share; only one graph runs at a time.
    """

    def __init__(self, pool: Any):
        self._pool = pool
        self._graph: torch.cuda.CUDAGraph | None = None
        self._leaves: list[Any] = []

    def run(self, leaves: list[Any], step: Callable[[list[Any]], None]) -> None:
        """Run the step with these input tensors."""
        if self._graph is None:
            self._leaves = [leaf.clone() if isinstance(leaf, Tensor) else leaf for leaf in leaves]
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph, pool=self._pool):
                step(self._leaves)
        for static, leaf in zip(self._leaves, leaves, strict=True):
            if isinstance(leaf, Tensor):
                static.copy_(leaf, non_blocking=True)
        self._graph.replay()
