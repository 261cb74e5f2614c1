"""Imported first in every worker: one thread, torch and the images loaded, and the slow first optimiser step behind it."""

from contextlib import suppress

import torch

torch.set_num_threads(1)

_weight = torch.zeros(1, requires_grad=True)
_optimizer = torch.optim.SGD([_weight], lr=0.1)
_weight.sum().backward()  # type: ignore[no-untyped-call]  # torch does not type it
_optimizer.step()

import bnmodels.training  # noqa: E402, F401  # after the thread count is set
from bnmodels import data  # noqa: E402

with suppress(data.DataError):  # said where images are wanted
    data.load("mnist")  # before workers are forked, which then share its pages
