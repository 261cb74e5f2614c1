"""What exercises 4 and 5 compare, at a fixed rate and again at each arm's own best."""

from collections.abc import Mapping, Sequence
from typing import Any

from bnmodels.lenet import PLACES

from .arms import END, bn_lenet, lenet
from .measures import EARLY, Runs, final_e, final_p, last, p

CENTER, SCALE = ("center",) * PLACES, ("scale",) * PLACES
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "BN": {},
    "gamma frozen": {"freeze_gamma": True},
    "beta frozen": {"freeze_beta": True},
    "fixed": {"affine": False},
    "center only": {"norms": CENTER},
    "scale only": {"norms": SCALE},
}
"""What an arm changes of BNLeNet."""


def arm(name: str, **changes: Any) -> Any:
    """The recipe of an arm; `none` has no norm."""
    if name == "none":
        return lenet(**changes)
    measured = {} if name in ("BN", "fixed") else {"precise_epochs": END}
    return bn_lenet(**CHANGES[name], **measured, **changes)


def deficit(name: str, runs: Runs) -> float:
    """How far an arm ends behind BN, in P."""
    return final_p(runs["BN"]) - final_p(runs[name])


def deficit_e(name: str, runs: Runs) -> float:
    """The same in log2 error, last three epochs."""
    return final_e(runs[name]) - final_e(runs["BN"])


LITE = {
    "BN over center only": ("BN", "center only"),
    "BN over scale only": ("BN", "scale only"),
    "center only over none": ("center only", "none"),
    "scale only over none": ("scale only", "none"),
}
"""The four comparisons of exercise 4 as asked."""


def leads(runs: Runs) -> dict[str, float]:
    """The four comparisons in P at the end."""
    return {name: final_p(runs[one]) - final_p(runs[other]) for name, (one, other) in LITE.items()}


def gap(runs: Runs, epochs: Sequence[int]) -> float:
    """How far BN is ahead of BN without gamma and beta, in P."""
    return p(runs["BN"], epochs) - p(runs["fixed"], epochs)


def late(runs: Runs) -> tuple[int, ...]:
    """The last two epochs."""
    return last(runs["BN"], 2)


def shrinkage(runs: Runs) -> float:
    """How much of the gap of the first two epochs is gone in the last two."""
    return gap(runs, EARLY) - gap(runs, late(runs))
