"""The verdict table of the terminal."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pytest_claims.claim import Outcome
from pytest_claims.progress import duration
from pytest_claims.record import Gathered
from pytest_claims.report.findings import compared, differing
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
        if "published" in claim:
            text += f"; published: {published(claim)}"
        yield text, colour


def headline(claims: Sequence[Json]) -> str:
    """How many claims came to what, in one line."""
    counts = Counter(Outcome(claim["outcome"]) for claim in claims)
    said = ", ".join(f"{counts[outcome]} {outcome.lower()}" for outcome in Outcome if counts[outcome])
    return f"{len(claims)} claim{'s' * (len(claims) != 1)}: {said}"


def published(claim: Json) -> str:
    """The verdict that was published for a claim: "SUPPORTED +1.3 (full, 8 seeds)"."""
    found = claim["published"]
    seeds = f", {found['seeds']} seeds" if found["seeds"] else ""
    return f"{' '.join(filter(None, [found['outcome'], found['figures']]))} ({found['scale']}{seeds})"


def comparison(claims: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Which verdicts differ from the published ones, a line each with its colour, or that none does.

    What was not judged, now or then, differs from nothing.
    """
    both, changed = compared(claims), differing(claims)
    for claim in changed:
        scale = f" (scale {claim['scale']})" if claim["scale"] != claim["published"]["scale"] else ""
        yield f"differs: {claim['id']} {claim['outcome']}{scale}, published: {published(claim)}", "yellow"
    if both:
        verdicts = f"{len(both)} published verdict{'s' * (len(both) != 1)}"
        yield f"{len(both) - len(changed)} of {verdicts} came out the same", ""


def summary(claims: Sequence[Json], gathered: Gathered) -> Iterator[tuple[str, str]]:
    """All that the terminal says of a run at its end, a line each with its colour."""
    yield from lines(claims)
    yield headline(claims), ""
    yield from comparison(claims)
    if gathered.requested:
        yield (
            f"evidence: {gathered.distinct} distinct trials for {gathered.requested} requested, {gathered.trained} "
            f"trained in {duration(gathered.seconds)}",
            "",
        )
    for problem in gathered.problems:
        yield f"problem: {problem}", "yellow"
