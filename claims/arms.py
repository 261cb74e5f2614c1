"""The arms that claims train: recipes in the write-up's protocol, and what differs from it by keyword."""

from dataclasses import fields
from typing import Any

from bnmodels.lenet import PLACES, Architecture
from bnmodels.surgery import without_norms
from bnmodels.training import Recipe

_ARCHITECTURE = {field.name for field in fields(Architecture)}
RATES = (0.05, 0.1, 0.5, 1.0, 2.0, 4.0)
"""The write-up's learning rates."""


def bn_lenet(**changes: Any) -> Recipe:
    """The write-up's BNLeNet; `changes` are fields of `Architecture` or of `Recipe`."""
    architecture = {name: value for name, value in changes.items() if name in _ARCHITECTURE}
    return Recipe(
        architecture=Architecture(**architecture),
        **{name: value for name, value in changes.items() if name not in _ARCHITECTURE},
    )


def lenet(**changes: Any) -> Recipe:
    """BNLeNet with no norm and nothing else changed: the control that differs in BN alone."""
    return bn_lenet(norms=(None,) * PLACES, **changes)


def padded_lenet(**changes: Any) -> Recipe:
    """The write-up's LeNet, which also pads its first convolution."""
    return lenet(padding=2, **changes)


def without_norm(place: int) -> Recipe:
    """BNLeNet without the norm at one place, counted from 1."""
    return bn_lenet(norms=without_norms(Architecture(), [place]).norms)
