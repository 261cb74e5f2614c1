"""Fixtures of the report's tests."""

import pytest

from tests.pytest_claims.report.example_page import html
from tests.pytest_claims.report.page import Node, parse


@pytest.fixture
def root() -> Node:
    """The example's page as a tree."""
    return parse(html())
