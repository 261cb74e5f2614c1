"""What a claim came to, with the figures behind it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pytest_claims import statistics
from pytest_claims.chart import Chart
from pytest_claims.claim import Claim, Outcome, Region, Statistical
from pytest_claims.tally import Worst
from pytest_claims.trial import Json


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One number a seed, summarised.

    Attributes:
        name: Empty for a claim's only number.
        values: By seed, in order. Not finite where a diverged run left no value.
        low: Lower end of the repeated interval (level 1 - 2 alpha / 3).
        mean: Over seeds.
        high: Upper end.
        measure: What it is and in what unit.
        scaling: It is shown times this.
        region: Where the mean must lie for the claim to hold, None for an open end; None for readings that judge nothing.
        share: Whether the values are 0 or 1 and the mean is a share of seeds.
    """

    name: str
    measure: str
    scaling: float
    region: Region | None = None
    values: tuple[float, ...]
    low: float
    mean: float
    high: float
    share: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        values: Sequence[float],
        *,
        measure: str,
        scaling: float,
        region: Region | None = None,
        share: bool = False,
    ) -> "Reading":
        """Summarise the values of the seeds 0, 1, 2, ..."""
        low = mean = high = math.nan
        if len(values) > 1 and np.isfinite(values).all():
            of = statistics.share_interval if share else statistics.interval
            low, mean, high = (float(x) for x in of(np.asarray(values)))
        elif len(values) == 1:
            mean = float(values[0])
        return cls(
            name=name,
            measure=measure,
            scaling=scaling,
            region=region,
            values=tuple(values),
            low=low,
            mean=mean,
            high=high,
            share=share,
        )

    @property
    def inside(self) -> float:
        """How far the mean lies inside the region; negative outside, -inf without a mean."""
        if not math.isfinite(self.mean):
            return -math.inf
        low, high = self.region or (None, None)
        below = [] if low is None else [self.mean - low]
        above = [] if high is None else [high - self.mean]
        return min(below + above, default=self.mean)

    @property
    def shown(self) -> str:
        """Mean and interval in the reading's unit."""
        s, sign = self.scaling, "" if self.share else "+"
        low, mean, high = (f"{value * s:{sign}.3g}" for value in (self.low, self.mean, self.high))
        return f"{mean} [{low}, {high}] {self.measure}"

    def to_json(self) -> Json:
        """Plain values; what is not finite becomes None."""
        region = {} if self.region is None else {"region": list(self.region)}
        share = {"share": True} if self.share else {}
        return (
            region
            | share
            | {
                "name": self.name,
                "measure": self.measure,
                "scaling": self.scaling,
                "values": [_finite(value) for value in self.values],
                "low": _finite(self.low),
                "mean": _finite(self.mean),
                "high": _finite(self.high),
            }
        )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a claim came to.

    Attributes:
        claim: What was judged.
        outcome: The verdict.
        scale: Name of the scale.
        scope: What the verdict speaks of: "on 30,000 images, 5 epochs".
        reason: The decision rule with its numbers, in one sentence; or why there is no decision.
        seeds: How many seeds were used.
        readings: The judged numbers, a reading a row of the claim.
        also: Further readings, which judge nothing.
        pvalues: `p_supported`, `p_refuted` (sequential), `q_...` (Benjamini-Hochberg), `holm_...`, by name.
        diverged: Runs used that diverged.
        trials: By arm, the keys of its trials in order of seeds.
        recipes: By arm, what was trained; without the attempts of tuning.
        worst: For a property, by quantity, the worst error as a share of its bound.
        charts: What the claim drew.
    """

    claim: Claim
    outcome: Outcome
    scale: str
    scope: str
    reason: str
    seeds: int = 0
    readings: tuple[Reading, ...] = ()
    also: tuple[Reading, ...] = ()
    pvalues: Mapping[str, float] = field(default_factory=dict)
    diverged: int = 0
    trials: Mapping[str, Sequence[str]] = field(default_factory=dict)
    recipes: Mapping[str, Json] = field(default_factory=dict)
    worst: Mapping[str, Worst] = field(default_factory=dict)
    charts: Sequence[Chart] = ()

    @property
    def expected(self) -> Outcome:
        """The verdict that passes."""
        return self.claim.expected_at(self.scale)

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the claim expects."""
        return self.outcome is self.expected

    @property
    def figures(self) -> str:
        """Effect, interval, q and seeds in a few words; a property's cases and worst share."""
        if self.worst:
            share = max(worst.share for worst in self.worst.values())
            return f"{max(w.checks for w in self.worst.values())} cases, worst error {share:.2g} of its bound"
        if not isinstance(self.claim, Statistical) or not self.readings:
            return ""
        shown = min(self.readings, key=lambda reading: reading.inside)
        text = f"{shown.name}: {shown.shown}" if shown.name else shown.shown
        if "q_supported" in self.pvalues:
            q = min(self.pvalues["q_supported"], self.pvalues["q_refuted"])
            text += f", q = {q:.2g}"
        return f"{text}, {self.seeds} seeds"

    def __str__(self) -> str:
        """One line: what came out, what was expected, the figures, and how to repeat it."""
        return (
            f"{self.claim.id} {self.outcome} ({self.scope}; expected {self.expected}): {self.claim.statement} "
            f"{self.figures}. {self.reason} Repeat: {self.command}"
        )

    @property
    def command(self) -> str:
        """Runs this claim alone."""
        return f'pytest claims --scale {self.scale} -k "{self.claim.id.partition("[")[0]}"'

    def to_json(self) -> Json:
        """The evidence of this claim as plain values (see `report/schema.json`)."""
        claim = self.claim
        data: dict[str, Any] = {
            "id": claim.id,
            "kind": claim.kind,
            "statement": claim.statement,
            "place": claim.place,
            "formula": claim.formula,
            "erratum": claim.erratum,
            "notes": claim.notes,
            "reported": dict(claim.reported),
            "outcome": str(self.outcome),
            "expected": str(self.expected),
            "as_expected": self.as_expected,
            "scale": self.scale,
            "scope": self.scope,
            "reason": self.reason,
            "figures": self.figures,
            "command": self.command,
            "seeds": self.seeds,
            "readings": [reading.to_json() for reading in self.readings],
            "also": [reading.to_json() for reading in self.also],
            "pvalues": dict(self.pvalues),
            "diverged": self.diverged,
            "trials": {arm: list(keys) for arm, keys in self.trials.items()},
            "recipes": dict(self.recipes),
            "worst": {quantity: worst.to_json() for quantity, worst in self.worst.items()},
            "charts": [chart.to_json() for chart in self.charts],
        }
        if isinstance(claim, Statistical):
            data |= {
                "measure": claim.measure,
                "scaling": claim.scaling,
                "unit": claim.unit,
                **({"horizon": claim.horizon[self.scale]} if self.scale in claim.horizon else {}),
                "rarest_excluded": float(statistics.rarest_excluded(self.seeds)) if self.seeds else None,
            }
        return data
