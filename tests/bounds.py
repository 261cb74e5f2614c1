"""The versions that `pyproject.toml` admits, and `python -m tests.bounds FILE`: its lower bounds as pip's constraints."""

import sys
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOOLS = "dev"
"""The extra that the package runs without; the newest of what is in it will do."""


def requirements() -> dict[str, Requirement]:
    """What the package and its extras need, by name."""
    extras = PROJECT["optional-dependencies"].items()
    lines = [*PROJECT["dependencies"], *(line for extra, needs in extras if extra != TOOLS for line in needs)]
    return {needed.name: needed for needed in map(Requirement, lines)}


def bounds(needed: Requirement) -> dict[str, str]:
    """Version by operator: `torch>=2.9,<2.16` is `{">=": "2.9", "<": "2.16"}`."""
    return {specifier.operator: specifier.version for specifier in needed.specifier}


def lowest() -> list[str]:
    """Every requirement at its lower bound.

    Raises:
        KeyError: One has none.
    """
    return [f"{name}=={bounds(needed)['>=']}" for name, needed in requirements().items()]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(lowest()) + "\n", encoding="utf-8")
