"""From evidence to the page: one HTML file that needs nothing else, and shows everything without its script too."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pytest_claims.claim import Outcome
from pytest_claims.report import overview, wording
from pytest_claims.report.bars import UnitAxis, unit_axis
from pytest_claims.report.cards import Card, anchors, card
from pytest_claims.report.filters import Choice, Filters, question
from pytest_claims.report.findings import Findings, differing
from pytest_claims.report.pages import document, packed
from pytest_claims.report.readings import in_units
from pytest_claims.report.wording import duration, number, plural
from pytest_claims.statistics import ALPHA, LOOKS
from pytest_claims.trial import Json

ORDER = (Outcome.REFUTED, Outcome.SUPPORTED, Outcome.INCONCLUSIVE, Outcome.NOT_JUDGED, Outcome.ERROR)
"""Of rows in the overview: what does not hold comes first."""

WARNINGS = {
    "complete": "Know before you read",
    "interrupted": "The run was interrupted: this is what was finished by then",
    "errors": "Something went wrong: not every claim has a result",
    "nothing judged": "Nothing was judged over seeds",
}
"""Headings of the box that comes before the answer, by status."""

HEADLINES = 6
"""At most so many a column."""

HIGHLIGHTS = ("torch", "device")
"""Provenance that belongs on the first screen, where it is there."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A table of the overview: claims judged over seeds, or property claims."""

    seeds: list[Card]
    properties: list[Card]
    axis: Markup


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A link of the strip: a claim, or all variants of one that came to the same.

    Attributes:
        first: The card that it leads to.
        label: The id, with the number of variants if there are several.
    """

    first: Card
    label: str


def _chips(cards: Sequence[Card]) -> list[Chip]:
    """One link a claim, verdict and kind: dozens of variants would push what matters off the first screen."""
    groups: dict[tuple[str, str], list[Card]] = {}
    for one in cards:
        groups.setdefault((one.claim["id"].partition("[")[0], one.item), []).append(one)
    return [
        Chip(
            first=group[0],
            label=f"{stem} \u00d7 {len(group)}" if len(group) > 1 else group[0].claim["id"],
        )
        for (stem, _), group in groups.items()
    ]


def page(evidence: Json) -> str:
    """The page. The same evidence gives the same bytes."""
    axis = UnitAxis.over(in_units([claim for claim in evidence["claims"] if claim["kind"] != "property"]))
    filters = Filters.of(evidence["claims"])
    fragments = anchors([claim["id"] for claim in evidence["claims"]])
    cards = [
        card(claim, fragments[claim["id"]], filters.item(claim), evidence["trials"], axis)
        for claim in evidence["claims"]
    ]
    table = _overview(cards, axis)
    return document(
        "index.html.j2",
        hidden=filters.classes,
        answer=wording.answer(evidence),
        title=evidence["title"],
        warning=WARNINGS[evidence["status"]] if evidence["status"] != "complete" or evidence["problems"] else "",
        problems=evidence["problems"],
        filters=filters,
        headlines=_headlines(cards),
        picture=overview.picture([c.claim for c in table.seeds]),
        cards=cards,
        questions=_questions(cards, filters),
        chips=_chips(cards),
        surprises=[c for c in cards if c.surprising],
        differing=[c for c in cards if differing([c.claim])],
        overview=table,
        findings=Findings.of(evidence["claims"]),
        anchors=fragments,
        facts=_facts(evidence),
        provenance=_provenance(evidence),
        family=len(evidence["manifest"]["family"]),
        version=evidence["manifest"]["version"],
        scale=evidence["scale"],
        rules={"alpha": ALPHA, "looks": _listed(LOOKS), "count": len(LOOKS), "level": wording.LEVEL},
        document=packed(evidence),
    )


def _headlines(cards: Sequence[Card]) -> list[tuple[str, list[Card], int]]:
    """What fits on the first screen: claims that do not hold, the first of each question that does, how many are left."""
    refuted = [c for c in cards if c.claim["outcome"] == Outcome.REFUTED]
    supported: dict[str, Card] = {}
    for one in cards:
        if one.claim["outcome"] == Outcome.SUPPORTED and one.claim["kind"] != "property":
            supported.setdefault(question(one.claim["place"]), one)
    holding = sum(one.claim["outcome"] == Outcome.SUPPORTED for one in cards)
    found = {"Does not hold": (refuted, len(refuted)), "Holds": (list(supported.values()), holding)}
    return [(name, some[:HEADLINES], total - len(some[:HEADLINES])) for name, (some, total) in found.items() if some]


def _questions(cards: Sequence[Card], filters: Filters) -> list[tuple[Choice, list[Card]]]:
    """The cards of each question."""
    return [(choice, [c for c in cards if filters.group(c.claim) is choice]) for choice in filters.questions]


def _overview(cards: Sequence[Card], axis: UnitAxis) -> Overview:
    """Rows by verdict; within one, in the order of the evidence."""
    rows = sorted(cards, key=lambda one: _rank(one.claim))
    return Overview(
        seeds=[c for c in rows if c.claim["kind"] != "property"],
        properties=[c for c in rows if c.claim["kind"] == "property"],
        axis=unit_axis(axis),
    )


def by_verdict(claims: Sequence[Json]) -> list[Json]:
    """What does not hold comes first."""
    return sorted(claims, key=_rank)


def _rank(claim: Json) -> int:
    return ORDER.index(Outcome(claim["outcome"]))


def _facts(evidence: Json) -> list[tuple[str, str]]:
    """What a verdict rests on, in a line of the first screen."""
    scale, gathering, told = evidence["scale"], evidence["gathering"], evidence["provenance"]
    seeds = max((claim["seeds"] for claim in evidence["claims"]), default=0)
    facts = [
        ("Scale", f"{scale['name']}, {scale['scope']}" if scale["scope"] else scale["name"]),
        ("Seeds", f"up to {seeds}" if seeds else "none"),
        ("Runs", f"{gathering['distinct']:,}, {gathering['trained']:,} of them new"),
        ("Time", duration(evidence["seconds"])),
    ]
    facts += [(name, str(told[name])) for name in HIGHLIGHTS if name in told]
    return [*facts, ("Started", wording.minute(evidence["started"]))]


def _provenance(evidence: Json) -> list[tuple[str, str]]:
    """Where the figures come from."""
    gathering, scale, manifest = evidence["gathering"], evidence["scale"], evidence["manifest"]
    unit = gathering["cost_unit"]
    ids = {claim["id"] for claim in evidence["claims"]}
    here = len(ids.intersection(manifest["family"]))
    rows = [
        ("started", evidence["started"]),
        (
            "duration",
            f"{duration(evidence['seconds'])}, of which {duration(evidence['seconds_gathering'])} in training",
        ),
        ("scale", f"{scale['name']}: {scale['scope']}, looks at {_listed(scale['looks'])} seeds"),
        ("manifest", f"version {manifest['version']}, {plural(len(manifest['family']), 'claim')}, {here} of them here"),
        ("runs", f"{gathering['requested']:,} asked for by claims, {gathering['distinct']:,} of them different"),
        ("trained", f"{gathering['trained']:,}; {gathering['reused']:,} were stored already"),
        ("cost", f"{number(gathering['distinct_cost'])} {unit} for {number(gathering['requested_cost'])} asked for"),
    ]
    return rows + [(name, _text(value)) for name, value in evidence["provenance"].items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(numbers: Sequence[int]) -> str:
    """3, 5 and 8."""
    *head, last = (str(n) for n in numbers)
    return f"{', '.join(head)} and {last}" if head else last
