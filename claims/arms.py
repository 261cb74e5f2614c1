"""The arms that claims train: recipes in the write-up's protocol, and what differs from it by keyword.

Claims share runs where their recipes are equal, so that what is measured on the way is chosen here, once for all claims.
"""

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

from bnmodels.lenet import PLACES, Architecture
from bnmodels.plain import Plain
from bnmodels.recipe import Recipe
from bnmodels.surgery import without_norms

_ARCHITECTURE = {field.name for field in fields(Architecture)}
RATES = (0.05, 0.1, 0.5, 1.0, 2.0, 4.0)
"""The write-up's learning rates."""
LAYERS_READ_AT = (2, 4, 8)
"""Epochs after which the write-up compares networks without one norm."""
EARLY_AND_LATE = (1, 2, 9, 10, 19, 20)
"""Epochs after which P is measured, where nothing else is said."""
SHAKEN_RATES = (0.5, 1.0, 2.0, 4.0)
"""Rates at which BNLeNet's flatness is measured, 2^k as far as the write-up's rates go."""
SHAKEN_EPOCHS = (2, 5, 10)
END = (10,)
"""Of arms that only their end is asked of."""
HIGH_RATES = tuple(2.0**k for k in range(3, 10))
"""Rates above the write-up's, which are only asked whether BNLeNet trains."""
NO_NORM = (None,) * PLACES


def bn_lenet(**changes: Any) -> Recipe:
    """The write-up's BNLeNet; `changes` are fields of `Architecture` or of `Recipe`."""
    architecture = {name: value for name, value in changes.items() if name in _ARCHITECTURE}
    protocol = {name: value for name, value in changes.items() if name not in _ARCHITECTURE}
    recipe = Recipe(architecture=Architecture(**architecture), **{"precise_epochs": EARLY_AND_LATE} | protocol)
    return replace(recipe, **_MEASURED.get(recipe, {}))


_BASE = Recipe(precise_epochs=EARLY_AND_LATE)
_MEASURED: dict[Recipe, dict[str, Any]] = {
    _BASE: {"precise_epochs": tuple(sorted({*EARLY_AND_LATE, *LAYERS_READ_AT})), "noise_epochs": (10,)},
    **{replace(_BASE, lr=rate): {"flatness_epochs": SHAKEN_EPOCHS} for rate in SHAKEN_RATES},
    **{replace(_BASE, lr=rate): {"precise_epochs": END} for rate in HIGH_RATES},
}
"""What is measured beside on the runs of BNLeNet that several claims share."""


def lenet(**changes: Any) -> Recipe:
    """BNLeNet with no norm and nothing else changed: the control that differs in BN alone."""
    return bn_lenet(norms=NO_NORM, **changes)


def padded_lenet(**changes: Any) -> Recipe:
    """The write-up's LeNet, which also pads its first convolution."""
    return lenet(padding=2, **changes)


def with_norms(places: Collection[int]) -> Recipe:
    """BNLeNet with norms at these places alone, counted from 1."""
    norms = without_norms(Architecture(), set(range(1, PLACES + 1)) - set(places)).norms
    if len(places) in (0, PLACES):
        return bn_lenet(norms=norms)
    return bn_lenet(norms=norms, precise_epochs=LAYERS_READ_AT)


def without_norm(place: int) -> Recipe:
    """BNLeNet without the norm at one place, counted from 1."""
    return with_norms(set(range(1, PLACES + 1)) - {place})


def ghost(group_size: int, **changes: Any) -> Recipe:
    """BNLeNet whose statistics are taken over groups of a batch of 1,024 images."""
    return bn_lenet(norms=("ghost",) * PLACES, group_size=group_size, **{"batch_size": 1024} | changes)


def plain(*, norm: bool, lr: float) -> Recipe:
    """The deep plain network, with or without batch norm."""
    return Recipe(architecture=Plain(norm=norm), lr=lr, precise_epochs=EARLY_AND_LATE, parameter_epochs=())
