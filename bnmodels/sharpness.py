"""How much the loss rises when the weights are shaken."""

import copy
import math
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812  # its usual name

from bnmodels.norms.running import NotFinite
from bnmodels.probes import Bench, short
from bnmodels.seeding import generator

IMAGES = 2_000
DRAWS = 20
SHARE = 0.1
"""Norm of a filter's perturbation over the norm of the filter."""


@torch.inference_mode()
def flatness(network: Any, bench: Bench, *, seed: int) -> tuple[float, float] | None:
    """Training loss with batch statistics, and its mean when every filter is moved by a tenth of its norm.

    2,000 fixed training images in one batch, 20 draws of a Gaussian direction for each weight, scaled filter by filter
    (a filter is what makes one channel), so that the scale that a batch norm leaves free cannot matter. Biases, gamma and
    beta stay.

    Source: filter normalisation as in Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", section 4.

    Returns:
        Loss, and mean loss under perturbation, in nats; None if they are not finite.
    """
    twin = copy.deepcopy(network).train()
    images = bench.scaled(bench.precise_images[:IMAGES], network.dtype)
    labels = bench.precise_labels[:IMAGES]
    draw = generator(seed, "flatness")
    weights = [(p, p.clone()) for name, p in twin.named_parameters() if name.endswith("weight") and p.dim() > 1]

    def loss() -> float:
        try:
            return float(F.cross_entropy(twin(images), labels))
        except NotFinite:
            return math.nan

    base, total = loss(), 0.0
    for _ in range(DRAWS):
        for weight, trained in weights:
            direction = torch.randn(trained.shape, generator=draw).to(trained)
            over = list(range(1, trained.dim()))
            filters, directions = (torch.linalg.vector_norm(t, dim=over, keepdim=True) for t in (trained, direction))
            weight.copy_(trained + direction * (SHARE * filters / directions))
        total += loss()
    return (short(base), short(total / DRAWS)) if math.isfinite(base + total) else None
