"""The page as a document: it stands alone, is well formed, and nothing hostile becomes markup."""

import base64
import hashlib
import re
from copy import deepcopy
from itertools import pairwise

import pytest

from pytest_claims.report import marks, validate
from pytest_claims.report.cards import anchors
from pytest_claims.report.render import page
from tests.pytest_claims.report.evidence_example import HOSTILE, LONG, example, large
from tests.pytest_claims.report.example_page import changed, claims, evidence, html
from tests.pytest_claims.report.page import Node, data, parse


def test_ids_are_unique_and_links_have_targets(root: Node) -> None:
    ids = [node.attributes["id"] for node in root.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    assert not [id_ for id_ in ids if re.search(r"[\s\"<>`%&#']", id_)]
    targets = [node.attributes["href"] for node in root.all("a")]
    assert len(targets) > 3 * len(claims())
    assert {target.removeprefix("#") for target in targets} <= set(ids)
    labelled = [node.attributes["aria-labelledby"] for node in root.all() if "aria-labelledby" in node.attributes]
    assert set(labelled) <= set(ids)


def test_plain_ids_are_their_own_fragments(root: Node) -> None:
    assert root.by_id("Q2.3").tag == "article"
    assert root.by_id("Q2.4[lr=0.05]").tag == "article"


def test_anchors_do_not_collide() -> None:
    assert anchors(["Q1[a b]", "Q1[a-b]", "Q1[a<b]"]) == {
        "Q1[a b]": "Q1[a-b]",
        "Q1[a-b]": "Q1[a-b]-2",
        "Q1[a<b]": "Q1[a-b]-3",
    }


def test_structure(root: Node) -> None:
    assert len(root.all("h1")) == len(root.all("main")) == 1
    assert root.one("html").attributes["lang"] == "en"
    levels = [int(node.tag[1]) for node in root.all() if re.fullmatch(r"h[1-6]", node.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert sorted(card.one("h4").words for card in root.all("article")) == sorted(c["id"] for c in claims())
    for svg in root.all("svg"):
        assert svg.attributes.get("aria-hidden") == "true" or svg.attributes["role"] == "img"
    for table in root.all("table"):
        columns = len(table.one("thead").all("th"))
        for tr in table.one("tbody").all("tr"):
            cells = [cell for cell in tr.children if isinstance(cell, Node)]
            assert sum(int(cell.attributes.get("colspan", "1")) for cell in cells) == columns, tr.words


def test_page_needs_nothing_else(root: Node) -> None:
    for node in root.all():
        for name in ("src", "href", "srcset", "poster", "action", "xlink:href"):
            assert node.attributes.get(name, "#").startswith(("#", "data:")), node
    css = root.one("style").text
    assert css.count("url(") == css.count("url(data:font/woff2;base64,") == 1
    assert "@import" not in css
    assert [node.attributes for node in root.all("script")] == [
        {"type": "application/gzip;base64", "id": "report-data"},
        {},
    ]


def test_policy_lets_run_what_the_page_has_and_nothing_else(root: Node) -> None:
    (policy,) = [m.attributes["content"] for m in root.all("meta") if m.attributes.get("http-equiv")]
    texts = {"style": root.one("style").text, "script": root.all("script")[-1].text}
    for kind, text in texts.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_nothing_hostile_becomes_markup(root: Node) -> None:
    allowed = {
        "html head meta title link style body main header h1 h2 h3 h4 h5 p a strong em cite bdi code pre ul li nav"
    }
    allowed |= {
        "section article div span dl dt dd table caption thead tbody tr th td figure figcaption fieldset legend"
    }
    allowed |= {"label input svg g path text details summary script"}
    allowed |= {"math mrow mi mn mo mtext mspace msub msup msubsup mfrac msqrt mover munder munderover mstyle"}
    assert {node.tag for node in root.all()} <= set(" ".join(allowed).split())
    assert not [n for node in root.all() for n in node.attributes if n.startswith("on") or n == "style"]
    assert not root.all("img")
    card = next(card for card in root.all("article") if card.one("h4").words.startswith("Q6.1"))
    assert card.one(css="statement").text == LONG
    assert HOSTILE in card.one("cite").text
    assert HOSTILE in card.one(css="erratum").text
    assert card.one(css="formula").text == "</code><script>"
    assert "49" not in card.one(css="statement").text
    assert "</script" not in root.by_id("report-data").text


def test_page_carries_the_evidence(root: Node) -> None:
    assert data(root) == evidence()


def test_same_evidence_gives_same_bytes() -> None:
    assert page(deepcopy(evidence())) == html() == page(validate(example()))


def test_toggles_hide_their_arms(root: Node) -> None:
    css = root.one("style").text
    for i in range(1, len(marks.DASHES) + 1):
        assert f"figure:has(.t{i}:not(:checked)) .chart .s{i}" in css
        assert f".s{i}" in css


def before(root: Node, first: Node, second: Node) -> bool:
    nodes = [id(node) for node in root.all()]
    return nodes.index(id(first)) < nodes.index(id(second))


def test_warning_comes_first_when_interrupted() -> None:
    root = parse(page(changed(status="interrupted", problems=["Ctrl-C <b>now</b>"])))
    warning = root.one(css="warning")
    assert "interrupted" in warning.words
    assert "Ctrl-C <b>now</b>" in warning.text
    assert before(root, warning, root.one(css="answer"))
    assert root.one("title").words.startswith("Does the write-up hold? Interrupted: 10 of 16 claims")


@pytest.mark.parametrize(("status", "heading"), [("errors", "went wrong"), ("nothing judged", "Nothing was judged")])
def test_warning_names_the_status(status: str, heading: str) -> None:
    assert heading in parse(page(changed(status=status))).one(css="warning").words


def test_no_warning_when_all_is_well(root: Node) -> None:
    assert not root.all(css="warning")


def test_problems_are_said_even_when_complete() -> None:
    assert "a fallback" in parse(page(changed(problems=["a fallback data set"]))).one(css="warning").words


def test_empty_run_has_a_page() -> None:
    empty = {"claims": [], "trials": {}, "status": "nothing judged", "manifest": {"version": 0, "family": []}}
    root = parse(page(validate(changed(**empty))))
    assert root.one(css="answer").words == "No claim has come to a verdict."
    assert not root.all("article")
    assert not root.all("table")


def test_unjudged_scale_says_so() -> None:
    scale = {"name": "smoke", "scope": "on 500 images", "looks": [1], "judged": False}
    assert "At scale smoke no claim is judged over seeds" in parse(page(changed(scale=scale))).by_id("rules").words


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_are_readable(root: Node, theme: int) -> None:
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", root.one("style").text)
    colours = {name: themes[theme] for name, *themes in found}
    assert len(colours) == 24
    for name in ("text", "muted", "link"):
        assert contrast(colours[name], colours["page"]) >= 4.5, name
    for arm in range(1, 9):
        assert contrast(colours[f"arm{arm}"], colours["page"]) >= 4.5, arm
    for name in ("supported", "refuted", "inconclusive", "not-judged", "error"):
        assert contrast(colours[name], colours[f"{name}-tint"]) >= 4.5, name
        assert contrast(colours[name], colours["page"]) >= 4.5, name


def test_large_report_stays_small() -> None:
    text = page(validate(large()))
    assert len(text.encode()) < 3_000_000
    assert len(parse(text).all()) < 15_000
