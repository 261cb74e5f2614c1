"""Named generators: what is drawn for one name does not depend on what else is drawn."""

import hashlib

import torch


def generator(seed: int, name: str) -> torch.Generator:
    """A CPU generator for one purpose.

    Arms of one seed share the bits of whatever they draw under the same name, on any device, because values are drawn
    on the CPU and moved afterwards. A layer more or less in one arm shifts nothing in the others.

    Args:
        seed: The seed of the trial.
        name: What is drawn, such as `conv1.weight` or `order/3`.

    Returns:
        A generator seeded by a hash of both.
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
