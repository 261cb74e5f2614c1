"""Trials and their keys."""

import dataclasses
from functools import partial
from typing import Any

import pytest

from pytest_claims.trial import Trial, describe, digest
from tests.pytest_claims import toy
from tests.pytest_claims.toy import Recipe, study


@dataclasses.dataclass(frozen=True)
class OtherRecipe:
    """The same fields under another name."""

    gain: float = 0.0


def trial(**changes: Any) -> Trial:
    """One with a field changed."""
    fields: dict[str, Any] = {
        "function": "tests.pytest_claims.toy:train",
        "version": 1,
        "recipe": Recipe(gain=0.1),
        "seed": 0,
        "environment": (("data", "abc"), ("torch", "2.9")),
        "horizon": 5,
    }
    return Trial(**(fields | changes))


def test_key_pinned() -> None:
    """A change here orphans every stored run: raise SCHEMA on purpose, or undo it."""
    assert trial().key == "c794e9438174f03e"


@pytest.mark.parametrize(
    "change",
    [
        {"function": "tests.pytest_claims.toy:other"},
        {"version": 2},
        {"recipe": Recipe(gain=0.2)},
        {"recipe": Recipe(gain=0.1, seconds=1.0)},
        {"recipe": OtherRecipe(gain=0.1)},
        {"seed": 1},
        {"environment": (("data", "abd"), ("torch", "2.9"))},
        {"environment": (("data", "abc"),)},
    ],
)
def test_key_every_field(change: dict[str, Any]) -> None:
    assert trial(**change).key != trial().key


def test_key_every_recipe_field() -> None:
    """Those at their default too."""
    described = describe(Recipe())
    assert set(described) == {"class", *Recipe.__dataclass_fields__}
    assert describe(OtherRecipe()) == {"class": "OtherRecipe", "gain": 0.0}


def test_key_not_horizon() -> None:
    assert trial(horizon=50).key == trial().key


def test_key_order() -> None:
    """The environment is sorted by whoever makes the trial; a mapping's own order never matters."""
    one = study(environment={"a": "1", "b": "2"}).trial(Recipe(), seed=0, horizon=1)
    two = study(environment={"b": "2", "a": "1"}).trial(Recipe(), seed=0, horizon=1)
    assert one.key == two.key
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest([1, 2]) != digest([2, 1])


def test_key_number_types() -> None:
    """1 and 1.0 are different text, and so different recipes."""
    assert trial(recipe=Recipe(gain=1)).key != trial(recipe=Recipe(gain=1.0)).key


@pytest.mark.parametrize("recipe", [{"gain": 0.1}, Recipe, "recipe", None])
def test_describe_no_dataclass(recipe: object) -> None:
    with pytest.raises(TypeError, match=r"recipe=.*: a recipe is an instance of a frozen dataclass"):
        describe(recipe)


@pytest.mark.parametrize("gain", [float("nan"), float("inf"), float("-inf")])
def test_key_not_finite(gain: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        _ = trial(recipe=Recipe(gain=gain)).key


def test_key_no_plain_value() -> None:
    with pytest.raises(TypeError, match="JSON"):
        digest({"recipe": object()})


def test_study_trial() -> None:
    """Names the function by its module, also behind a partial."""
    assert study().trial(Recipe(), seed=3, horizon=7) == study(train=partial(toy.train, log="somewhere")).trial(
        Recipe(), seed=3, horizon=7
    )
    made = study().trial(Recipe(), seed=3, horizon=7)
    assert (made.function, made.version, made.seed, made.horizon) == ("tests.pytest_claims.toy:train", 1, 3, 7)
    assert made.environment == (("toy", "1"),)


def test_study_seconds_allowed() -> None:
    limited = study(seconds_at_least=10.0, seconds_per_cost=2.0)
    assert limited.seconds_allowed(limited.trial(Recipe(), seed=0, horizon=7)) == 24.0
