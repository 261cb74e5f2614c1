"""From evidence to the page: one HTML file that needs nothing else, no script and no network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pytest_claims.claim import Outcome
from pytest_claims.report import wording
from pytest_claims.report.bars import UnitAxis, unit_axis
from pytest_claims.report.cards import Card, anchors, card
from pytest_claims.report.findings import Findings
from pytest_claims.report.readings import in_units
from pytest_claims.report.wording import Verdict, duration, number, plural
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
    """One link a claim and verdict: dozens of variants would push what matters off the first screen."""
    groups: dict[tuple[str, str], list[Card]] = {}
    for one in cards:
        groups.setdefault((one.claim["id"].partition("[")[0], one.claim["outcome"]), []).append(one)
    return [
        Chip(first=group[0], label=f"{stem} \u00d7 {len(group)}" if len(group) > 1 else group[0].claim["id"])
        for (stem, _), group in groups.items()
    ]


def page(evidence: Json) -> str:
    """The page. The same evidence gives the same bytes."""
    axis = UnitAxis.over(in_units([claim for claim in evidence["claims"] if claim["kind"] != "property"]))
    fragments = anchors([claim["id"] for claim in evidence["claims"]])
    cards = [card(claim, fragments[claim["id"]], evidence["trials"], axis) for claim in evidence["claims"]]
    answer = wording.answer(evidence)
    return _template().render(
        answer=answer,
        question=evidence["title"],
        warning=WARNINGS[evidence["status"]] if evidence["status"] != "complete" or evidence["problems"] else "",
        problems=evidence["problems"],
        tiles=[Verdict.of(o, n) for o, n in wording.counts(evidence["claims"]).items()],
        cards=cards,
        chips=_chips(cards),
        surprises=[c for c in cards if c.surprising],
        overview=_overview(cards, axis),
        findings=Findings.of(evidence["claims"]),
        anchors=fragments,
        facts=_facts(evidence),
        provenance=_provenance(evidence),
        family=len(evidence["manifest"]["family"]),
        version=evidence["manifest"]["version"],
        scale=evidence["scale"],
        rules={"alpha": ALPHA, "looks": _listed(LOOKS), "count": len(LOOKS), "level": wording.LEVEL},
        document=_json_block(evidence),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("pytest_claims.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["no_value"] = wording.NO_VALUE
    return environment.get_template("index.html.j2")


def _overview(cards: Sequence[Card], axis: UnitAxis) -> Overview:
    """Rows by verdict; within one, in the order of the evidence."""
    rows = sorted(cards, key=lambda c: ORDER.index(Outcome(c.verdict.outcome)))
    return Overview(
        seeds=[c for c in rows if c.claim["kind"] != "property"],
        properties=[c for c in rows if c.claim["kind"] == "property"],
        axis=unit_axis(axis),
    )


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
    return [*facts, ("Started", evidence["started"].replace("T", " ")[:16])]


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


def _json_block(evidence: Json) -> Markup:
    """The document for a script element, which ends at the first `</` and at nothing else."""
    text = json.dumps(evidence, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # the replacement is the escaping
