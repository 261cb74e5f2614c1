"""How much the channels of a network say the same."""

from typing import Any

import torch
from torch import Tensor

from bnmodels.norms.running import NotFinite
from bnmodels.probes import Bench, Places, short, widest

IMAGES = 2_000


@torch.inference_mode()
def correlation(network: Any, bench: Bench) -> Places:
    r"""Root mean square of the correlations between two channels behind the activation, at each place.

    $$ \sqrt{\frac{1}{C (C - 1)} \sum_{i \ne j} r_{ij}^2} $$ over the first 2,000 test images and all positions, in eval
    mode, as the next layer sees them in use. Channels that do not vary are left out. Independent channels would give
    about the root of 1 over the number of values.

    Source: the off-diagonal part of the correlation matrix, as in Huang et al. 2018, "Decorrelated Batch
    Normalization", section 1, summed up by its root mean square.

    Returns:
        A number for each place; None where it is not finite, or fewer than two channels vary.
    """
    network.eval()
    try:
        places = network.trace(bench.scaled(bench.test_images[:IMAGES], network.dtype))[0]
    except NotFinite:
        return (None,) * len(network.norms)
    finally:
        network.train()
    return tuple(_off_diagonal(network.activation(place)) for place in places)


def _off_diagonal(values: Tensor) -> float | None:
    rows = values.transpose(0, 1).flatten(1).to(widest(values.device))
    size = torch.linalg.vector_norm(rows, dim=1)
    rows = rows - rows.mean(1, keepdim=True)
    spread = torch.linalg.vector_norm(rows, dim=1)
    # a mean of n equal values, summed in pairs, is off by less than log2(n) eps of them
    varies = spread > 32 * torch.finfo(values.dtype).eps * size
    rows = rows[varies] / spread[varies, None]
    if len(rows) < 2 or not bool(rows.isfinite().all()):
        return None
    squares = (rows @ rows.mT).square()
    pairs = len(rows) * (len(rows) - 1)
    return short(float(((squares.sum() - squares.diagonal().sum()) / pairs).clamp_min(0).sqrt()))
