"""Which verdicts changed from one run to a later one, and which of those changes somebody accepted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_claims.claim import ID, Outcome
from pytest_claims.trial import Json

GONE = "GONE"
"""In the place of a verdict: the later run has no such claim."""

NEW = "NEW"
"""In the place of a verdict: the earlier run has no such claim."""

FORM = "CLAIM: BEFORE -> AFTER: REASON"
"""Of a line that accepts a change."""

_VERDICT = "|".join(Outcome)
_LINE = re.compile(rf"({ID}): ({_VERDICT}|{NEW}) -> ({_VERDICT}|{GONE})(?:: *(.*))?")


class AllowError(Exception):
    """A file of accepted changes cannot be used: where in it, the rule and the way out, in one line."""


@dataclass(frozen=True)
class Change:
    """A verdict that is not what it was; `str` gives it as a file of accepted changes has it."""

    claim: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.claim}: {self.before} -> {self.after}"


def outcomes(evidence: Json) -> dict[str, str]:
    """By id of the claim, what it came to."""
    return {claim["id"]: claim["outcome"] for claim in evidence["claims"]}


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """From outcomes to later ones, by id.

    Any other outcome is a change, and so is a claim that is gone; one that is new is none. An error is a change each time,
    as nobody knows what the verdict would be.
    """
    both = [Change(id_, outcome, after.get(id_, GONE)) for id_, outcome in before.items()]
    return [change for change in both if change.after != change.before or change.after == Outcome.ERROR]


def read_allowed(path: Path) -> dict[Change, str]:
    """Accepted changes with their reasons, a line each: `CLAIM: BEFORE -> AFTER: REASON`. A line that begins with # is none.

    Raises:
        AllowError: The file cannot be read, or a line of it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:  # ValueError: not UTF-8
        raise AllowError(f"{path}: not readable ({error}); it is a text file of lines {FORM}") from error
    found: dict[Change, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        if (match := _LINE.fullmatch(line)) is None:
            raise AllowError(
                f"{path}, line {number}: {line[:80]!r} is not {FORM}, such as "
                f"Q2.1[lr=0.1]: SUPPORTED -> INCONCLUSIVE: fewer seeds; AFTER may be {GONE}, too"
            )
        claim, before, after, reason = match.groups()
        if not reason:
            raise AllowError(
                f"{path}, line {number}: {line[:80]!r} has no reason; say behind a colon why it is accepted"
            )
        found[Change(claim, before, after)] = reason
    return found
