"""AdamW against torch's own, with clipping."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from trials.training.optimizers import AdamW


def networks():
    torch.manual_seed(0)
    one = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3), nn.Linear(3, 3))
    return one, copy.deepcopy(one)


@pytest.mark.parametrize("max_grad_norm", [0.05, 1e6])
@pytest.mark.parametrize("as_tensor", [True, False])
def test_adamw_equals_torchs_with_clipping(max_grad_norm, as_tensor):
    mine, torchs = networks()
    optimizer = AdamW(mine.parameters(), 0.1, max_grad_norm)
    groups = [
        {"params": [p for p in torchs.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in torchs.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    oracle = torch.optim.AdamW(groups, lr=1.0)
    for step in range(20):
        rate = 0.01 * (step + 1)
        x = torch.randn(4, 5)
        for network in (mine, torchs):  # the last layer gets no gradient
            network.zero_grad()
            network[:3](x).square().sum().backward()
        optimizer.step(torch.tensor(rate) if as_tensor else rate)
        nn.utils.clip_grad_norm_(torchs.parameters(), max_grad_norm)
        for group in oracle.param_groups:
            group["lr"] = rate
        oracle.step()
    for one, two in zip(mine.parameters(), torchs.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_adamw_state_taken_up_goes_on_to_the_bit():
    mine, other = networks()
    one = AdamW(mine.parameters(), 0.1, 1.0)
    mine[:3](torch.ones(1, 5)).sum().backward()
    one.step(0.1)
    other.load_state_dict(mine.state_dict())
    two = AdamW(other.parameters(), 0.1, 1.0)
    two.load_state(one.state())
    for network, optimizer in ((mine, one), (other, two)):
        optimizer.zero_grad()
        network[:3](torch.ones(1, 5)).sum().backward()
        optimizer.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))


def test_adamw_does_not_import_torchs_compiler():
    code = (
        "import sys, torch; from trials.training.optimizers import AdamW; p = torch.nn.Parameter(torch.ones(2, 2)); "
        "a = AdamW([p], 0.1, 1.0); p.grad = torch.ones(2, 2); a.step(0.1); print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
