"""The page in a real browser: Chromium of the system, driven by Playwright; skipped where either is missing."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pytest_claims.report import compare, write
from tests.pytest_claims.report.example_page import evidence

sync = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")
axe_of = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install -e '.[browser]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path")

Open = Callable[..., AbstractContextManager[Any]]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report and a comparison, where paths have a space and a letter that is not ASCII."""
    directory = tmp_path_factory.mktemp("r\u00e9port of a run")
    write(evidence(), directory)
    other = deepcopy(evidence())
    other["provenance"]["torch"] = "0.0"
    other["claims"][0]["outcome"] = "REFUTED"
    (directory / "comparison.html").write_text(compare([evidence(), other]).page, encoding="utf-8")
    return directory


@pytest.fixture
def opened(browser: Any, at: Path) -> Open:
    """Opens a page with the network off; any word on the console, and any request for another file, is a failure."""

    @contextmanager
    def open_(name: str = "index.html", *, fragment: str = "", **context: Any) -> Iterator[Any]:
        context = {"viewport": {"width": 1280, "height": 900}, "offline": True} | context
        with browser.new_context(**context) as made:
            page, said, asked = made.new_page(), [], []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.on("request", lambda request: asked.append(request.url))
            address = (at / name).as_uri()
            page.goto(address + fragment)
            yield page
            assert said == []
            assert [url for url in asked if not url.startswith(("data:", address))] == []

    return open_


def shown(page: Any, selector: str) -> int:
    """How many elements have a place on the page."""
    return int(page.evaluate("s => [...document.querySelectorAll(s)].filter(e => e.offsetParent).length", selector))


def test_opens_alone_and_says_nothing(opened: Open) -> None:
    for name in ("index.html", "comparison.html"):
        with opened(name) as page:
            assert page.locator("h1").is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 1280


@pytest.mark.parametrize("script", [True, False])
def test_filters_hide_claims(opened: Open, script: bool) -> None:
    with opened(java_script_enabled=script) as page:
        cards = page.locator("article.supported")
        assert page.locator(".filtered").is_hidden()
        page.locator("#show-supported").uncheck()
        assert not any(card.is_visible() for card in cards.all())
        assert not any(row.is_visible() for row in page.locator("tr.item.supported").all())
        assert page.locator("article.refuted").first.is_visible()
        assert page.locator(".filtered").is_visible()
        page.locator("#show-supported").check()
        assert cards.first.is_visible()


def test_filters_by_question_and_kind(opened: Open) -> None:
    with opened() as page:
        page.locator("summary", has_text="question or kind").click()
        everything = shown(page, "article.card")
        for name in ("q1", "k1"):
            before = page.locator(f"article.{name}").count()
            page.locator(f"#show-{name}").uncheck()
            assert shown(page, "article.card") == everything - before
            assert shown(page, f".item.{name}") == 0
            assert page.locator(".filtered").text_content().startswith(f"{before} of {everything} claims are hidden")
            page.locator(f"#show-{name}").check()


def test_a_link_leads_to_its_claim_also_where_it_is_hidden(opened: Open) -> None:
    with opened() as page:
        page.locator("#show-supported").uncheck()
        page.goto(page.url.partition("#")[0] + "#C0")
        page.wait_for_timeout(300)  # cards above take their real height only when they come near
        assert page.locator("#C0").is_visible()
        box = page.locator("#C0").bounding_box()
        assert 0 <= box["y"] < 900
        assert page.locator("article.supported:not(#C0)").first.is_hidden()


def test_links_and_back(opened: Open) -> None:
    with opened() as page:
        page.locator(".strip a", has_text="C0").first.click()
        assert page.url.endswith("#C0")
        page.go_back()
        assert "#" not in page.url
    with opened(fragment="#Q2.3") as page:
        assert 0 <= page.locator('[id="Q2.3"]').bounding_box()["y"] < 900


def test_pointer_reads_the_table_behind_the_chart(opened: Open) -> None:
    with opened() as page:
        figure = page.locator("#C0 figure").first
        chart, output = figure.locator("svg.chart"), figure.locator("output")
        chart.scroll_into_view_if_needed()
        rows = figure.locator("table.numbers tbody tr").all()
        places = [float(x) for x in chart.get_attribute("data-x").split()]
        assert len(places) == len(rows) == 10
        box = chart.bounding_box()
        width = float(chart.get_attribute("viewBox").split()[2])
        for i in (0, 4, 9):
            page.mouse.move(box["x"] + places[i] / width * box["width"], box["y"] + 50)
            text = output.text_content()
            cells = [cell.text_content() for cell in rows[i].locator("td").all()]
            assert text.startswith(f"epoch {i + 1}: ")
            assert all(cell in text for cell in cells)
            assert figure.locator("input[type=range]").get_attribute("aria-valuetext") == text
        assert figure.locator("path.cross").evaluate("line => getComputedStyle(line).display") == "block"


@pytest.mark.parametrize("width", [1280, 400])
def test_each_panel_is_read_by_itself(opened: Open, width: int) -> None:
    """Two panels on one figure; the cross-hair is on the one that is read, also where the chart is scaled down."""
    with opened(viewport={"width": width, "height": 900}) as page:
        figure = page.locator('[id="Q5.1"] .charts figure').first
        charts, outputs = figure.locator("svg.chart"), figure.locator("output")
        assert charts.count() == outputs.count() == 2
        chart, table = charts.nth(1), figure.locator("table.numbers").nth(1)
        first = float(chart.get_attribute("data-x").split()[0]) / float(chart.get_attribute("viewBox").split()[2])
        chart.hover()  # once it stands still; cards above take their real height on the way
        chart.hover(position={"x": first * chart.bounding_box()["width"] + 2, "y": 60})
        cells = table.locator("tbody tr").first.locator("th, td").all()
        said = outputs.nth(1).text_content()
        assert all(cell.text_content() in said for cell in cells)
        crosses = [cross.evaluate("c => getComputedStyle(c).display") for cross in figure.locator("path.cross").all()]
        assert crosses == ["none", "block"]


def test_a_panel_without_x_leaves_the_others_alone(browser: Any, tmp_path: Path) -> None:
    """A legal chart, half of it empty: every other chart still has its slider."""
    document = deepcopy(evidence())
    claim = next(c for c in document["claims"] if c["id"] == "Q5.1")
    for series in claim["charts"][0]["panels"][0]["series"]:
        series.update(x=[], y=[], low=[], high=[])
    write(document, tmp_path)
    with browser.new_context() as context:
        page, said = context.new_page(), []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((tmp_path / "index.html").as_uri())
        assert said == []
        assert page.locator('[id="Q5.1"] .charts output').count() == 1
        assert page.locator("figure output").count() == page.locator("figure svg.chart").count() - 1


def test_tab_reaches_everything_in_reading_order(opened: Open) -> None:
    """Skip link, then the boxes of the first screen; focus is always seen, and nothing holds it."""
    with opened() as page:
        seen = []
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate(
                    "(({className, id, textContent}) => [className, id, textContent])(document.activeElement)"
                )
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", seen[-1]
        assert seen[0][0] == "skip"
        order = [id_ for _, id_, _ in seen if id_.startswith("show-")]
        assert order == ["show-supported", "show-refuted", "show-inconclusive", "show-not-judged", "show-error"]
        assert len({tuple(each) for each in seen}) > 30


def test_keyboard_reads_and_toggles(opened: Open) -> None:
    with opened() as page:
        figure = page.locator("#C0 figure").first
        slider, box = figure.locator("input[type=range]"), figure.locator("input.t1")
        slider.focus()
        for key, epoch in (("Home", 1), ("ArrowRight", 2), ("End", 10)):
            page.keyboard.press(key)
            assert figure.locator("output").text_content().startswith(f"epoch {epoch}: ")
        box.focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Space")
        assert figure.locator("g.s1").is_hidden()
        assert figure.locator("g.s2").is_visible()
        page.keyboard.press("Space")
        assert figure.locator("g.s1").is_visible()


BACKGROUND = "getComputedStyle(document.body).backgroundColor"
WHITE, BLACK = "rgb(255, 255, 255)", "rgb(13, 17, 23)"


def test_theme_follows_the_system_and_a_choice_beats_it(opened: Open) -> None:
    with opened(color_scheme="dark") as page:
        assert page.evaluate(BACKGROUND) == BLACK
        page.emulate_media(color_scheme="light")
        assert page.evaluate(BACKGROUND) == WHITE
        page.locator("summary", has_text="theme").click()
        page.locator("#theme-dark").check()
        assert page.evaluate(BACKGROUND) == BLACK
        page.locator("#theme-light").check()
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(BACKGROUND) == WHITE


def test_print_is_light_and_whole(opened: Open, tmp_path: Path) -> None:
    with opened(color_scheme="dark") as page:
        pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
        cards = page.locator("article.card").count()
        assert cards / 3 < pages < 4 * cards
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate(BACKGROUND) == WHITE
        assert page.locator("svg.picture-of-all").is_visible()
        assert page.locator("#C0 input[type=range]").first.is_hidden()
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("[...document.querySelectorAll('details')].every(fold => fold.open)")
        assert page.locator("#C0 table.numbers").first.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("[...document.querySelectorAll('details:not([open])')].length") > 10


def test_every_chart_has_its_table_and_its_text(opened: Open) -> None:
    with opened() as page:
        charts = page.locator("figure svg.chart").all()
        assert len(charts) > 10
        for chart in charts:
            assert len(chart.get_attribute("aria-label")) > 20
        lone = page.evaluate(
            """[...document.querySelectorAll("figure")].filter((figure) =>
              figure.querySelectorAll("svg.chart").length !== figure.querySelectorAll("output").length ||
              figure.querySelectorAll("svg.chart").length > figure.querySelectorAll("table.numbers").length).length"""
        )
        assert lone == 0


def test_formulas_have_their_font_and_their_size(opened: Open) -> None:
    with opened() as page:
        page.locator("#C0 math").scroll_into_view_if_needed()
        assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \\\"Claims Math\\\"'))")
        root, line = (page.locator(f"#C0 math {tag}").first.bounding_box()["height"] for tag in ("msqrt", "mi"))
        assert root > 1.2 * line


@pytest.mark.parametrize("width", [320, 360])
def test_narrow_screens_do_not_scroll_sideways(opened: Open, width: int) -> None:
    for name in ("index.html", "comparison.html"):
        with opened(name, viewport={"width": width, "height": 640}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)])
@pytest.mark.parametrize("name", ["index.html", "comparison.html"])
def test_axe_finds_nothing(opened: Open, name: str, theme: str, width: int) -> None:
    # axe is a script that the page's policy forbids
    with opened(name, color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True) as page:
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        options = {"runOnly": RULES, "resultTypes": ["violations"]}
        violations = axe_of.Axe().run(page, options=options).response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0].get("failureSummary")) for v in violations] == []
