"""From the runs of a claim to its verdict."""

import math
from collections.abc import Sequence

import numpy as np

from pytest_claims import statistics
from pytest_claims.chart import Chart
from pytest_claims.claim import Claim, Outcome, Runs, Statistical, Superiority
from pytest_claims.family import Decision
from pytest_claims.plan import SeedPlan
from pytest_claims.statistics import ALPHA, LOOKS, Array, PValues
from pytest_claims.trial import Scale, describe
from pytest_claims.tuning import Attempt
from pytest_claims.verdict import Reading, Verdict

DIGITS = 9
"""Effects are rounded to this many digits below the unit that matters."""


class Undecidable(Exception):
    """A claim that cannot be judged: what it is then, and why."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def effects(claim: Statistical, plans: Sequence[SeedPlan]) -> Array:
    """The numbers of each seed, shape `(rows, seeds)`.

    Raises:
        Undecidable: The claim's own function raised.
    """
    try:
        values = np.array([claim.values(plan.runs) for plan in plans], dtype=np.float64).T
    except Exception as error:  # a claim's own code: whatever it raises makes this claim, and no other, an error
        reason = f"Its effect cannot be computed: {type(error).__name__}: {error}."
        raise Undecidable(Outcome.ERROR, reason) from error
    if claim.diverged_value is not None:
        values = np.where(np.isfinite(values), values, claim.diverged_value)
    # Differences that are equal but for the rounding of a subtraction must be equal, or a t-test reads the rounding.
    return np.round(values, DIGITS - math.floor(math.log10(claim.unit)))


def pvalues_of(claim: Statistical, values: Array) -> PValues:
    """Single-look p-values of shape `(3,)`, from effects of shape `(rows, seeds)`.

    Where a diverged run left no value, superiority is decided by the exact sign test: inf is a win, -inf a loss, nan a
    tie, which counts against the claim.

    Raises:
        Undecidable: An effect is not finite and the claim does not say what that is worth.
    """
    test = claim.test
    data = values if test.axes > 1 else values[0]
    if not np.isfinite(data).all():
        if not isinstance(claim, Superiority):
            raise Undecidable(
                Outcome.ERROR,
                f"An effect is {data[~np.isfinite(data)][0]} after a run diverged; a claim of this kind must declare a "
                "diverged_value.",
            )
        test, data = statistics.Sign(), np.nan_to_num(np.sign(data - claim.delta), nan=0.0)
    try:
        return statistics.look_pvalues(test, data, LOOKS)
    except ValueError as error:
        raise Undecidable(Outcome.ERROR, f"{error}.") from error


def verdict_of(
    claim: Statistical,
    scale: Scale,
    values: Array | Undecidable,
    plans: Sequence[SeedPlan] = (),
    decision: Decision | None = None,
    family: int = 0,
) -> Verdict:
    """The verdict with its figures.

    Args:
        claim: What is judged.
        scale: Where.
        values: Effects of shape `(rows, seeds)`, or why there are none.
        plans: The seeds behind them.
        decision: None where nothing is judged.
        family: How many claims share the error rate.
    """
    epochs = claim.horizon[scale.name]
    scope = f"{claim.scope or scale.scope}, {epochs} epoch{'s' * (epochs > 1)}"
    if isinstance(values, Undecidable):
        return Verdict(claim=claim, outcome=values.outcome, scale=scale.name, scope=scope, reason=values.reason)
    try:
        readings, also = _deciding(claim, values), _further(claim, plans)
        charts = drawn(claim, [plan.runs for plan in plans])
    except Undecidable as error:
        return verdict_of(claim, scale, error)
    seeds = values.shape[-1]
    reason = f"{seeds} seeds at scale {scale.name} show that the pipeline works and judge nothing."
    arms = dict.fromkeys(name for plan in plans for name in plan.trials)
    return Verdict(
        claim=claim,
        outcome=decision.outcome if decision else Outcome.NOT_JUDGED,
        scale=scale.name,
        scope=scope,
        reason=_why(claim, values, decision, family) if decision else reason,
        seeds=seeds,
        readings=readings,
        also=also,
        charts=charts,
        pvalues=decision.figures() if decision else {},
        diverged=sum(run.diverged for plan in plans for run in plan.runs.values()),
        trials={arm: [p.trials[arm].key for p in plans if arm in p.trials] for arm in arms},
        recipes={
            arm: describe(next(p.trials[arm].recipe for p in plans if arm in p.trials))
            for arm in arms
            if not Attempt.labelled(arm)  # their trials tell, and they are many
        },
    )


def _deciding(claim: Statistical, values: Array) -> tuple[Reading, ...]:
    """What the verdict rests on, a reading a row."""
    try:
        return tuple(
            Reading.of(row, shown.tolist(), measure=claim.measure, scaling=claim.scaling, region=region, share=share)
            for row, shown, region, share in zip(claim.rows, values, claim.regions, claim.shares, strict=True)
        )
    except ValueError as error:
        raise Undecidable(Outcome.ERROR, f"{error}.") from error


def _further(claim: Statistical, plans: Sequence[SeedPlan]) -> tuple[Reading, ...]:
    try:
        return tuple(
            Reading.of(
                name,
                [float(also.effect(p.runs)) for p in plans],
                measure=also.measure,
                scaling=also.scaling,
                share=also.share,
            )
            for name, also in claim.readings.items()
        )
    except Exception as error:  # as in `effects`
        reason = f"A further reading cannot be computed: {type(error).__name__}: {error}."
        raise Undecidable(Outcome.ERROR, reason) from error


def drawn(claim: Claim, seeds: Sequence[Runs]) -> Sequence[Chart]:
    """What the claim draws from the runs of its seeds.

    Raises:
        Undecidable: The claim's own function raised.
    """
    try:
        return claim.charts(seeds) if claim.charts else ()
    except Exception as error:  # as in `effects`
        reason = f"Its charts cannot be drawn: {type(error).__name__}: {error}."
        raise Undecidable(Outcome.ERROR, reason) from error


def _why(claim: Statistical, values: Array, decision: Decision, family: int) -> str:
    """The rule with its numbers in it."""
    seeds = values.shape[-1]
    look = f"look {LOOKS.index(seeds) + 1} of {len(LOOKS)}, {seeds} seeds"
    over = f"over the family of {family} claims ({look})"
    rule = "" if np.isfinite(values).all() else " Decided by the exact sign test, as diverged runs left no value."
    if decision.outcome is Outcome.SUPPORTED:
        holm = " It holds for the family as a whole (Holm)." if decision.holm_supported <= ALPHA else ""
        return f"q = {decision.q_supported:.2g} <= {ALPHA} {over}.{rule}{holm}"
    if decision.outcome is Outcome.REFUTED:
        holm = " It holds for the family as a whole (Holm)." if decision.holm_refuted <= ALPHA else ""
        return f"The opposite has q = {decision.q_refuted:.2g} <= {ALPHA} {over}.{rule}{holm}"
    if isinstance(claim, Superiority) and (values == claim.delta).all():
        return f"No difference observed ({look}).{rule}"
    if min(decision.q_supported, decision.q_refuted) <= ALPHA:
        return f"Two looks reached {ALPHA} in opposite directions, so that there is no verdict ({look}).{rule}"
    both = f"Neither it (q = {decision.q_supported:.2g}) nor the opposite (q = {decision.q_refuted:.2g})"
    return f"{both} reaches {ALPHA} {over}.{rule}"
