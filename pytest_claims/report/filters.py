"""What a reader may hide: claims by verdict, by question and by kind. Only CSS does it, so it works without a script."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_claims.report import wording
from pytest_claims.report.wording import Verdict
from pytest_claims.trial import Json


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A box to tick.

    Attributes:
        css: The class of what it shows.
        label: In words.
        count: How many claims have it.
    """

    css: str
    label: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The boxes of a page, by what they tell apart."""

    verdicts: list[Verdict]
    questions: list[Choice]
    kinds: list[Choice]

    @classmethod
    def of(cls, claims: Sequence[Json]) -> "Filters":
        """For the claims of a run, in their order."""
        places = Counter(question(claim["place"]) for claim in claims)
        kinds = Counter(claim["kind"] for claim in claims)
        return cls(
            verdicts=[Verdict.of(outcome, count) for outcome, count in wording.counts(claims).items()],
            questions=[Choice(css=f"q{i}", label=name, count=n) for i, (name, n) in enumerate(places.items(), 1)],
            kinds=[Choice(css=f"k{i}", label=name, count=n) for i, (name, n) in enumerate(kinds.items(), 1)],
        )

    @property
    def classes(self) -> list[str]:
        """Every class that a box hides."""
        return [v.css for v in self.verdicts] + [choice.css for choice in (*self.questions, *self.kinds)]

    def group(self, claim: Json) -> Choice:
        """The question that a claim belongs to."""
        return next(choice for choice in self.questions if choice.label == question(claim["place"]))

    def item(self, claim: Json) -> str:
        """The classes of what speaks of a claim."""
        kind = next(choice for choice in self.kinds if choice.label == claim["kind"])
        return f"item {Verdict.of(claim['outcome']).css} {self.group(claim).css} {kind.css}"


def question(place: str) -> str:
    """The part of a write-up that a place is in: what stands before a remark in brackets or behind a comma."""
    stem = re.split(r"\s*[(,]", place.strip(), maxsplit=1)[0]
    return (stem[:1].upper() + stem[1:]) or "Elsewhere"
