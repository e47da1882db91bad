"""AdamW without the compiler: torch's own numbers, and a quick start."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from trials.optimizer import AdamW

QUICK = """
import sys, torch
from trials.optimizer import AdamW
layer = torch.nn.Linear(2, 1)
optimizer = AdamW(layer.parameters(), fused=True)
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
optimizer.zero_grad(set_to_none=True)
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""


def trained(kind: type[torch.optim.AdamW], *, fused: bool) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    groups = [{"params": network[0].parameters(), "weight_decay": 0.1}, {"params": network[2].parameters()}]
    optimizer = kind(groups, lr=0.01, fused=fused)
    for _ in range(5):
        optimizer.zero_grad(set_to_none=True)
        network(torch.randn(16, 4)).square().sum().backward()
        optimizer.step()
    return network, optimizer


@pytest.mark.parametrize("fused", [True, False])
def test_optimizer_gives_the_numbers_of_torch(fused: bool):
    (ours, own), (theirs, torchs) = trained(AdamW, fused=fused), trained(torch.optim.AdamW, fused=fused)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine.requires_grad
    assert own.state_dict()["param_groups"] == torchs.state_dict()["param_groups"]
    # A state that one saved is taken up by the other
    torchs.load_state_dict(own.state_dict())


def test_optimizer_does_not_import_the_compiler():
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
