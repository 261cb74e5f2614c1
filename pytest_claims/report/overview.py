"""All effects in one picture, for the first screen: a column a claim, in units of what matters."""

from collections.abc import Sequence

from markupsafe import Markup

from pytest_claims.report import wording
from pytest_claims.report.bars import UnitAxis
from pytest_claims.report.readings import Drawn, in_units, weakest
from pytest_claims.report.wording import Verdict
from pytest_claims.trial import Json

WIDTH, TOP, FLOOR, HEIGHT = 1180, 26, 190, 264
LEFT = 44
WIDEST = 60
"""Pixels that a claim takes at most."""

LETTERS = 13
"""Of an id; longer ones are cut."""


def picture(claims: Sequence[Json]) -> Markup:
    """Interval, mean, bound and zone of every claim judged over seeds, in their order; empty without any effect."""
    values = in_units(claims)
    if not values:
        return Markup("")
    axis = UnitAxis.over(values, start=FLOOR, stop=TOP)
    slot = min(WIDEST, (WIDTH - LEFT) / len(claims))
    columns = [_column(claim, axis, round(10 * (LEFT + (i + 0.5) * slot)), slot) for i, claim in enumerate(claims)]
    right = LEFT + slot * len(claims)
    return Markup(
        '<svg class="picture-of-all" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<g fill="none" stroke="currentColor" stroke-linecap="round">{}</g></svg>'
    ).format(WIDTH, HEIGHT, _label(claims), _grid(axis, right), Markup("").join(columns))


def _label(claims: Sequence[Json]) -> str:
    counts = [f"{n} {outcome.lower()}" for outcome, n in wording.counts(claims).items() if n]
    return (
        f"Effects of {wording.plural(len(claims), 'claim')} with intervals, in units of the smallest difference that "
        f"would matter: {', '.join(counts)}."
    )


def _grid(axis: UnitAxis, right: float) -> Markup:
    """Lines and names of the units, 0 in full, and the name of the axis."""
    ticks = axis.ticks(lambda _: 50)
    lines = "".join(f"M{LEFT} {axis.position(tick) / 10:g}H{right:g}" for tick in ticks)
    names = Markup("").join(
        Markup('<text x="{}" y="{:g}" text-anchor="end">{}</text>').format(
            LEFT - 6, axis.position(tick) / 10 + 4, wording.number(tick, 1)
        )
        for tick in ticks
    )
    return Markup(
        '<path class="grid" d="{}" fill="none" stroke="currentColor" stroke-opacity=".2"/>'
        '<path class="zero" d="M{} {:g}H{:g}" fill="none" stroke="currentColor" stroke-opacity=".6"/>'
        '<g class="ticks" fill="currentColor" font-size="12">{}</g>'
    ).format(lines, LEFT, axis.position(0) / 10, right, names)


def _column(claim: Json, axis: UnitAxis, at: int, slot: float) -> Markup:
    """One claim: its mark, zone, bounds, interval, mean and id. A group of its verdict's class gives the colour."""
    verdict, reading = Verdict.of(claim["outcome"]), weakest(claim)
    drawn = Markup("") if reading is None else _effect(claim, reading, axis, at, slot)
    short = claim["id"] if len(claim["id"]) <= LETTERS else claim["id"][: LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    x = at / 10
    return Markup(
        '<g class="claim {}"><g transform="scale(.1)">{}</g>'
        '<g fill="currentColor" stroke="none"><text x="{:g}" y="15" text-anchor="middle" font-size="14">{}</text>'
        '<text x="{:g}" y="{}" text-anchor="end" font-size="11" transform="rotate(-45 {:g} {})">{}</text></g></g>'
    ).format(verdict.css, drawn, x, verdict.glyph, x + 4, FLOOR + 14, x + 4, FLOOR + 14, short)


def _effect(claim: Json, reading: Json, axis: UnitAxis, at: int, slot: float) -> Markup:
    shown, half = Drawn.in_units(claim, reading), round(4 * slot)
    area = Markup("")
    if shown.zone is not None:
        low, high = (
            10 * edge if end is None else axis.position(end) for end, edge in zip(shown.zone, (FLOOR, TOP), strict=True)
        )
        area = Markup(
            '<path class="zone" d="M{} {}H{}V{}H{}z" fill="currentColor" fill-opacity=".13" stroke="none"/>'
        ).format(at - half, low, at + half, high, at - half)
    edges = "".join(f"M{at - half} {axis.position(line)}h{2 * half}" for line in shown.bounds)
    span = "" if shown.interval is None else "M{} {}V{}".format(at, *map(axis.position, shown.interval))
    dot = "" if shown.mean is None else f"M{at} {axis.position(shown.mean)}h0"
    return area + Markup(
        '<path class="bound" d="{}" stroke-width="12" stroke-dasharray="30 20"/>'
        '<path class="interval" d="{}" stroke-width="24"/><path class="mean" d="{}" stroke-width="80"/>'
    ).format(edges, span, dot)
