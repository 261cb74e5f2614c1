"""The report in Markdown, for the summary page of a CI run."""

import re

from pytest_claims.report import wording
from pytest_claims.report.readings import estimate, weakest
from pytest_claims.report.wording import Verdict, number
from pytest_claims.trial import Json

STATEMENT = 160
"""Characters of a statement that a table has room for."""


def summary(evidence: Json) -> str:
    """A sentence and a table of all claims."""
    lines = [f"## {_text(evidence['title'])}", "", _text(wording.answer(evidence)), ""]
    for problem in evidence["problems"]:
        lines += [f"> **Note:** {_text(problem)}", ""]
    scale, manifest = evidence["scale"], evidence["manifest"]
    lines += [
        f"Scale {_text(scale['name'])}: {_text(scale['scope'])}. Manifest version {manifest['version']}. "
        f"Intervals are at {wording.LEVEL} and not adjusted for the family of claims; q is, and decides.",
        "",
        "| Claim | Verdict | Effect | Interval | q | n | Statement |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *map(_row, evidence["claims"]), ""])


def _row(claim: Json) -> str:
    """A claim as a row of the table."""
    verdict = Verdict.of(claim["outcome"])
    expected = f" (expected {Verdict.of(claim['expected']).word.lower()})" if wording.surprising(claim) else ""
    cells = [claim["id"], f"{verdict.glyph} {verdict.word}{expected}", *_figures(claim)]
    return f"| {' | '.join(_text(cell) for cell in [*cells, _short(claim['statement'])])} |"


def _figures(claim: Json) -> list[str]:
    """Effect, interval, q and n."""
    if claim["worst"]:
        shares = [worst["share"] for worst in claim["worst"].values()]
        worst = f"{number(max(shares), 2)} of its bound" if None not in shares else "beyond its bound"
        return [f"worst error {worst}", "", "", f"{max(w['checks'] for w in claim['worst'].values()):,}"]
    reading = weakest(claim)
    if reading is None:
        return ["", "", "", ""]
    shown = estimate(claim, reading)
    name = f"{reading['name']}: " if reading["name"] else ""
    effect = f"{name}{shown.mean}" + f" {reading['measure']}" * (reading["mean"] is not None)
    qs = [q for q in (claim["pvalues"].get("q_supported"), claim["pvalues"].get("q_refuted")) if q is not None]
    return [effect, shown.interval, number(min(qs), 2) if qs else "", str(claim["seeds"])]


def _short(text: str) -> str:
    return text if len(text) <= STATEMENT else text[: STATEMENT - 3].rstrip() + "..."


def _text(text: str) -> str:
    """Plain text in Markdown: one line, and no character that makes markup, a mention or a link."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", text)
    return text.replace("@", "&#64;").replace("://", "&#58;//")
