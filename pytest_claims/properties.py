"""The verdict on a property claim: the test that checks it is the judgement."""

from collections.abc import Mapping
from dataclasses import replace

from pytest_claims.claim import Claim, Outcome
from pytest_claims.judgement import Undecidable, drawn
from pytest_claims.tally import Worst
from pytest_claims.trial import Scale
from pytest_claims.verdict import Verdict


def property_verdict(
    claim: Claim, scale: Scale, *, worst: Mapping[str, Worst], error: BaseException | None, skipped: bool, checked: bool
) -> Verdict:
    """What a test of the property came to.

    Args:
        claim: What was checked.
        scale: Where.
        worst: By quantity, the worst error as a share of its bound.
        error: What the test raised.
        skipped: Whether that skipped it.
        checked: Whether it came from the test itself, and not from what the test needs.
    """
    verdict = Verdict(
        claim=claim,
        outcome=Outcome.SUPPORTED,
        scale=scale.name,
        scope=f"{scale.examples} examples",
        reason="No example broke its bound.",
        worst=worst,
    )
    try:
        verdict = replace(verdict, charts=drawn(claim, []))
    except Undecidable as undecidable:
        error, checked = undecidable, False
    if skipped:
        return replace(verdict, outcome=Outcome.NOT_JUDGED, reason=str(error or ""))
    if error is None:
        return verdict
    return replace(
        verdict,
        outcome=Outcome.REFUTED if checked and _asserts(error) else Outcome.ERROR,
        reason=f"{type(error).__name__}: {error}".splitlines()[0],
    )


def _asserts(error: BaseException) -> bool:
    """Whether a claim failed by its own assertions and by nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(_asserts(inner) for inner in error.exceptions)
    return isinstance(error, AssertionError)
