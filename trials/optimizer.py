"""AdamW as torch has it, but without torch's compiler, whose import would take a second of every worker's start."""

from __future__ import annotations

import inspect

import torch


class AdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, its methods without the wrappers that speak to the compiler: nothing here is compiled."""

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
