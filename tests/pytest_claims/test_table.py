"""The verdict table."""

from typing import Any

import pytest

from pytest_claims.claim import Outcome, Property
from pytest_claims.record import Gathered
from pytest_claims.table import comparison, headline, lines, summary
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


def beside(fresh: Outcome, then: Outcome, *, scale: str = "standard", seeds: int = 8, id_: str = "Q1") -> Json:
    """A verdict with a published one beside it."""
    found = {"outcome": str(then), "figures": "+1.3", "scale": scale, "seeds": seeds}
    return claim(fresh, id_) | {"published": found}


@pytest.mark.parametrize(
    ("fresh", "end"),
    [
        (Outcome.SUPPORTED, "+0.1 [0, 0.2], on toys; published: REFUTED +1.3 (full, 8 seeds)"),
        (Outcome.NOT_JUDGED, "The reason.; published: REFUTED +1.3 (full, 8 seeds)"),
    ],
)
def test_lines_published(fresh: Outcome, end: str) -> None:
    ((text, _),) = lines([beside(fresh, Outcome.REFUTED, scale="full")])
    assert text.endswith(end)


def test_lines_published_without_seeds_or_figures() -> None:
    """A property has no seeds; a claim that was not judged has no figures."""
    one = beside(Outcome.SUPPORTED, Outcome.SUPPORTED, seeds=0)
    other = beside(Outcome.SUPPORTED, Outcome.NOT_JUDGED, seeds=0)
    other["published"]["figures"] = ""
    ends = [text.partition("; published: ")[2] for text, _ in lines([one, other])]
    assert ends == ["SUPPORTED +1.3 (standard)", "NOT JUDGED (standard)"]


def test_comparison_same() -> None:
    same = beside(Outcome.SUPPORTED, Outcome.SUPPORTED, scale="full")
    assert list(comparison([same, claim(Outcome.SUPPORTED, "Q2")])) == [
        ("1 of 1 published verdict came out the same", "")
    ]


def test_comparison_differs() -> None:
    """A scale that differs is named; an undecided claim differs from a decided one."""
    claims = [
        beside(Outcome.SUPPORTED, Outcome.REFUTED),
        beside(Outcome.INCONCLUSIVE, Outcome.SUPPORTED, scale="full", id_="Q2"),
        beside(Outcome.SUPPORTED, Outcome.SUPPORTED, id_="Q3"),
    ]
    assert list(comparison(claims)) == [
        ("differs: Q1 SUPPORTED, published: REFUTED +1.3 (standard, 8 seeds)", "yellow"),
        ("differs: Q2 INCONCLUSIVE (scale standard), published: SUPPORTED +1.3 (full, 8 seeds)", "yellow"),
        ("1 of 3 published verdicts came out the same", ""),
    ]


@pytest.mark.parametrize("outcome", [Outcome.NOT_JUDGED, Outcome.ERROR])
def test_comparison_not_judged(outcome: Outcome) -> None:
    """Neither now nor then."""
    assert list(comparison([beside(outcome, Outcome.SUPPORTED), beside(Outcome.SUPPORTED, outcome)])) == []


def test_summary() -> None:
    gathered = Gathered(requested=4, distinct=3, trained=2, seconds=5.0, problems=["Mind the gap."])
    assert [text for text, _ in summary([claim(Outcome.SUPPORTED)], gathered)][1:] == [
        "1 claim: 1 supported",
        "evidence: 3 distinct trials for 4 requested, 2 trained in 5 s",
        "problem: Mind the gap.",
    ]
    assert len(list(summary([claim(Outcome.SUPPORTED)], Gathered()))) == 2
