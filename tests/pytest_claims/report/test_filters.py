"""What can be hidden: by verdict, question and kind, with boxes that only CSS reads."""

import re
from collections import Counter

import pytest

from pytest_claims.report.filters import question
from tests.pytest_claims.report.example_page import claims
from tests.pytest_claims.report.page import Node


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("Exercise 3", "Exercise 3"),
        ("Exercise 3 (beyond it)", "Exercise 3"),
        ("question 1, table", "Question 1"),
        ("introduction", "Introduction"),
        ("", "Elsewhere"),
        ("(implied)", "Elsewhere"),
    ],
)
def test_question(place: str, part: str) -> None:
    assert question(place) == part


def boxes(root: Node) -> dict[str, tuple[str, int]]:
    """By class: the label of its box, and the count in it."""
    found = {}
    for label in root.all("label"):
        box = label.one("input")
        if "show" in box.classes:
            (count,) = re.findall(r"\d+", label.words.replace(label.one("bdi").text if label.all("bdi") else "", ""))
            found[box.attributes["id"].removeprefix("show-")] = (label.words, int(count))
    return found


def test_every_box_counts_what_it_hides(root: Node) -> None:
    cards = Counter(css for card in root.all("article") for css in card.classes)
    for css, (words, count) in boxes(root).items():
        assert cards[css] == count, words
    assert sum(count for css, (_, count) in boxes(root).items() if css.startswith("k")) == len(claims())
    assert sum(count for css, (_, count) in boxes(root).items() if css.startswith("q")) == len(claims())


def test_every_box_has_its_rule(root: Node) -> None:
    css = root.one("style").text
    for name in boxes(root):
        assert f"main:has(#show-{name}:not(:checked)) .item.{name}" in css


def test_cards_stand_under_their_question(root: Node) -> None:
    nodes = [node for node in root.by_id("claims").all() if node.tag == "article" or "question" in node.classes]
    under = ""
    for node in nodes:
        part = next(css for css in node.classes if re.fullmatch(r"q\d+", css))
        under = part if node.tag == "h3" else under
        assert part == under


def test_what_fits_on_the_first_screen(root: Node) -> None:
    no, yes = root.one(css="headlines").all("div")
    assert no.one("h2").text == "Does not hold"
    refuted = [c["id"] for c in claims() if c["outcome"] == "REFUTED"]
    left = [f"and {len(refuted) - 6} more"] if len(refuted) > 6 else []
    assert [a.text for a in no.all("a")] == refuted[:6] + left
    supported = [c for c in claims() if c["outcome"] == "SUPPORTED" and c["kind"] != "property"]
    firsts: dict[str, str] = {}
    for c in supported:
        firsts.setdefault(question(c["place"]), c["id"])
    shown, more = list(firsts.values())[:6], sum(c["outcome"] == "SUPPORTED" for c in claims())
    assert [a.text for a in yes.all("a")] == [*shown, f"and {more - len(shown)} more"]
