"""Puts the claims and their conftest into the wheel as `bnmodels.claims`; an editable install uses the tree itself."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ClaimsInWheel(BuildHookInterface):
    """`pytest --pyargs bnmodels.claims` then runs the claims from an installed wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Map the two when a real wheel is built."""
        if version == "standard":
            build_data["force_include"] |= {"claims": "bnmodels/claims", "conftest.py": "bnmodels/claims/conftest.py"}
