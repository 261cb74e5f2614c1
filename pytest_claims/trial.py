"""A trial: one recipe trained from one seed. Its key is a hash of everything that is meant to change the result."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, Self

SCHEMA = 1
"""Raised by hand when what a key or a stored result consists of changes."""

Json = dict[str, Any]


class Run(Protocol):
    """What a training function returns: the history of one trial, as effects read it."""

    @property
    def diverged(self) -> bool:
        """Whether training ended in numbers that are not finite."""

    def until(self, horizon: int) -> Self:
        """The same run as if it had been planned for a shorter horizon."""

    def curves(self) -> Mapping[str, Sequence[float | None]]:
        """What the report draws, one value an epoch (None: not measured then)."""

    def to_json(self) -> Json:
        """Plain values, from which the study's `decode` makes the run again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of the protocol a run of the harness follows.

    Attributes:
        name: As `--scale` takes it.
        looks: Numbers of seeds at which claims are judged, in order. The error rate is shared among the looks of the
            design (8, 12, 20) also where fewer are made.
        judged: False where the run only shows that the pipeline works.
        scope: What a verdict at this scale speaks of, in words: "on 30,000 images".
        prepare: Turns a recipe of the protocol into the one trained at this scale.
        examples: How many examples a property claim tries.
    """

    name: str
    looks: tuple[int, ...]
    judged: bool
    scope: str
    prepare: Callable[[Any], Any]
    examples: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grouped:
    """How a subject trains many trials at once, which pays on an accelerator.

    Attributes:
        train: `train(recipes, seeds=, horizons=, device=)`, one of each a trial, returns their runs in order, each equal to
            what the study's `train` gives, up to rounding.
        form: Recipe -> what recipes must share to be trained at once.
        at_once: `(recipe, device)` -> how many trials of its form the device's memory holds.
    """

    train: Callable[..., Sequence[Run]]
    form: Callable[[Any], Hashable]
    at_once: Callable[[Any, str], int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What the harness must be told of its subject. A conftest gives it through the hook `pytest_claims_study`.

    Attributes:
        train: Module-level function `(recipe, *, seed, horizon, device) -> Run` that workers can import.
        version: Raised by hand when `train` changes meaning; part of every key.
        decode: Makes a run of what its `to_json` gave.
        cost: `(recipe, horizon)` in `cost_unit`, for ordering and for the expected time.
        cost_unit: Its name, in the plural.
        short: Recipe -> one that costs about a second for one epoch, and whose seconds a unit of cost are like those of the
            first, for the expected time.
        device: Where trials run, as `train` takes it.
        environment: What else is meant to change results: data checksum, torch version, device type, precision.
        provenance: What is recorded and not keyed: commit, processor, threads.
        here: Module-level function that says which `environment` the machine has on which it is called, so that workers of
            a cluster can be checked.
        grouped: How many trials are trained at once, for subjects that can.
        preload: Modules that worker processes should find imported.
        seconds_per_cost: Time limit of a trial a unit of cost, on top of `seconds_at_least`.
        seconds_at_least: The part of the time limit that any trial has.
    """

    train: Callable[..., Run]
    version: int
    decode: Callable[[Json], Run]
    cost: Callable[[Any, int], float]
    cost_unit: str
    device: str
    environment: Mapping[str, str]
    provenance: Mapping[str, Any]
    here: Callable[[], Mapping[str, str]] | None = None
    short: Callable[[Any], Any] | None = None
    grouped: Grouped | None = None
    preload: tuple[str, ...] = ()
    seconds_per_cost: float = 120.0
    seconds_at_least: float = 120.0

    def trial(self, recipe: Any, *, seed: int, horizon: int) -> "Trial":
        """The trial of a recipe in this study."""
        function = getattr(self.train, "func", self.train)
        return Trial(
            function=f"{function.__module__}:{function.__qualname__}",
            version=self.version,
            recipe=recipe,
            seed=seed,
            environment=tuple(sorted(self.environment.items())),
            horizon=horizon,
        )

    def seconds_allowed(self, trial: "Trial") -> float:
        """Time limit of a trial, in seconds."""
        return self.seconds_at_least + self.seconds_per_cost * self.cost(trial.recipe, trial.horizon)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One recipe, trained from one seed for `horizon` epochs.

    The horizon is not part of the key: under a constant schedule the longer of two runs contains the shorter.
    """

    function: str
    version: int
    recipe: Any
    seed: int
    environment: tuple[tuple[str, str], ...]
    horizon: int

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits over every field but the horizon, those at their default too."""
        fields = {
            "schema": SCHEMA,
            "function": self.function,
            "version": self.version,
            "recipe": describe(self.recipe),
            "seed": self.seed,
            "environment": dict(self.environment),
        }
        return digest(fields)[:16]


def describe(recipe: Any) -> Json:
    """The fields of a recipe (a dataclass) as plain values, with the name of its class.

    Raises:
        TypeError: Not a dataclass instance.
    """
    if not dataclasses.is_dataclass(recipe) or isinstance(recipe, type):
        raise TypeError(f"recipe={recipe!r}: a recipe is an instance of a frozen dataclass")
    return {"class": type(recipe).__qualname__} | dataclasses.asdict(recipe)


def digest(fields: Any) -> str:
    """SHA-256 of plain values, independent of the order of keys.

    Raises:
        ValueError: A number that is not finite, for which JSON has no form.
        TypeError: A value that JSON has no form for.
    """
    text = json.dumps(fields, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
