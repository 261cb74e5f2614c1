"""The page of the example, made once."""

from copy import deepcopy
from functools import cache
from typing import Any

from pytest_claims.report import validate
from pytest_claims.report.render import page
from tests.pytest_claims.report.evidence_example import example


@cache
def evidence() -> dict[str, Any]:
    return validate(example())


@cache
def html() -> str:
    return page(evidence())


def changed(**fields: Any) -> dict[str, Any]:
    return deepcopy(evidence()) | fields


def claims() -> list[dict[str, Any]]:
    return list(evidence()["claims"])


def claim(id_: str) -> dict[str, Any]:
    return next(c for c in claims() if c["id"] == id_)
