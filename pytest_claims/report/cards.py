"""One claim as the page shows it: from its evidence to texts, tables and pictures."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count

from markupsafe import Markup

from pytest_claims.report import readings, wording
from pytest_claims.report.arms import ArmRow, Arms, Drawing, recipe_rows
from pytest_claims.report.bars import UnitAxis, share_bar
from pytest_claims.report.formulas import mathml
from pytest_claims.report.pictures import Picture, pictures
from pytest_claims.report.readings import Figure
from pytest_claims.report.tunings import Tuning, tunings
from pytest_claims.report.wording import Verdict, number
from pytest_claims.trial import Json


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a property claim measured, as a row of a table."""

    name: str
    checks: int
    error: str
    bound: str
    share: str
    closeness: float
    bar: Markup


@dataclass(frozen=True, kw_only=True)
class Card:
    """A claim's section.

    Attributes:
        claim: Its evidence, for the texts that are shown as they are.
        anchor: Its fragment.
        item: The classes by which filters find it.
        formula: As MathML, or its source where that cannot be.
        test: How it is judged, in words.
        surprising: Whether the verdict is the opposite of the expected one.
        headline: The reading that decides.
        drawing: The learning curves of its arms.
        pictures: What the claim itself draws.
        quoted: The curve that the write-up's figures are set beside.
        tunings: How its arms came to their own best settings.
        elsewhere: What the write-up reports of anything but an arm.
        later: Whether some run diverged after the epochs that the claim reads.
        seeds: Every reading seed by seed, as plain text.
    """

    claim: Json
    anchor: str
    item: str
    formula: Markup
    test: str
    verdict: Verdict
    expected: Verdict
    surprising: bool
    headline: Figure | None
    figures: list[Figure]
    also: list[Figure]
    pvalues: list[tuple[str, str, str, str]]
    rarest: str
    quantities: list[Quantity]
    drawing: Drawing | None
    pictures: list[Picture]
    final_heads: list[str]
    arms: list[ArmRow]
    quoted: str
    tunings: list[Tuning]
    elsewhere: list[tuple[str, str]]
    later: bool
    seeds: str
    recipes: list[tuple[str, str]]
    runs: str

    @property
    def worst(self) -> Quantity | None:
        """The quantity closest to its bound, or furthest beyond."""
        return max(self.quantities, key=lambda quantity: quantity.closeness, default=None)


def anchors(ids: Sequence[str]) -> dict[str, str]:
    """A fragment a claim: its id but for what neither an attribute nor an address may hold, numbered where two meet."""
    found: dict[str, str] = {}
    for claim_id in ids:
        plain = re.sub(r"[^\w.=\[\],:+*/()-]", "-", claim_id, flags=re.ASCII)
        numbered = (f"{plain}-{n}" for n in count(2))
        found[claim_id] = next(name for name in chain([plain], numbered) if name not in found.values())
    return found


def card(claim: Json, anchor: str, item: str, trials: Mapping[str, Json], axis: UnitAxis) -> Card:
    """What a claim's section shows."""
    shown, arms = readings.weakest(claim), Arms.of(claim, trials)
    rows, searches = arms.rows(), tunings(claim, trials)
    return Card(
        claim=claim,
        anchor=anchor,
        item=item,
        formula=mathml(claim["formula"]) or Markup("<p><code>{}</code></p>").format(claim["formula"]),
        test=wording.test_of(claim),
        verdict=Verdict.of(claim["outcome"]),
        expected=Verdict.of(claim["expected"]),
        surprising=wording.surprising(claim),
        headline=readings.judged(claim, shown, axis) if shown else None,
        figures=[readings.judged(claim, reading, axis) for reading in claim["readings"]],
        also=[readings.beside(reading) for reading in claim["also"]],
        pvalues=readings.pvalue_rows(claim["pvalues"]),
        rarest=wording.share(claim["rarest_excluded"]) if claim.get("rarest_excluded") else "",
        quantities=[_quantity(claim["id"], name, worst) for name, worst in claim["worst"].items()],
        drawing=arms.drawing(),
        pictures=pictures(claim),
        final_heads=[f"Final {curve}" for curve in arms.curves],
        arms=rows,
        quoted=arms.quoted,
        tunings=searches,
        elsewhere=[(what, wording.given(v)) for what, v in claim["reported"].items() if what not in arms.runs],
        later=sum(row.diverged for row in rows) + sum(search.diverged for search in searches) > claim["diverged"],
        seeds=wording.aligned(readings.seed_table(claim)),
        recipes=recipe_rows(claim["recipes"] | dict(search.recipe for search in searches)),
        runs="\n\n".join(filter(None, [arms.listing(), *(search.listing for search in searches)])),
    )


def _quantity(claim_id: str, name: str, worst: Json) -> Quantity:
    """A property's figure. What must exceed its bound has bound over difference as its share, so the two tell which."""
    share, error, bound = worst["share"], worst["error"], worst["bound"]
    closeness = math.inf if share is None else share
    exceeds = error is not None and bound is not None and (closeness <= 1) == (error > bound)
    text = "unbounded" if share is None else number(share, 2)
    return Quantity(
        name=name,
        checks=worst["checks"],
        error=number(error),
        bound=f"{'more than' if exceeds else 'at most'} {number(bound)}",
        share=text,
        closeness=closeness,
        bar=share_bar(share, label=f"{claim_id} {name}, share of the bound: {text}"),
    )
