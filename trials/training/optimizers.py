"""Optimizers with gradient clipping, by torch's functional kernels.

`torch.optim.AdamW` and the other classes compute the same, but creating one imports torch's compiler, which costs 1.5 s
and 100 MB in every worker.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adadelta import adadelta
from torch.optim.adamw import adamw

from search_spaces import Optimizer as OptimizerName
from trials.specs import TrainingRecipe


class Optimizer(ABC):
    """An optimizer whose learning rate is an argument of each step.

    Args:
        parameters: The parameters; the optimizer's state is kept in their order.
        max_grad_norm: Gradients are clipped to this global norm.
        moments: Names of the two tensors of state per parameter.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_grad_norm: float, moments: tuple[str, str]):
        self.parameters = list(parameters)
        self._max_grad_norm = max_grad_norm
        self._moments = {name: [torch.zeros_like(parameter) for parameter in self.parameters] for name in moments}
        self._steps = [torch.zeros((), device=parameter.device) for parameter in self.parameters]

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float | Tensor) -> None:
        """Clip the gradients and update the parameters; those without a gradient are not changed."""
        gradients = {index: p.grad for index, p in enumerate(self.parameters) if p.grad is not None}
        norm = torch.nn.utils.get_total_norm(gradients.values())
        grad_scale = ((norm + 1e-6) / self._max_grad_norm).clamp(min=1.0)  # gradients are divided by it
        self._update(gradients, grad_scale, learning_rate)

    @abstractmethod
    def _update(self, gradients: dict[int, Tensor], grad_scale: Tensor, learning_rate: float | Tensor) -> None:
        """Update the parameters at the positions that have gradients."""

    def state(self) -> dict[str, Tensor]:
        """The moments and step counts."""
        parts = {**self._moments, "steps": self._steps}
        return {f"{name}.{index}": value for name, values in parts.items() for index, value in enumerate(values)}

    @torch.no_grad()
    def load_state(self, state: dict[str, Tensor]) -> None:
        """Load a state that `state` returned."""
        for name, value in self.state().items():
            value.copy_(state[name])


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019); biases and norms are not decayed.

    Args:
        parameters: As of `Optimizer`.
        weight_decay: Weight decay of parameters with more than one dimension.
        max_grad_norm: As of `Optimizer`.
        betas: Decay rates of the moments.
        eps: Added to the root of the second moment.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        weight_decay: float,
        max_grad_norm: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__(parameters, max_grad_norm, ("first", "second"))
        self._weight_decay = weight_decay
        self._betas = betas
        self._eps = eps

    def _update(self, gradients: dict[int, Tensor], grad_scale: Tensor, learning_rate: float | Tensor) -> None:
        for decayed in (True, False):
            chosen = [index for index in gradients if (self.parameters[index].ndim > 1) is decayed]
            adamw(
                [self.parameters[index] for index in chosen],
                [gradients[index] for index in chosen],
                [self._moments["first"][index] for index in chosen],
                [self._moments["second"][index] for index in chosen],
                [],
                [self._steps[index] for index in chosen],
                fused=True,
                capturable=grad_scale.is_cuda,
                grad_scale=grad_scale,
                found_inf=torch.zeros_like(grad_scale),
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=learning_rate,
                weight_decay=self._weight_decay if decayed else 0.0,
                eps=self._eps,
                maximize=False,
            )


class Adadelta(Optimizer):
    """Adadelta (Zeiler, 2012), with the decay rate and the constant of its section 4.

    Args:
        parameters, max_grad_norm: As of `Optimizer`.
        rho: Decay rate of both averages.
        eps: Added inside both roots.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], max_grad_norm: float, rho: float = 0.95, eps: float = 1e-6):
        super().__init__(parameters, max_grad_norm, ("squares", "deltas"))
        self._rho = rho
        self._eps = eps

    def _update(self, gradients: dict[int, Tensor], grad_scale: Tensor, learning_rate: float | Tensor) -> None:
        adadelta(
            [self.parameters[index] for index in gradients],
            [gradient / grad_scale for gradient in gradients.values()],
            [self._moments["squares"][index] for index in gradients],
            [self._moments["deltas"][index] for index in gradients],
            [self._steps[index] for index in gradients],
            capturable=grad_scale.is_cuda,
            lr=float(learning_rate),
            rho=self._rho,
            eps=self._eps,
            weight_decay=0.0,
            maximize=False,
        )


def make_optimizer(name: OptimizerName, parameters: Iterable[nn.Parameter], recipe: TrainingRecipe) -> Optimizer:
    """The optimizer of this name, with the settings of a training recipe."""
    if name is OptimizerName.ADADELTA:
        return Adadelta(parameters, recipe.max_grad_norm)
    return AdamW(parameters, recipe.weight_decay if name is OptimizerName.ADAMW else 0.0, recipe.max_grad_norm)
