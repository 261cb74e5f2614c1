"""Runs side by side: torch versions, devices or nights. Which verdicts changed, and which effects moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from markupsafe import Markup

from pytest_claims.report.axes import Axis, padded
from pytest_claims.report.cards import anchors
from pytest_claims.report.evidence import instant
from pytest_claims.report.pages import document
from pytest_claims.report.readings import Drawn, estimate, weakest
from pytest_claims.report.wording import JUDGED, NO_VALUE, Verdict, minute, number, plural
from pytest_claims.trial import Json

TITLE = "What differs between the runs?"
TELLING = ("torch", "torchvision", "device", "processor", "python", "numpy", "dataset", "bnmodels", "commit")
"""Provenance that may tell runs apart, the most telling first."""

SHOWN = ("differs", "same")
WIDTH, HEIGHT, PAD = 160, 40, 8

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A column.

    Attributes:
        label: What tells it from the others.
        started: When, to the minute.
        facts: What tells runs apart, in the order of the table's heads.
    """

    label: str
    started: str
    facts: list[str]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A claim in a run.

    Attributes:
        verdict: None where the run has no such claim.
        effect: Of the reading that the row follows.
        before: The last verdict that was given to the left, if this is another. What was not judged differs from nothing.
        apart: Names of readings whose interval has no value in common with that of a run to the left.
    """

    verdict: Verdict | None
    effect: str = ""
    interval: str = ""
    before: str = ""
    apart: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A claim in all runs.

    Attributes:
        reading: The name and unit of the reading that the row follows: the weakest of the last run that has any.
        history: Its effect over the dates of the runs; empty where there are not two.
    """

    id: str
    anchor: str
    statement: str
    reading: str
    cells: list[Cell]
    history: Markup

    @property
    def changed(self) -> bool:
        """Whether its verdict is not the same in all runs that judged it."""
        return any(cell.before for cell in self.cells)

    @property
    def apart(self) -> bool:
        """Whether an effect moved by more than the intervals allow."""
        return any(cell.apart for cell in self.cells)

    @property
    def css(self) -> str:
        """The class by which a filter finds it."""
        return SHOWN[0] if self.changed or self.apart else SHOWN[1]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Runs in the order in which they were given, their claims, those with a difference first, and between what dates."""

    runs: list[Run]
    heads: list[str]
    rows: list[Row]
    dates: str
    problems: list[str]

    @property
    def answer(self) -> str:
        """What differs, in a sentence."""
        changed, apart = sum(row.changed for row in self.rows), sum(row.apart for row in self.rows)
        claims = plural(len(self.rows), "claim")
        verdicts = f"{changed} of {claims} changed verdict" if changed else f"No verdict of {claims} changed"
        has = "has" if apart == 1 else "have"
        moved = f"{plural(apart, 'claim')} {has} intervals apart" if apart else "no two intervals are apart"
        return f"{verdicts}; {moved}."

    @property
    def page(self) -> str:
        """One HTML file."""
        return document(
            "comparison.html.j2",
            hidden=SHOWN,
            title=TITLE,
            comparison=self,
            differing=sum(row.css == SHOWN[0] for row in self.rows),
        )

    @property
    def lines(self) -> list[str]:
        """What differs, a line a claim, for a terminal."""
        found = []
        for row in self.rows:
            words = [cell.verdict.outcome if cell.verdict else "-" for cell in row.cells]
            apart = "; ".join(sorted({f"{name or 'effect'} apart" for cell in row.cells for name in cell.apart}))
            if row.changed or row.apart:
                found.append(f"{row.id}: {' -> '.join(words)}" + f" ({apart})" * bool(apart))
        return found


def compare(documents: Sequence[Json]) -> Comparison:
    """Compare evidence documents, each with those before it.

    Raises:
        ValueError: Fewer than two.
    """
    if len(documents) < 2:
        raise ValueError(f"{plural(len(documents), 'run')} to compare: at least 2")
    names, labels = _telling(documents)
    by_id = [{claim["id"]: claim for claim in each["claims"]} for each in documents]
    ids = list(dict.fromkeys(id_ for claims in by_id for id_ in claims))
    fragments = anchors(ids)
    times = [instant(each["started"]) for each in documents]
    rows = [_row(id_, fragments[id_], [claims.get(id_) for claims in by_id], times) for id_ in ids]
    first, last = min(times), max(times)
    return Comparison(
        runs=[
            Run(label=label, started=minute(each["started"]), facts=[fact(each, n) for n in names])
            for label, each in zip(labels, documents, strict=True)
        ],
        heads=names,
        rows=sorted(rows, key=lambda row: (not row.changed, not row.apart)),
        dates=f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}",
        problems=_problems(documents),
    )


def fact(evidence: Json, name: str) -> str:
    """The name of the scale, or a piece of provenance, in words."""
    if name == "scale":
        return str(evidence["scale"]["name"])
    return str(evidence["provenance"].get(name, "not named"))


def _telling(documents: Sequence[Json]) -> tuple[list[str], list[str]]:
    """The facts in which runs differ, and a label a run made of them; else its date, else its number."""
    names = [n for n in ("scale", *TELLING) if len({fact(each, n) for each in documents}) > 1]
    labels = [", ".join(f"{n} {fact(each, n)}" for n in names[:2]) for each in documents]
    if len({*labels}) < len(labels):
        dates = [minute(each["started"]) for each in documents]
        labels = [f"{label}, {date}".removeprefix(", ") for label, date in zip(labels, dates, strict=True)]
    if len({*labels}) < len(labels):
        labels = [f"run {i}, {label}" for i, label in enumerate(labels, 1)]
    return names, labels


def _problems(documents: Sequence[Json]) -> list[str]:
    """What a reader must know first."""
    found = [f"Run {i}: {problem}" for i, each in enumerate(documents, 1) for problem in each["problems"]]
    scales = list(dict.fromkeys(fact(each, "scale") for each in documents))
    if len(scales) > 1:
        found.append(
            f"The runs are of different scales ({', '.join(scales)}), so that their effects differ in what they say."
        )
    versions = list(dict.fromkeys(str(each["manifest"]["version"]) for each in documents))
    if len(versions) > 1:
        found.append(f"The runs are of different versions of the manifest ({', '.join(versions)}).")
    return found


def _row(id_: str, anchor: str, claims: Sequence[Json | None], times: Sequence[datetime]) -> Row:
    known = [claim for claim in claims if claim is not None]
    followed = next((reading for claim in reversed(known) if (reading := weakest(claim)) is not None), None)
    name = "" if followed is None else followed["name"]
    cells: list[Cell] = []
    verdict, intervals = "", list[dict[str, Interval]]()
    for claim in claims:
        if claim is None:
            cells.append(Cell(verdict=None))
            continue
        cells.append(_cell(claim, name, verdict, intervals))
        verdict = claim["outcome"] if claim["outcome"] in JUDGED else verdict
        intervals.append(_intervals(claim))
    return Row(
        id=id_,
        anchor=anchor,
        statement=known[-1]["statement"],
        reading=": ".join(filter(None, [name, followed["measure"]])) if followed else "",
        cells=cells,
        history=_history(id_, [named(claim, name) for claim in claims], times),
    )


def _cell(claim: Json, name: str, verdict: str, intervals: Sequence[Mapping[str, Interval]]) -> Cell:
    """A claim beside the last verdict, and all intervals, to its left."""
    outcome, reading = claim["outcome"], named(claim, name)
    shown = None if reading is None else estimate(claim, reading)
    return Cell(
        verdict=Verdict.of(outcome),
        effect="" if shown is None else shown.mean,
        interval="" if shown is None else shown.interval,
        before=Verdict.of(verdict).word.lower() if verdict and outcome in JUDGED and outcome != verdict else "",
        apart=tuple(
            name
            for name, (low, high) in _intervals(claim).items()
            if any(name in other and (high < other[name][0] or other[name][1] < low) for other in intervals)
        ),
    )


def _intervals(claim: Json) -> dict[str, Interval]:
    """By name the intervals of the readings that judge."""
    return {
        reading["name"]: (reading["low"], reading["high"])
        for reading in claim["readings"]
        if reading["low"] is not None and reading["high"] is not None
    }


def named(claim: Json | None, name: str) -> Json | None:
    """The reading of that name, if it has a value."""
    readings = [] if claim is None else claim["readings"]
    return next((r for r in readings if r["name"] == name and r["mean"] is not None), None)


def _history(id_: str, readings: Sequence[Json | None], times: Sequence[datetime]) -> Markup:
    """An effect over the dates of its runs: intervals, means and a line, which a run without it breaks."""
    order = sorted(range(len(times)), key=lambda i: times[i])
    found = [None if (reading := readings[i]) is None else Drawn.of(reading, reading["scaling"]) for i in order]
    values = [value for shown in found if shown for value in (shown.low, shown.mean, shown.high) if value is not None]
    if sum(shown is not None and shown.mean is not None for shown in found) < 2:
        return Markup("")
    seconds = [(times[i] - times[order[0]]).total_seconds() for i in order]
    places = seconds if seconds[-1] else [float(rank) for rank in range(len(order))]
    x, y = Axis(0, places[-1], PAD, WIDTH - PAD), Axis(*padded(values), HEIGHT - PAD, PAD)
    shown_at = [(x.position(place), shown) for place, shown in zip(places, found, strict=True)]
    dots = [None if s is None or s.mean is None else (at, y.position(s.mean)) for at, s in shown_at]
    bars = [(at, *map(y.position, s.interval)) for at, s in shown_at if s is not None and s.interval is not None]
    words = "; ".join(
        f"{times[i]:%Y-%m-%d} {NO_VALUE if s is None else number(s.mean, 3, signed=True)}"
        for i, s in zip(order, found, strict=True)
    )
    return Markup(
        '<svg class="bar" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}"><g transform="scale(.1)" '
        'fill="none" stroke="currentColor"><path class="line" d="{}" stroke-width="10" stroke-opacity=".5"/>'
        '<path class="interval" d="{}" stroke-width="16"/>'
        '<path class="mean" d="{}" stroke-width="60" stroke-linecap="round"/></g></svg>'
    ).format(
        WIDTH,
        HEIGHT,
        WIDTH,
        HEIGHT,
        f"{id_} by date: {words}",
        "".join(f"M{a[0]} {a[1]}L{b[0]} {b[1]}" for a, b in pairwise(dots) if a and b),
        "".join(f"M{at} {low}V{high}" for at, low, high in bars),
        "".join(f"M{dot[0]} {dot[1]}h0" for dot in dots if dot),
    )
