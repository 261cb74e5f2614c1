"""Every recipe that the manifest names."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from bnmodels.lenet import Architecture
from bnmodels.plain import Plain
from bnmodels.recipe import Recipe

MANIFEST = Path(__file__).parents[2] / "claims" / "manifest.json"


def manifest_recipes() -> list[Recipe]:
    """All that are in it: of plain arms, and of tuned ones both what is tuned and what then judges."""
    return list(dict.fromkeys(_within(json.loads(MANIFEST.read_text())["claims"])))


def _within(value: Any) -> Iterator[Recipe]:
    if isinstance(value, dict) and value.get("class") == "Recipe":
        of = Plain if "depth" in value["architecture"] else Architecture
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
