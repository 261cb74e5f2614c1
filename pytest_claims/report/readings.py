"""What seeds measured, as rows of tables: effects with their intervals and bounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from pytest_claims.report.axes import HUGE
from pytest_claims.report.bars import UnitAxis, Zone, interval_bar, seeds_bar
from pytest_claims.report.wording import NO_VALUE, Estimate, number
from pytest_claims.trial import Json


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One reading as a row of a table.

    Attributes:
        name: Empty for a claim's only reading.
        estimate: Mean and interval.
        measure: What it is and in what unit.
        holds: On how many seeds it lies on the claimed side; empty where that cannot be told.
        bar: The interval on the axis of all claims; empty for a reading that judges nothing.
        seeds: The same on an axis of its own, with every seed as a dot.
    """

    name: str
    estimate: Estimate
    measure: str
    holds: str
    bar: Markup
    seeds: Markup


def estimate(claim: Json, reading: Json) -> Estimate:
    """A judged reading as shown; a share of seeds has no sign."""
    return Estimate.of(reading, reading["scaling"], signed=_signed(reading) and claim["kind"] != "proportion")


def _signed(reading: Json) -> bool:
    """Whether it is a difference."""
    return "share" not in reading


class Decisive(NamedTuple):
    """What a verdict rests on, in words; empty where there is none.

    Attributes:
        effect: Of the weakest reading, with its unit; of a property, its worst error as a share of the bound.
        interval: About it.
        q: The smaller of both directions.
        n: Seeds, or checks.
    """

    effect: str = ""
    interval: str = ""
    q: str = ""
    n: str = ""

    @classmethod
    def of(cls, claim: Json) -> "Decisive":
        """The figures of a claim."""
        if claim["worst"]:
            shares = [worst["share"] for worst in claim["worst"].values()]
            worst = f"{number(max(shares), 2)} of its bound" if None not in shares else "beyond its bound"
            return cls(effect=f"worst error {worst}", n=f"{max(w['checks'] for w in claim['worst'].values()):,}")
        reading = weakest(claim)
        if reading is None:
            return cls()
        shown = estimate(claim, reading)
        name = f"{reading['name']}: " if reading["name"] else ""
        effect = f"{name}{shown.mean}" + f" {reading['measure']}" * (reading["mean"] is not None)
        qs = [q for q in (claim["pvalues"].get("q_supported"), claim["pvalues"].get("q_refuted")) if q is not None]
        return cls(effect, shown.interval, number(min(qs), 2) if qs else "", str(claim["seeds"]))


def bounds(reading: Json) -> tuple[list[float], Zone | None]:
    """Where to draw bounds for a reading, and where the claim holds; in raw units."""
    if "region" not in reading:
        return [], None
    low, high = reading["region"]
    return [end for end in (low, high) if end is not None], (low, high)


def weakest(claim: Json) -> Json | None:
    """The reading that speaks least for the claim, which decides it; None without readings."""

    def inside(reading: Json) -> float:
        mean, (_, zone) = reading["mean"], bounds(reading)
        if mean is None:
            return -math.inf
        distances = [mean - zone[0]] if zone and zone[0] is not None else []
        distances += [zone[1] - mean] if zone and zone[1] is not None else []
        return float(min(distances, default=mean))

    return min(claim["readings"], key=inside, default=None)


class Drawn(NamedTuple):
    """A reading as it is drawn: times a factor, with what diverged left out.

    Attributes:
        values: Of the seeds that have one.
        bounds: Of the zone.
        zone: Where the claim holds; None: nowhere that can be drawn.
    """

    low: float | None
    mean: float | None
    high: float | None
    values: list[float]
    bounds: list[float]
    zone: Zone | None

    @classmethod
    def of(cls, reading: Json, factor: float) -> "Drawn":
        """In the reading's own unit times `factor`; a negative one turns it round."""
        low, mean, high, *values = (
            None if value is None or abs(value * factor) > HUGE else value * factor
            for value in (reading["low"], reading["mean"], reading["high"], *reading["values"])
        )
        lines, zone = bounds(reading)
        ends = None if zone is None else [None if end is None else end * factor for end in zone]
        if factor < 0:
            low, high, ends = high, low, ends and ends[::-1]
        return cls(
            low=low,
            mean=mean,
            high=high,
            values=[value for value in values if value is not None],
            bounds=[line * factor for line in lines],
            zone=None if ends is None else (ends[0], ends[1]),
        )

    @classmethod
    def in_units(cls, claim: Json, reading: Json) -> "Drawn":
        """In units of what matters for the claim, with the sign that is shown."""
        return cls.of(reading, math.copysign(1 / claim["unit"], reading["scaling"]))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, if there are both."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def places(self) -> list[float]:
        """Everything that an axis of intervals must have room for."""
        return [value for value in (self.low, self.mean, self.high, *self.bounds) if value is not None]


def in_units(claims: Sequence[Json]) -> list[float]:
    """Everything that interval bars draw, in units of what matters."""
    return [
        value for claim in claims for reading in claim["readings"] for value in Drawn.in_units(claim, reading).places
    ]


def judged(claim: Json, reading: Json, axis: UnitAxis) -> Figure:
    """A reading that decides."""
    shown, what = estimate(claim, reading), reading["measure"]
    units, own = Drawn.in_units(claim, reading), Drawn.of(reading, reading["scaling"])
    over = f", interval {shown.interval}" if shown.interval else ""
    label = f"{claim['id']} {reading['name']}".strip() + f": {shown.mean} {what}{over}"
    return Figure(
        name=reading["name"],
        estimate=shown,
        measure=what,
        holds=_holds(claim, reading, bounds(reading)[1]),
        bar=interval_bar(axis, units.interval, units.mean, bounds=units.bounds, zone=units.zone, label=label),
        seeds=seeds_bar(
            own.interval,
            own.mean,
            own.values,
            bounds=own.bounds,
            zone=own.zone,
            label=f"{label}; every seed is a dot",
        ),
    )


def _holds(claim: Json, reading: Json, zone: Zone | None) -> str:
    """On how many seeds the number lies on the claimed side."""
    values = reading["values"]
    finite = [value for value in values if value is not None]
    missing = f", {len(values) - len(finite)} without a value" if len(finite) < len(values) else ""
    if zone is None:
        hits = sum(value == 1 for value in finite)
        return f"{hits} of {len(values)} show it{missing}" if claim["kind"] == "proportion" else ""
    low, high = zone
    hits = sum((low is None or value > low) and (high is None or value < high) for value in finite)
    return f"{hits} of {len(values)}{missing}"


def beside(reading: Json) -> Figure:
    """A reading that judges nothing."""
    shown = Estimate.of(reading, reading["scaling"], signed=_signed(reading))
    return Figure(
        name=reading["name"], estimate=shown, measure=reading["measure"], holds="", bar=Markup(""), seeds=Markup("")
    )


def pvalue_rows(pvalues: Mapping[str, float | None]) -> list[tuple[str, str, str, str]]:
    """A row a direction: which, sequential P, q, Holm."""
    rows = []
    for direction, words in (("supported", "it holds"), ("refuted", "the opposite holds")):
        found = [pvalues.get(f"{name}_{direction}") for name in ("p", "q", "holm")]
        if any(value is not None for value in found):
            p, q, holm = (number(value, 2) for value in found)
            rows.append((words, p, q, holm))
    return rows


def seed_table(claim: Json) -> list[list[str]]:
    """Every reading seed by seed, as shown: a head and a row a seed; empty without readings."""
    readings = claim["readings"] + claim["also"]
    if not readings:
        return []
    columns = [(r["name"] or r["measure"], r["values"], r["scaling"]) for r in readings]
    rows = [
        [str(seed), *(_cell(values, seed, times) for _, values, times in columns)]
        for seed in range(max(len(values) for _, values, _ in columns))
    ]
    return [["Seed", *(name for name, _, _ in columns)], *rows]


def _cell(values: Sequence[float | None], seed: int, times: float) -> str:
    value = values[seed] if seed < len(values) else None
    return NO_VALUE if value is None else number(value * times, 4)
