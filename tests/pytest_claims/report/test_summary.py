"""The Markdown summary: a sentence, a table, and no markup but its own."""

import html
import re
from copy import deepcopy
from functools import cache
from typing import Any

from pytest_claims.report import validate, wording
from pytest_claims.report.summary import summary
from tests.pytest_claims.report.evidence_example import example


@cache
def evidence() -> dict[str, Any]:
    return validate(example())


def cells(line: str) -> list[str]:
    """The cells of a table row, with every escape undone."""
    parts = re.split(r"(?<!\\)\|", line)[1:-1]
    return [html.unescape(re.sub(r"\\(.)", r"\1", part)).strip() for part in parts]


def rows() -> dict[str, list[str]]:
    lines = [line for line in summary(evidence()).splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in map(cells, lines[2:])}


def test_summary_starts_with_question_and_answer() -> None:
    lines = summary(evidence()).splitlines()
    assert lines[0] == "## Does the write-up hold?"
    assert lines[2] == wording.answer(evidence())


def test_summary_has_a_row_a_claim_of_seven_cells() -> None:
    found = rows()
    assert list(found) == [c["id"] for c in evidence()["claims"]]
    assert {len(row) for row in found.values()} == {6}
    for c in evidence()["claims"]:
        assert found[c["id"]][0].split(" ")[1] == c["outcome"].capitalize().split(" ")[0]


def test_summary_shows_effect_interval_q_and_n() -> None:
    verdict, effect, interval, q, n, statement = rows()["C0"]
    assert verdict == "\u2713 Supported"
    assert effect == "+20.6 accuracy, pp"
    assert interval == "+14.4 to +26.7"
    claim = next(c for c in evidence()["claims"] if c["id"] == "C0")
    assert q == wording.number(claim["pvalues"]["q_supported"], 2)
    assert n == "12"
    assert statement.startswith("Normalising eases convergence")


def test_summary_names_what_was_not_expected() -> None:
    found = rows()
    assert found["Q3.2"][0].endswith("(expected supported)")
    assert found["Q5.2"][0] == "\u2717 Refuted"


def test_summary_of_properties_and_of_no_figures() -> None:
    found = rows()
    assert found["Q1.1"][1:5] == ["worst error 0.31 of its bound", "", "", "1,200"]
    assert found["Q1.2"][1] == "worst error beyond its bound"
    assert found["Q6.2"][1:5] == ["", "", "", ""]
    assert found["Q4.2"][1:3] == ["no value", ""]


def test_nothing_hostile_becomes_markup() -> None:
    text = summary(evidence())
    assert "<" not in text
    assert "](" not in text
    assert "://" not in text
    assert not re.search(r"(?<!\\)`", text)
    assert "@" not in text
    hostile = next(row for id_, row in rows().items() if id_.startswith("Q6.1"))
    assert hostile[-1].startswith("<script>alert(1)</script>")
    assert len(hostile[-1]) <= 160


def test_problems_are_said_first() -> None:
    document = deepcopy(evidence()) | {"status": "interrupted", "problems": ["Ctrl-C\nafter 3 | 4 trials"]}
    lines = summary(document).splitlines()
    assert "> **Note:** Ctrl-C after 3 \\| 4 trials" in lines
    assert lines.index("> **Note:** Ctrl-C after 3 \\| 4 trials") < next(
        i for i, line in enumerate(lines) if line.startswith("| Claim")
    )
    assert lines[2].startswith("Interrupted: ")
