"""The verdict table."""

from typing import Any

import pytest

from pytest_claims.claim import Outcome, Property
from pytest_claims.table import headline, lines
from pytest_claims.trial import Json
from pytest_claims.verdict import Verdict
from tests.pytest_claims.toy import gain


def claim(outcome: Outcome, id_: str = "Q1", *, expected: Outcome = Outcome.SUPPORTED, **changes: Any) -> Json:
    """A verdict as the table gets it."""
    fields: dict[str, Any] = {"scale": "standard", "scope": "on toys", "reason": "The reason."} | changes
    plain = Verdict(claim=gain(id_, expected=expected), outcome=outcome, **fields).to_json()
    return plain | {"figures": "+0.1 [0, 0.2]"} if outcome is not Outcome.NOT_JUDGED else plain


@pytest.mark.parametrize(
    ("outcome", "expected", "line", "colour"),
    [
        (Outcome.SUPPORTED, Outcome.SUPPORTED, "Q1  SUPPORTED     +0.1 [0, 0.2], on toys", "green"),
        (Outcome.REFUTED, Outcome.REFUTED, "Q1  REFUTED       +0.1 [0, 0.2], on toys", "red"),
        (Outcome.REFUTED, Outcome.SUPPORTED, "Q1  REFUTED       (expected SUPPORTED)  +0.1 [0, 0.2], on toys", "red"),
        (Outcome.SUPPORTED, Outcome.REFUTED, "Q1  SUPPORTED     (expected REFUTED)  +0.1 [0, 0.2], on toys", "red"),
        (Outcome.INCONCLUSIVE, Outcome.SUPPORTED, "Q1  INCONCLUSIVE  +0.1 [0, 0.2]", "yellow"),
        (Outcome.NOT_JUDGED, Outcome.SUPPORTED, "Q1  NOT JUDGED    The reason.", ""),
        (Outcome.ERROR, Outcome.SUPPORTED, "Q1  ERROR         The reason.", "red"),
    ],
)
def test_lines(outcome: Outcome, expected: Outcome, line: str, colour: str) -> None:
    ((text, shown),) = lines([claim(outcome, expected=expected)])
    assert text.split() == line.split()
    assert text.startswith(line[:16].rstrip())
    assert shown == colour


def test_lines_aligned() -> None:
    one, two = lines([claim(Outcome.SUPPORTED), claim(Outcome.ERROR, "Q10.10[x]")])
    assert one[0].index("SUPPORTED") == two[0].index("ERROR") == len("Q10.10[x]") + 2


def test_lines_property() -> None:
    """Its scope is its figures; without any, the reason."""
    verdict = Verdict(
        claim=Property(id="Q9", statement="It holds.", place="here"),
        outcome=Outcome.SUPPORTED,
        scale="standard",
        scope="100 examples",
        reason="No example broke its bound.",
    )
    ((text, _),) = lines([verdict.to_json()])
    assert text == "Q9  SUPPORTED     No example broke its bound."


def test_headline() -> None:
    claims = [claim(o) for o in (Outcome.SUPPORTED, Outcome.NOT_JUDGED, Outcome.SUPPORTED, Outcome.ERROR)]
    assert headline(claims) == "4 claims: 2 supported, 1 not judged, 1 error"
    assert headline(claims[:1]) == "1 claim: 1 supported"
