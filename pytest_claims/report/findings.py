"""What a reader must not miss: what is wrong in the write-up, and which claims came out otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_claims.claim import Outcome
from pytest_claims.report.readings import Decisive
from pytest_claims.report.wording import JUDGED, Verdict
from pytest_claims.trial import Json


def compared(claims: Sequence[Json]) -> list[Json]:
    """Those that were judged both now and where verdicts were published."""
    return [c for c in claims if "published" in c and {c["outcome"], c["published"]["outcome"]} <= JUDGED]


def differing(claims: Sequence[Json]) -> list[Json]:
    """Those of them whose verdict is not the published one."""
    return [claim for claim in compared(claims) if claim["outcome"] != claim["published"]["outcome"]]


@dataclass(frozen=True, kw_only=True)
class Erratum:
    """What is wrong in the write-up, with the claims that say it in the same words."""

    ids: list[str]
    text: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim that is refuted, or did not come out as expected.

    Attributes:
        claim: Its evidence.
        verdict: What it came to.
        expected: What the other verdict would have been; empty where the verdict is the expected one.
        figures: What the verdict rests on.
    """

    claim: Json
    verdict: Verdict
    expected: str
    figures: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All of them.

    Attributes:
        claims: How many there are in all.
        decided: Claims that were decided, refuted ones first.
        open: Claims that seeds did not decide.
        without: Claims without a result, by verdict: their ids.
    """

    claims: int
    errata: list[Erratum]
    decided: list[Finding]
    open: list[Finding]
    without: list[tuple[Verdict, list[str]]]

    @classmethod
    def of(cls, claims: Sequence[Json]) -> "Findings":
        """From the claims of a run."""
        texts: dict[str, list[str]] = {}
        for claim in claims:
            if claim["erratum"].strip():
                texts.setdefault(claim["erratum"], []).append(claim["id"])
        otherwise = [c for c in claims if c["outcome"] == Outcome.REFUTED or c["outcome"] != c["expected"]]

        def with_outcome(outcome: Outcome) -> list[Json]:
            return [claim for claim in otherwise if claim["outcome"] == outcome]

        decided = with_outcome(Outcome.REFUTED) + with_outcome(Outcome.SUPPORTED)
        return cls(
            claims=len(claims),
            errata=[Erratum(ids=ids, text=text) for text, ids in texts.items()],
            decided=[_finding(claim) for claim in decided],
            open=[_finding(claim) for claim in with_outcome(Outcome.INCONCLUSIVE)],
            without=[
                (Verdict.of(outcome), [claim["id"] for claim in found])
                for outcome in (Outcome.NOT_JUDGED, Outcome.ERROR)
                if (found := with_outcome(outcome))
            ],
        )

    @property
    def otherwise(self) -> bool:
        """Whether some claim is refuted or came out otherwise."""
        return bool(self.decided or self.open or self.without)


def _finding(claim: Json) -> Finding:
    return Finding(
        claim=claim,
        verdict=Verdict.of(claim["outcome"]),
        expected=Verdict.of(claim["expected"]).word.lower() if claim["outcome"] != claim["expected"] else "",
        figures=_figures(claim) or claim["reason"],
    )


def _figures(claim: Json) -> str:
    found = Decisive.of(claim)
    parts = [
        found.effect,
        f"interval {found.interval}" if found.interval else "",
        f"q = {found.q}" if found.q else "",
        f"{found.n} {'checks' if claim['worst'] else 'seeds'}" if found.n else "",
    ]
    return "; ".join(filter(None, parts))
