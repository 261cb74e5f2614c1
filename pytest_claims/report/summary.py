"""The report in Markdown, for the summary page of a CI run."""

from collections.abc import Sequence

from pytest_claims.report import wording
from pytest_claims.report.findings import Findings
from pytest_claims.report.markdown import markup
from pytest_claims.report.readings import Decisive
from pytest_claims.report.wording import Verdict
from pytest_claims.trial import Json

STATEMENT = 160
"""Characters of a statement that a table has room for."""


def summary(evidence: Json) -> str:
    """A sentence, a table of all claims, and what not to miss."""
    lines = [f"## {markup(evidence['title'])}", "", markup(wording.answer(evidence)), ""]
    for problem in evidence["problems"]:
        lines += [f"> **Note:** {markup(problem)}", ""]
    scale, manifest = evidence["scale"], evidence["manifest"]
    lines += [
        f"Scale {markup(scale['name'])}: {markup(scale['scope'])}. Manifest version {manifest['version']}. "
        f"Intervals are at {wording.LEVEL} and not adjusted for the family of claims; q is, and decides.",
        "",
        "| Claim | Verdict | Effect | Interval | q | n | Statement |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *map(_row, evidence["claims"]), "", *_findings(evidence["claims"]), ""])


def _findings(claims: Sequence[Json]) -> list[str]:
    """What is wrong in the write-up, and which claims came out otherwise, in lists."""
    found = Findings.of(claims)
    lines = ["### Errata and findings", ""]
    lines += [f"- Erratum, {markup(', '.join(e.ids))}: {markup(_short(e.text))}" for e in found.errata]
    lines += [] if found.errata else ["- Errata: none."]
    for one in [*found.decided, *found.open]:
        expected = f" (expected {one.expected})" if one.expected else ""
        lines.append(f"- {markup(one.claim['id'])} {one.verdict.word.lower()}{expected}: {markup(_short(one.figures))}")
    lines += [f"- {verdict.word}: {markup(', '.join(ids))}" for verdict, ids in found.without]
    if found.otherwise:
        return lines
    return [
        *lines,
        f"- Findings: none, {'every claim came out as expected' if claims else 'no claim has come to a verdict'}.",
    ]


def _row(claim: Json) -> str:
    """A claim as a row of the table."""
    verdict = Verdict.of(claim["outcome"])
    expected = f" (expected {Verdict.of(claim['expected']).word.lower()})" if wording.surprising(claim) else ""
    cells = [claim["id"], f"{verdict.glyph} {verdict.word}{expected}", *Decisive.of(claim)]
    return f"| {' | '.join(markup(cell) for cell in [*cells, _short(claim['statement'])])} |"


def _short(text: str) -> str:
    return text if len(text) <= STATEMENT else text[: STATEMENT - 3].rstrip() + "..."
