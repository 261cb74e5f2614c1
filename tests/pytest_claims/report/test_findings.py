"""The section that a reader must not miss lists the right claims, on the page and in the summary."""

from copy import deepcopy
from typing import Any

from pytest_claims.report import validate
from pytest_claims.report.findings import Findings
from pytest_claims.report.render import page
from pytest_claims.report.summary import summary
from tests.pytest_claims.report.evidence_example import HOSTILE
from tests.pytest_claims.report.example_page import changed, claim, claims, evidence
from tests.pytest_claims.report.page import Node, parse


def with_expected(outcome: str, expected: str) -> dict[str, Any]:
    return deepcopy(claim("C0")) | {"outcome": outcome, "expected": expected, "as_expected": outcome == expected}


def after(text: str, heading: str) -> list[str]:
    """The lines of a section of the summary."""
    lines = text.split(f"### {heading}\n")[1].split("\n#", maxsplit=1)[0].splitlines()
    return [line for line in lines if line]


def test_findings_are_refuted_or_not_as_expected() -> None:
    cases = {
        ("REFUTED", "REFUTED"): "decided",
        ("REFUTED", "SUPPORTED"): "decided",
        ("SUPPORTED", "REFUTED"): "decided",
        ("SUPPORTED", "SUPPORTED"): "",
        ("INCONCLUSIVE", "SUPPORTED"): "open",
        ("NOT JUDGED", "REFUTED"): "without",
        ("ERROR", "SUPPORTED"): "without",
    }
    for (outcome, expected), where in cases.items():
        found = Findings.of([with_expected(outcome, expected)])
        filled = [name for name in ("decided", "open", "without") if getattr(found, name)]
        assert filled == ([where] if where else []), outcome
        assert found.otherwise == bool(where)
        for one in [*found.decided, *found.open]:
            assert bool(one.expected) == (outcome != expected)


def test_section_lists_them_between_overview_and_cards(root: Node) -> None:
    sections = [node.attributes.get("id") for node in root.one("main").all("section")]
    assert sections[:3] == ["overview", "findings", "claims"]
    section = root.by_id("findings")
    errata, decided, undecided = section.all("ul")
    assert [[a.text for a in li.all("a")] for li in errata.all("li")] == [["Q1.5"], ["Q6.1[p=<b>0.5</b> & more]"]]
    assert [li.one("bdi").text for li in errata.all("li")] == [claim("Q1.5")["erratum"], HOSTILE]
    assert [li.one("a").text for li in decided.all("li")] == ["Q1.2", "Q3.2", "Q5.2"]
    assert [bool(li.all(css="expected")) for li in decided.all("li")] == [True, True, False]
    assert [li.one("a").text for li in undecided.all("li")] == ["Q4.1a"]
    assert [a.text for p in section.all("p") for a in p.all("a")] == ["Q6.3", "Q6.2"]
    otherwise = {c["id"] for c in claims() if c["outcome"] == "REFUTED" or not c["as_expected"]}
    shown = {a.text for li in [*decided.all("li"), *undecided.all("li"), *section.all("p")] for a in li.all("a")}
    assert shown == otherwise


def test_findings_have_the_figures_of_the_overview(root: Node) -> None:
    figures = {li.one("a").text: li.one(css="figures").words for li in root.by_id("findings").all("ul")[1].all("li")}
    assert figures["Q1.2"] == "worst error beyond its bound; 31 checks"
    assert figures["Q3.2"].startswith("\u22122.44 accuracy, pp; interval \u22122.57 to \u22122.31; q = 0.0")
    assert figures["Q3.2"].endswith("; 12 seeds")


def test_claim_without_figures_gives_its_reason() -> None:
    failed = deepcopy(claim("Q1.6")) | {"outcome": "REFUTED", "as_expected": False, "reason": "AssertionError: no"}
    (one,) = Findings.of([failed]).decided
    assert one.figures == "AssertionError: no"


def test_same_erratum_of_several_claims_is_said_once() -> None:
    both = [deepcopy(claim("C0")) | {"id": id_, "erratum": "The table is wrong."} for id_ in ("Q1", "Q2")]
    (erratum,) = Findings.of(both).errata
    assert erratum.ids == ["Q1", "Q2"]
    section = parse(page(validate(changed(claims=both)))).by_id("findings")
    assert section.all("li")[0].words == "Q1, Q2: The table is wrong."
    assert [a.attributes["href"] for a in section.all("a")] == ["#Q1", "#Q2"]


def test_none_is_said() -> None:
    calm = validate(changed(claims=[claim("C0")]))
    words = parse(page(calm)).by_id("findings").words
    assert "None: no claim of this run names an error of the write-up." in words
    assert "None: no claim is refuted, and every claim came out as expected." in words
    assert after(summary(calm), "Errata and findings") == [
        "- Errata: none.",
        "- Findings: none, every claim came out as expected.",
    ]


def test_run_without_a_result_says_that_nothing_was_judged() -> None:
    words = parse(page(validate(changed(claims=[])))).by_id("findings").words
    assert "None: no claim has come to a verdict." in words
    lines = after(summary(validate(changed(claims=[]))), "Errata and findings")
    assert lines == ["- Errata: none.", "- Findings: none, no claim has come to a verdict."]


def test_open_claims_alone_are_not_called_as_expected() -> None:
    section = parse(page(validate(changed(claims=[claim("Q4.1a")])))).by_id("findings")
    assert "No claim is refuted, and none is supported against what was expected." in section.words
    assert "Q4.1a" in section.words


def test_summary_has_them_in_short() -> None:
    lines = after(summary(evidence()), "Errata and findings")
    assert lines[0] == "- Erratum, Q1.5: The code keeps what it says it removes; both readings were trained."
    assert lines[1].startswith("- Erratum, Q6.1\\[p=&lt;b&gt;0.5&lt;/b&gt; &amp; more\\]: &lt;script&gt;")
    assert [line.split(":")[0] for line in lines[2:]] == [
        "- Q1.2 refuted (expected supported)",
        "- Q3.2 refuted (expected supported)",
        "- Q5.2 refuted",
        "- Q4.1a inconclusive (expected supported)",
        "- Not judged",
        "- Error",
    ]
    assert lines[-2:] == ["- Not judged: Q6.3", "- Error: Q6.2"]
