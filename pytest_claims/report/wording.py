"""Numbers and sentences as readers see them, the same on the page and in the summary."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_claims.claim import Outcome
from pytest_claims.statistics import ALPHA, LOOKS
from pytest_claims.trial import Json

MINUS, TICK, CROSS = "\N{MINUS SIGN}", "\N{CHECK MARK}", "\N{BALLOT X}"
NO_VALUE = "no value"
GLYPHS = {
    Outcome.SUPPORTED: TICK,
    Outcome.REFUTED: CROSS,
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_JUDGED: "\N{WHITE CIRCLE}",
    Outcome.ERROR: "!",
}
"""A mark a verdict, in the order in which verdicts are counted; no verdict is told by colour alone."""

TESTS = {
    "superiority": "one-sided paired t",
    "interaction": "one-sided t of the difference of differences",
    "equivalence": "two one-sided paired t",
    "ordering": "one-sided paired t against every rival",
    "proportion": "exact binomial",
    "all of": "each part by its own test, and all must hold",
}
"""How a kind of claim is tested."""

SIGN = "exact sign test, as diverged runs left no value"
JUDGED = frozenset({Outcome.SUPPORTED, Outcome.REFUTED, Outcome.INCONCLUSIVE})
"""Verdicts that rest on a test."""

LEVEL = f"{100 * (1 - 2 * ALPHA / len(LOOKS)):.1f} %"
"""Of the repeated interval."""


@dataclass(frozen=True)
class Verdict:
    """A verdict as it is shown.

    Attributes:
        outcome: As in the evidence.
        glyph: A mark.
        word: The outcome in sentence case.
        css: The name of its class in the style sheet.
        count: How many claims have it, where it is counted.
    """

    outcome: str
    glyph: str
    word: str
    css: str
    count: int = 0

    @classmethod
    def of(cls, outcome: str, count: int = 0) -> "Verdict":
        """How an outcome is shown."""
        name = Outcome(outcome)
        return cls(name, GLYPHS[name], name.capitalize(), name.lower().replace(" ", "-"), count)


def counts(claims: Sequence[Json]) -> dict[Outcome, int]:
    """How many claims have each outcome."""
    found = Counter(claim["outcome"] for claim in claims)
    return {outcome: found[outcome] for outcome in GLYPHS}


def surprising(claim: Json) -> bool:
    """Whether the verdict is the opposite of the expected one."""
    return claim["outcome"] in (Outcome.SUPPORTED, Outcome.REFUTED) and claim["outcome"] != claim["expected"]


def test_of(claim: Json) -> str:
    """The test in words, such as `8 seeds, one-sided paired t, looks 8/12/20`; empty where none was made."""
    if claim["outcome"] not in JUDGED or claim["kind"] not in TESTS:
        return ""
    lost = any(value is None for reading in claim["readings"] for value in reading["values"])
    test = SIGN if lost and claim["kind"] in ("superiority", "interaction") else TESTS[claim["kind"]]
    return f"{plural(claim['seeds'], 'seed')}, {test}, looks {'/'.join(map(str, LOOKS))}"


def answer(evidence: Json) -> str:
    """The sentence that answers the page's question."""
    said = _answer(evidence["claims"])
    return f"Interrupted: {said}" if evidence["status"] == "interrupted" else said[0].upper() + said[1:]


def _answer(claims: Sequence[Json]) -> str:
    if not claims:
        return "no claim has come to a verdict."
    n = counts(claims)
    seeds = sorted({c["seeds"] for c in claims if c["outcome"] == Outcome.INCONCLUSIVE}) or [0]
    fewest = f"{seeds[0]} to " if len(seeds) > 1 else ""
    decided = n[Outcome.SUPPORTED] + n[Outcome.REFUTED] + n[Outcome.INCONCLUSIVE]
    parts = [f"{n[Outcome.SUPPORTED]} of {plural(len(claims), 'claim')} {be(n[Outcome.SUPPORTED])} supported"]
    rest = {
        Outcome.REFUTED: "refuted",
        Outcome.INCONCLUSIVE: f"undecided after {fewest}{plural(seeds[-1], 'seed')}",
        Outcome.NOT_JUDGED: "not judged",
        Outcome.ERROR: "without a result because of an error",
    }
    parts += [f"{n[outcome]} {be(n[outcome])} {words}" for outcome, words in rest.items() if n[outcome]]
    head = ", ".join(parts[:-1])
    sentence = f"{head} and {parts[-1]}." if head else f"{parts[-1]}."
    return sentence if decided else f"nothing was judged: {sentence}"


def be(count: int) -> str:
    """Is or are."""
    return "is" if count == 1 else "are"


def plural(count: int, noun: str) -> str:
    """A count and its noun."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def number(value: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number to so many significant digits, without an exponent where one can do without."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    if value == 0:
        return "0"
    magnitude = _magnitude(value)
    if -5 < magnitude < 6:
        return fixed(value, max(0, digits - 1 - magnitude), signed=signed)
    return f"{value:{'+' * signed}.{digits - 1}e}".replace("-", MINUS)


def given(value: float) -> str:
    """A figure that someone else gives: with as many digits as they gave, as far as can be told."""
    return f"{value:.6g}".replace("-", MINUS)


def _magnitude(value: float) -> int:
    """The power of ten of the first digit; 0 for 0."""
    return math.floor(math.log10(abs(value))) if value else 0


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number to so many decimals, with a true minus sign and none on zero."""
    text = f"{value:{'+' * signed},.{decimals}f}"
    return text.lstrip("+-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def share(value: float | None) -> str:
    """A share as a percentage."""
    return NO_VALUE if value is None else f"{number(100 * value, 2)} %"


class Estimate(NamedTuple):
    """A mean and its interval, to the digits that the interval's width allows."""

    mean: str
    interval: str

    @classmethod
    def of(cls, reading: Json, scaling: float, *, signed: bool) -> "Estimate":
        """Show a reading times `scaling`."""
        if reading["mean"] is None:
            return cls(NO_VALUE, "")
        mean = reading["mean"] * scaling
        if reading["low"] is None or reading["high"] is None:
            return cls(number(mean, signed=signed), "")
        ends = sorted([reading["low"] * scaling, reading["high"] * scaling])  # a negative scaling swaps them
        half, largest = (ends[1] - ends[0]) / 2, max(map(abs, ends))
        # two digits of the width, but no more than four in all
        decimals = min(1 - _magnitude(half), 3 - _magnitude(largest)) if half else 2 - _magnitude(largest)
        if decimals > 6 or largest >= 1e6:
            shown = [number(x, signed=signed) for x in (mean, *ends)]
        else:
            shown = [fixed(x, max(0, decimals), signed=signed) for x in (mean, *ends)]
        return cls(shown[0], f"{shown[1]} to {shown[2]}")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as plain text: hundreds of them as tables would slow a page down."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def minute(started: str) -> str:
    """When, to the minute."""
    return started.replace("T", " ")[:16]


def duration(seconds: float) -> str:
    """A time, to two units."""
    if seconds < 60:
        return f"{number(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min"
