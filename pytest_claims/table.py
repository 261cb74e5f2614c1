"""The verdict table of the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_claims.claim import Outcome
from pytest_claims.trial import Json

COLOURS = {
    Outcome.SUPPORTED: "green",
    Outcome.REFUTED: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NOT_JUDGED: "",
    Outcome.ERROR: "red",
}


def lines(claims: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """A line a claim with its colour: id, verdict, figures, scope. An unexpected verdict says so."""
    ids = max(len(claim["id"]) for claim in claims)
    words = max(len(outcome) for outcome in Outcome)
    for claim in claims:
        outcome = Outcome(claim["outcome"])
        what = claim["figures"] if outcome not in (Outcome.NOT_JUDGED, Outcome.ERROR) else claim["reason"]
        decided = outcome in (Outcome.SUPPORTED, Outcome.REFUTED)
        surprise = f" (expected {claim['expected']})" if decided and not claim["as_expected"] else ""
        colour = COLOURS[outcome] if claim["as_expected"] or not decided else "red"
        text = f"{claim['id']:<{ids}}  {outcome:<{words}}{surprise}  {what or claim['reason']}"
        if claim["kind"] != "property" and decided:
            text += f", {claim['scope']}"
        yield text, colour


def headline(claims: Sequence[Json]) -> str:
    """How many claims came to what, in one line."""
    counts = Counter(Outcome(claim["outcome"]) for claim in claims)
    said = ", ".join(f"{counts[outcome]} {outcome.lower()}" for outcome in Outcome if counts[outcome])
    return f"{len(claims)} claim{'s' * (len(claims) != 1)}: {said}"
