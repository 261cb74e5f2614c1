"""Every recipe that the manifest names."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bnmodels.lenet import Architecture, Dropping
from bnmodels.plain import Plain
from bnmodels.recipe import Recipe

KINDS: dict[str, Any] = {"depth": Plain, "dropped": Dropping}
"""Architectures other than the usual one, by a field that only they have."""
MANIFEST = Path(__file__).parents[2] / "claims" / "manifest.json"


def manifest_recipes() -> list[Recipe]:
    """All that are in it: of plain arms, and of tuned ones both what is tuned and what then judges."""
    return list(dict.fromkeys(_within(json.loads(MANIFEST.read_text())["claims"])))


def draws(recipe: Recipe) -> bool:
    """Whether its network draws while it trains, so that it cannot train in a stack."""
    return isinstance(recipe.architecture, Dropping) or "random-mask" in getattr(recipe.architecture, "norms", ())


def _within(value: Any) -> Iterator[Recipe]:
    if isinstance(value, dict) and value.get("class") == "Recipe":
        of = next((kind for field, kind in KINDS.items() if field in value["architecture"]), Architecture)
        architecture = of(**_plain(value["architecture"]))
        known = {field.name for field in fields(Recipe)} - {"architecture"}
        yield Recipe(
            architecture=architecture, **_plain({name: given for name, given in value.items() if name in known})
        )
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _within(inner)


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """With tuples again where JSON has lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
